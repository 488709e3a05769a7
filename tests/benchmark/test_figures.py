"""Tests of tables and figures, which are generated from results, and of the check that they are up to date."""

from __future__ import annotations

import copy
import importlib.util
import re
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from helpers import ROOT

from communique.benchmark.figures import Figure, embedded, figures
from communique.benchmark.rendering import by_language, main_table, render_summary


def classifier(score: float, rows: int = 100) -> dict[str, Any]:
    value = [score, score - 0.1, score + 0.1]
    group = {"n": 20, "documents": 6, "gold": {"good": 9, "bad": 9}, "macro_f1": value}
    return {
        "seeds": [0, 1],
        "macro_f1": value,
        "macro_f1_by_seed": [score, score],
        "f1": {"good": value, "bad": [None, None, None]},
        "language_average": {"macro_f1": value, "by_seed": [score, score]},
        "groups": {"language": {"fr": group, "sv": group | {"macro_f1": [None, None, None]}}, "sampling": {"random": group}},
        "training_rows": rows,
        "training_seconds": 1234.5,
        "resumed": True,
        "sentences_per_second": 45.6,
        "training_bytes": 3 * 2**30,
        "inference_bytes": 2**30,
    }  # fmt: skip


def table(kind: str, part: str = "", x: float | None = None, **scores: float) -> dict[str, Any]:
    difference = {"value": -0.1, "low": -0.2, "high": 0.0, "p": 0.02, "p_holm": 0.04, "against": "deep"}
    return {
        "split": kind, "kind": kind, "part": part, "x": x, "n": 40, "documents": 12, "gold": {"good": 18, "bad": 18},
        "best": "deep", "classifiers": {name: classifier(score) for name, score in scores.items()},
        "against_best": [difference | {"classifier": name} for name in scores if name != "deep"],
    }  # fmt: skip


SUMMARY: dict[str, Any] = {
    "benchmark": "water",
    "labels": ["good", "bad"],
    "cached": ["words"],
    "left_out": [],
    "published": [{"name": "XLM-R", "average": 0.668, "by_language": {"fr": 0.705}, "citation": "a paper"}],
    "tables": [
        table("documents", deep=0.7, words=0.6),
        table("leave-one-language-out", "fr", deep=0.5, words=0.4),
        table("leave-one-language-out", "sv", deep=0.6),
        table("cross-lingual", "fr", deep=0.5, words=0.4),
        table("cross-lingual", "sv", deep=0.4, words=0.3),
        table("few-shot", "8", 8, deep=0.3, words=0.3),
        table("few-shot", "16", 16, deep=0.4, words=0.3),
    ],
}


def test_the_main_table_shows_scores_differences_and_costs() -> None:
    text = main_table(SUMMARY["tables"][:1], SUMMARY)
    lines = text.splitlines()
    assert lines[0] == "40 sentences in 12 documents."
    assert lines[4] == (
        "| deep (2) | 0.700 [0.600, 0.800] | 0.700 [0.600, 0.800] | 0.700 [0.600, 0.800] | – | – | – | ≥ 1,234 | 46 "
        "| 3,072 MiB / 1,024 MiB |"
    )
    # Times are not shown for a classifier whose runs share cached results.
    assert lines[5].endswith("| -0.100 [-0.200, +0.000] | 0.040 | – | – | 3,072 MiB / 1,024 MiB |")
    assert len({line.count("|") for line in lines[2:6]}) == 1


def test_published_scores_are_shown_next_to_ours() -> None:
    lines = by_language(SUMMARY["tables"][0], SUMMARY).splitlines()
    assert lines[0] == "| language | sentences | deep | words | XLM-R (published) |"
    assert lines[2] == "| **average** | 40 | 0.700 [0.600, 0.800] | 0.600 [0.500, 0.700] | 0.668 |"
    assert lines[3:] == ["| fr | 20 | 0.700 | 0.600 | 0.705 |", "| sv | 20 | – | – | – |"]


def test_a_matrix_has_no_columns_for_languages_without_a_classifier_of_their_own() -> None:
    french = SUMMARY | {"tables": [table("cross-lingual", "fr", deep=0.5)]}
    assert render_summary(french).splitlines()[2] == "| deep: trained on (rows) | fr (20) |"
    [figure] = figures(french)
    assert [language for language, _ in figure.data["panels"]["deep"]["columns"]] == ["fr"]


def test_every_split_is_rendered_and_a_missing_classifier_is_shown_as_a_dash() -> None:
    text = render_summary(SUMMARY)
    assert re.findall(r"\*\*water: (.*)\*\*", text) == [
        "documents",
        "leave-one-language-out",
        "cross-lingual",
        "few-shot",
    ]
    assert "| sv | 40 | 12 | 0.600 [0.500, 0.700] | – |" in text
    assert "| deep: trained on (rows) | fr (20) | sv (20) |" in text


def test_figures_are_drawn_and_contain_the_hash_of_their_numbers(tmp_path: Path) -> None:
    made = figures(SUMMARY)
    assert [figure.kind for figure in made] == ["bars", "matrix", "curves"]
    for figure in made:
        assert not figure.current(tmp_path)
        figure.write(tmp_path)
        assert figure.current(tmp_path)
        svg, png = tmp_path / f"{figure.name}.svg", tmp_path / f"{figure.name}.png"
        assert embedded(svg) == figure.sha256
        assert png.read_bytes().startswith(b"\x89PNG")
        first = svg.read_bytes()
        figure.write(tmp_path)
        assert svg.read_bytes() == first
    assert "fr" in (tmp_path / "water-cross-lingual.svg").read_text()


@pytest.mark.parametrize("rows", [[318, 326, 673, 708, 1541, 1551, 2979, 3024, 6098], [50], list(range(10, 200))])
def test_axis_labels_of_a_learning_curve_do_not_overlap(rows: list[int]) -> None:
    from matplotlib.figure import Figure as Canvas

    data = {"lines": {"words": [[n, 0.5, 0.4, 0.6] for n in rows]}, "x": "", "title": "", "legend": {"words": "words"}}
    canvas = Canvas(layout="constrained")
    Figure("curve", "curves", data).draw(canvas)
    canvas.draw_without_rendering()
    boxes = [label.get_window_extent() for label in canvas.axes[0].get_xticklabels()]
    assert boxes
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_a_figure_is_out_of_date_if_its_numbers_have_changed(tmp_path: Path) -> None:
    figure = figures(SUMMARY)[2]
    figure.write(tmp_path)
    changed = copy.deepcopy(SUMMARY)
    changed["tables"][-1]["classifiers"]["deep"]["macro_f1"][0] = 0.41
    assert not figures(changed)[2].current(tmp_path)
    unseen = copy.deepcopy(SUMMARY)
    unseen["tables"][-1]["classifiers"]["deep"]["training_seconds"] = 1.0
    assert figures(unseen)[2].current(tmp_path)
    (tmp_path / "water-few-shot.png").unlink()
    assert not figure.current(tmp_path)


def test_a_file_without_our_hash_is_out_of_date(tmp_path: Path) -> None:
    (tmp_path / "a.svg").write_text("<svg/>")
    (tmp_path / "a.png").write_bytes(b"")
    assert not Figure("a", "curves", {}).current(tmp_path)


@pytest.fixture
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tables", ROOT / "benchmarks" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables_and_figures_in_the_repository_show_the_current_results(tables: ModuleType) -> None:
    for document in tables.DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        assert tables.rewritten(text) == text, f"{document}: run `make tables`"
    assert [figure.name for figure in tables.outdated()] == []


def test_every_result_has_markers_in_a_document(tables: ModuleType) -> None:
    text = "".join(document.read_text(encoding="utf-8") for document in tables.DOCUMENTS)
    for name in ("quality", "speed", "memory", "estimation-memory", *tables.summaries()):
        assert f"<!-- {name} -->\n" in text
        assert f"<!-- /{name} -->" in text


def test_a_number_that_was_edited_by_hand_is_corrected(tables: ModuleType) -> None:
    page = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    edited = re.sub(r"(<!-- speed -->.*?)\d", r"\g<1>x", page, count=1, flags=re.DOTALL)
    assert edited != page
    assert tables.rewritten(edited) == tables.rewritten(page)


def test_figures_can_show_more_classifiers_than_colours_and_parts_without_scores(tmp_path: Path) -> None:
    scores = {f"classifier{i}": 0.1 + i / 20 for i in range(9)}
    few = [table("few-shot", str(x), x, deep=0.3, **scores) for x in (8, 16)]
    left_out = [
        table("leave-one-language-out", "fr", deep=0.5),
        table("leave-one-language-out", "sv", deep=0.6, **scores),
    ]
    for one in few:
        one["classifiers"]["classifier0"]["macro_f1"] = [None, None, None]
    for figure in figures(SUMMARY | {"tables": [*few, *left_out]}):
        figure.write(tmp_path)
        drawn = (tmp_path / f"{figure.name}.svg").read_text(encoding="utf-8")
        assert ("classifier0" in drawn) == (figure.kind == "bars")
        assert all(f"classifier{i}" in drawn for i in range(1, 9))


def test_a_difference_without_an_interval_is_shown() -> None:
    one = table("documents", deep=0.7, words=0.6)
    one["against_best"][0] |= {"low": None, "high": None}
    assert "| -0.100 [–] |" in main_table([one], SUMMARY)
