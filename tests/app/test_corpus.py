"""Tests of the page that shows a corpus: proportions by group, strips of documents, and how fast it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import bundle_folder
from helpers import CUES, has_facts, write_rows
from starlette.testclient import TestClient

from communique.app.context import OpenProject
from communique.app.corpus import BY_YEAR, CELLS, Corpus
from communique.app.tables import Tables, read_labelled
from communique.errors import DataError
from communique.project import Project

NAMES = list(CUES)


def table(path: Path, rows: list[tuple[str, str, list[str]]], **extra: list[object]) -> Path:
    """Write a labelled table of documents, texts and labels, as `communique label` does."""
    n = len(rows)
    p = [[0.9 if name in labels else 0.1 for _, _, labels in rows] for name in NAMES]
    columns = {
        "id": [f"r{i}" for i in range(n)],
        "document": [document for document, _, _ in rows],
        "index": pa.array(range(n), pa.int64()),
        "language": ["en"] * n,
        "text": [text for _, text, _ in rows],
        "labels": pa.array([labels for _, _, labels in rows], pa.list_(pa.string())),
        "probabilities": pa.StructArray.from_arrays([pa.array(column) for column in p], NAMES),
        "truncated": [False] * n,
    }
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns | extra), path, row_group_size=2)
    return path


ROWS = [
    ("b", "One.", ["criticism"]),
    ("b", "Two.", ["criticism", "policy_claim"]),
    ("a", "Three.", []),
    ("a", "Four.", ["criticism"]),
]
DATES: list[object] = ["2020-01-31", "2021-05-02", "2021-06-01", None]


@pytest.fixture
def labelled(project: Project) -> Path:
    """Write a small labelled table into the project."""
    return table(project.folder / "labelled" / "model-1.parquet", ROWS, date=DATES, country=["N", "V", "N", "N"])


def test_tentative_labels_are_counted_where_the_model_abstained(project: Project, client: TestClient) -> None:
    rows = [(document, text, labels if text != "Four." else ["unsure"]) for document, text, labels in ROWS]
    tentative: list[object] = [labels for _, _, labels in ROWS]
    path = table(project.folder / "labelled" / "model-1.parquet", rows, tentative_labels=tentative)
    found = read_labelled(path)
    assert (found.unsure, found.decisions[:, 0].tolist()) == (1, [True, True, False, True])
    assert "tentative_labels" not in found.columns
    assert "1 sentence is “unsure”" in client.get("/label/tables/model-1.parquet").text
    # A column of this name that an earlier run wrote into the input is not used.
    other = table(project.folder / "x.parquet", ROWS, tentative_labels=[["policy_claim"]] * 4)
    assert read_labelled(other).decisions[:, 0].tolist() == [True, True, False, True]
    with pytest.raises(DataError, match="tentative_labels"):
        Tables(project).open(table(project.folder / "y.parquet", rows))


def test_proportions_are_counted_by_year_and_by_group(labelled: Path) -> None:
    corpus = Corpus(read_labelled(labelled))
    by_year, *others = corpus.groupings
    assert (by_year.name, by_year.is_time) == ("date" + BY_YEAR, True)
    assert {one.name for one in others} == {"date", "country"}
    assert [(group.name, group.n, group.counts) for group in corpus.groups(by_year)] == [
        ("(missing)", 1, (1, 0, 0)),
        ("2020", 1, (1, 0, 0)),
        ("2021", 2, (1, 1, 0)),
    ]
    country = next(one for one in others if one.name == "country")
    assert [group.proportion(0) for group in corpus.groups(country)] == [pytest.approx(2 / 3), 1.0]
    assert corpus.total == ("all sentences", 4, (3, 1, 0))


def test_rows_that_were_not_labelled_are_no_sentences(tmp_path: Path) -> None:
    rows = [*ROWS, ("a", "12", []), ("a", " ", [])]
    path = table(tmp_path / "t" / "x.parquet", rows, error=[None] * 4 + ["no letters", None])
    assert Corpus(read_labelled(path)).total.n == 4


def test_a_strip_has_one_line_per_label(labelled: Path) -> None:
    corpus = Corpus(read_labelled(labelled))
    first, second = corpus.strips([0, 1])
    assert (first.name, first.n, first.counts, first.cells) == ("b", 2, (2, 1, 0), ((0, 1), (1,), ()))
    assert second.cells == ((1,), (), ())


def test_the_cells_of_a_long_document_contain_several_sentences(tmp_path: Path) -> None:
    rows: list[tuple[str, str, list[str]]] = [("d", "Text.", ["criticism"] if i == 999 else []) for i in range(1000)]
    [strip] = Corpus(read_labelled(table(tmp_path / "t" / "x.parquet", rows))).strips([0])
    assert (strip.per_cell, strip.width) == (5, CELLS)
    assert strip.cells[0] == (CELLS - 1,)


def test_the_page_says_that_nothing_is_corrected_and_links_to_the_texts(client: TestClient, labelled: Path) -> None:
    page = client.get("/corpus").text
    assert "Not corrected" in page
    assert "75.0%" in page
    assert "<svg" in page
    assert "<th" in page
    address = re.findall(r'href="(/label/tables/[^"]*)"', page)[0]
    shown = client.get(address)
    assert shown.status_code == 200
    assert "Two." in shown.text
    assert "Three." not in shown.text
    assert 'href="/corpus?table=' in shown.text
    assert 'href="/estimate"' in shown.text
    assert "style=" not in page


def test_a_figure_names_all_groups_if_there_is_room(client: TestClient, project: Project) -> None:
    def named(*values: str) -> list[str]:
        table(project.folder / "labelled" / "model-1.parquet", ROWS, group=list(values))
        page = client.get("/corpus", params={"table": "model-1.parquet", "by": "group"}).text
        return re.findall(r"<text [^>]*>([^<]*)</text>", page.split("</svg>")[0])

    assert named("FRA", "USA", "中国", "IND") == ["FRA", "IND", "USA", "中国"]
    assert named("A long name of a country", "USA", "中国", "IND") == ["A long name of a cou", "中国"]


def test_a_table_that_is_a_document_of_the_project_is_shown_as_well(client: TestClient) -> None:
    page = client.get("/corpus", params={"by": "country"})
    assert page.status_code == 200
    assert "labelled.jsonl" in page.text
    assert "DE" in page.text
    assert client.get("/corpus", params={"by": "text"}).status_code == 404
    assert client.get("/corpus", params={"table": "../project.yaml"}).status_code == 404


def test_a_table_is_read_again_only_if_its_file_changed(opened: OpenProject, labelled: Path) -> None:
    tables = Tables(opened.project)
    first = tables.open(labelled)
    assert tables.open(labelled) is first
    table(labelled, ROWS[:3])
    assert len(tables.open(labelled)) == 3


def test_a_converted_table_is_kept_until_its_file_changes(opened: OpenProject) -> None:
    path = opened.project.documents()[0]
    Tables(opened.project).prepare()
    [copy] = (opened.project.folder / ".app" / "tables").iterdir()
    before = copy.stat().st_mtime_ns
    assert len(Tables(opened.project).open(path)) == 420
    assert copy.stat().st_mtime_ns == before
    path.write_text("".join(path.open(encoding="utf-8").readlines()[:50]), encoding="utf-8")
    assert len(Tables(opened.project).open(path)) == 50
    assert len(list(copy.parent.iterdir())) == 1


def test_a_table_without_probabilities_is_read_again_if_the_codebook_changed(opened: OpenProject) -> None:
    names = opened.project.codebook.names
    row = {"id": "a:0", "document": "a", "index": 0, "text": "We condemn it.", "labels": [names[0]]}
    path = write_rows(opened.project.folder / "labelled" / "other.jsonl", [row])
    codebook = opened.project.codebook
    assert opened.tables.open(path, codebook).names == names
    changed = codebook.model_copy(update={"labels": tuple(reversed(codebook.labels))})
    for tables in (opened.tables, Tables(opened.project)):
        assert tables.open(path, changed).names == tuple(reversed(names))


def test_hostile_names_and_values_stay_text(client: TestClient, project: Project) -> None:
    evil = "<script>alert(1)</script>\u202e'\"&"
    rows: list[tuple[str, str, list[str]]] = [(evil, evil, ["criticism"]), ("b", "Two.", [])]
    table(project.folder / "labelled" / "model-1.parquet", rows, group=[evil, "=1+1"])
    for address in ("/corpus?by=group", "/corpus?q=%3Cscript", "/label/tables/model-1.parquet?document=0"):
        page = client.get(address)
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "\u202e" not in page.text


def test_a_project_without_labels_explains_what_to_do(
    tmp_path: Path, connect: Callable[..., TestClient], project: Project
) -> None:
    project.documents()[0].write_text("", encoding="utf-8")
    page = connect().get("/corpus")
    assert page.status_code == 200
    assert "Label the documents" in page.text


def test_a_damaged_table_is_an_error_with_a_reason(client: TestClient, labelled: Path) -> None:
    labelled.write_bytes(b"PAR1 nothing")
    answer = client.get("/corpus")
    assert answer.status_code == 400
    assert "model-1.parquet" in answer.text


def test_a_table_with_other_labels_does_not_hide_the_other_tables(
    client: TestClient, project: Project, labelled: Path
) -> None:
    assert client.get("/corpus").status_code == 200
    labels = project.codebook.labels
    renamed = labels[0].model_copy(update={"name": "blame"})
    changed = project.codebook.model_copy(update={"labels": (renamed, *labels[1:])})
    old, path = project.codebook, project.codebook_path
    changed.dump(path)
    answer = client.get("/corpus")
    assert answer.status_code == client.get("/api/v1/corpus").status_code == 400
    assert has_facts(answer.text, NAMES[0], "Label the texts again", '<select id="table"', "labelled.jsonl")
    assert "<h1>Corpus</h1>" in answer.text
    # If the model is there, its codebook says what the labels mean.
    bundle_folder(project.folder / "models" / "model-1", old)
    answer = client.get("/corpus")
    assert answer.status_code == client.get("/api/v1/corpus").status_code == 200
    assert has_facts(answer.text, *NAMES)


def test_the_api_returns_the_proportions_of_a_table(client: TestClient, opened: OpenProject) -> None:
    names = client.get("/api/v1/tables").json()
    found = client.get("/api/v1/corpus").json()
    assert found["table"] == names[0]
    assert (found["corrected"], found["groups"]) == (False, [])
    assert "do not estimate" in found["caution"]
    by = found["allowed"][0]
    grouped = client.get("/api/v1/corpus", params={"table": names[0], "by": by}).json()
    assert grouped["by"] == by
    assert sum(group["sentences"] for group in grouped["groups"]) == found["total"]["sentences"] > 0
    for i, whole in enumerate(found["total"]["labels"]):
        parts = [group["labels"][i] for group in grouped["groups"]]
        assert {part["label"] for part in parts} == {whole["label"]}
        assert sum(part["count"] for part in parts) == whole["count"]
        assert whole["proportion"] == whole["count"] / found["total"]["sentences"]
    for wrong in ({"table": "../x"}, {"by": "nothing"}):
        assert client.get("/api/v1/corpus", params=wrong).status_code == 404
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    assert {"/api/v1/tables", "/api/v1/corpus", "/api/v1/label"} <= set(paths)
