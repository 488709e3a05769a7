"""Tests of running and resuming a grid, of reporting changes, and of the summary that tables and figures require."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import CODEBOOK, TINY, facts, has_facts, tiny_rows, until, write_rows
from helpers import run as command

from communique.baselines.answers import AnswerCache
from communique.benchmark import results, runner
from communique.benchmark.recipe import ClassifierSettings
from communique.benchmark.rendering import render_summary
from communique.benchmark.results import read_decisions
from communique.benchmark.runner import Grid, run
from communique.benchmark.summary import summarise
from communique.benchmark.worker import Job, make_classifier, work
from communique.errors import CommuniqueError, DataError, RecipeError
from communique.models.classifier import tune_on
from communique.reporting.progress import ProgressReporter

RECIPE: dict[str, Any] = {
    "name": "water",
    "codebook": "codebook.yaml",
    "corpora": [{"path": "pool.jsonl"}],
    "classifiers": [
        {"name": "prior", "kind": "prior", "seeds": 1},
        {"name": "tfidf", "kind": "tfidf-logreg", "options": {"C": 1.0}},
    ],
    "seeds": [0, 1],
    "reference": "prior",
    "splits": [{"kind": "documents", "folds": 3, "tuning_share": 0.3}],
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "codebook.yaml").write_text(yaml.safe_dump(CODEBOOK))
    write_rows(tmp_path / "pool.jsonl", [row | {"source": "press"} for row in tiny_rows(30)])
    return tmp_path


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in this process, because starting another one takes a second, and most tests do not depend on it."""
    monkeypatch.setattr(runner, "run_in_process", work)


def started(project: Path, messages: list[str] | None = None, **changes: Any) -> Grid:
    path = project / "recipe.yaml"
    only, test_use = changes.pop("only", ()), changes.pop("test_use", None)
    path.write_text(yaml.safe_dump(RECIPE | changes), encoding="utf-8")
    lines: list[str] = [] if messages is None else messages
    progress = ProgressReporter(line=lines.append)
    return run(path, project / "out", project / "work", only=only, test_use=test_use, progress=progress)


@pytest.mark.usefixtures("here")
def test_running_a_finished_grid_again_does_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[str] = []
    grid = started(project, messages)
    assert len(grid.runs) == 3
    assert sum(has_facts(line, ", seed ", "macro-F1", "left") for line in messages) == 3

    def refuse(job: object) -> None:
        raise AssertionError("a finished run was run again")

    monkeypatch.setattr(runner, "run_in_process", refuse)
    again = started(project)
    assert [content for _, content in again.runs] == [content for _, content in grid.runs]


@pytest.mark.usefixtures("here")
def test_a_run_stores_scores_decisions_costs_and_versions(project: Path) -> None:
    grid = started(project, only=["tfidf"])
    assert (len(grid.runs), grid.waiting) == (2, 1)
    place, content = grid.runs[0]
    assert content["scores"]["macro_f1"][0] > 0.8
    assert content["rows"]["test"] == {"n": content["scores"]["n"], "documents": 10}
    assert content["training_seconds"] >= 0
    assert content["training_bytes"] > 1e6
    assert content["versions"]["numpy"]
    assert set(content["groups"]) == {"language", "source", "sampling"}
    decisions = read_decisions(place.decisions, grid.codebook.names)
    assert decisions.predicted.shape == decisions.gold.shape == (content["scores"]["n"], 3)
    texts = [row["text"] for row in tiny_rows(30)]
    assert not any(str(text).encode() in place.decisions.read_bytes() for text in texts)


@pytest.mark.usefixtures("here")
def test_a_run_stores_the_commit_with_which_it_began(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = ["before"]

    def commit_and_tune(*args: Any) -> Any:
        head[0] = "after"
        return tune_on(*args)

    for module in ("worker", "results"):
        monkeypatch.setattr(f"communique.benchmark.{module}.git_commit", lambda: head[0], raising=False)
    monkeypatch.setattr("communique.benchmark.worker.tune_on", commit_and_tune)
    ((_, content),) = started(project, only=["prior"]).runs
    assert content["commit"] == "before"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("change", ["data", "settings"])
def test_a_run_with_changed_settings_or_data_is_run_again_with_a_message(project: Path, change: str) -> None:
    before = started(project, only=["tfidf"]).runs[0][0].json
    messages: list[str] = []
    if change == "data":
        write_rows(project / "pool.jsonl", [row | {"source": "press"} for row in tiny_rows(30, seed=1)])
        grid = started(project, messages, only=["tfidf"])
    else:
        grid = started(
            project, messages, only=["tfidf"], classifiers=[{"name": "tfidf", "kind": "tfidf-logreg", "options": {"C": 2.0}}],
            reference="tfidf",
        )  # fmt: skip
    after = grid.runs[0][0].json
    assert after != before
    assert before.exists()
    assert any(before.name in line for line in messages)


@pytest.mark.parametrize("content", [{"format": 1, "labeler": "prior"}, {"benchmark": "tiny", "tables": []}])
def test_a_result_and_a_summary_from_version_0_1_are_refused(tmp_path: Path, content: dict[str, Any]) -> None:
    path = tmp_path / "old.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"old\.json: written by an older version .* Run communique benchmark again"):
        results.read(path)


@pytest.mark.usefixtures("here")
def test_a_run_that_was_killed_while_writing_is_run_again(project: Path) -> None:
    place = started(project, only=["prior"]).runs[0][0]
    place.decisions.unlink()
    assert started(project, only=["prior"]).runs[0][0].done


def test_a_classifier_that_cannot_run_is_left_out_and_reported(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(job: Any) -> Any:
        if job.classifier.name == "tfidf":
            raise CommuniqueError("http://localhost:1: not reached")
        return work(job)

    monkeypatch.setattr(runner, "run_in_process", unreachable)
    grid = started(project)
    assert len(grid.runs) == 1
    assert grid.left_out[0] == "documents, tfidf, seed 0: http://localhost:1: not reached"
    assert "Left out: documents, tfidf, seed 0" in render_summary(summarise(grid))


def test_errors_in_the_recipe_are_raised_before_the_first_run(project: Path) -> None:
    with pytest.raises(RecipeError, match=facts("'D'")):
        started(
            project,
            classifiers=[{"name": "prior", "kind": "prior"}, {"name": "t", "kind": "tfidf-svm", "options": {"D": 1}}],
        )
    with pytest.raises(RecipeError, match=facts("'tfdif'", "prior, tfidf, documents")):
        started(project, only=["tfdif"])


@pytest.mark.usefixtures("here")
def test_labels_without_rows_do_not_cause_errors_or_nan(project: Path) -> None:
    rows = [
        row | {"source": "press", "labels": [x for x in row["labels"] if x == "criticism"]} for row in tiny_rows(30)
    ]
    write_rows(project / "pool.jsonl", rows)
    text = json.dumps(summarise(started(project)), allow_nan=False)
    assert '"criticism"' in text
    assert "nan" not in render_summary(json.loads(text))


@pytest.mark.usefixtures("here")
def test_held_out_files_require_a_reason_which_is_logged(project: Path) -> None:
    (project / "held-out.yaml").write_text("files: [pool.jsonl]\nlog: LOG.md\n")
    log = project / "LOG.md"
    log.write_text("# Log\n\n| date | model | rows | score | why |\n|---|---|---|---|---|\n\n## More\n\n| a |\n")
    with pytest.raises(DataError, match=facts("pool.jsonl", "--use-held-out")):
        started(project, only=["prior"])
    started(project, only=["prior"], test_use="the final table")
    lines = log.read_text().splitlines()
    assert lines[4].endswith("| benchmark water | pool.jsonl | see the results | the final table |")
    assert lines[5:] == ["", "## More", "", "| a |"]


@pytest.mark.usefixtures("here")
def test_the_summary_pools_seeds_and_compares_classifiers(project: Path) -> None:
    summary = summarise(started(project))
    (table,) = summary["tables"]
    assert table["best"] == "tfidf"
    tfidf, prior = table["classifiers"]["tfidf"], table["classifiers"]["prior"]
    assert (tfidf["seeds"], prior["seeds"]) == ([0, 1], [0])
    assert tfidf["macro_f1"][0] == pytest.approx(sum(tfidf["macro_f1_by_seed"]) / 2, abs=1e-4)
    (difference,) = table["against_best"]
    assert difference["value"] == pytest.approx(prior["macro_f1"][0] - tfidf["macro_f1"][0], abs=1e-4)
    assert difference["p_holm"] < 0.05
    assert [found["classifier"] for found in table["against_reference"]] == ["tfidf"]
    languages = [group["macro_f1"][0] for group in tfidf["groups"]["language"].values()]
    assert tfidf["language_average"]["macro_f1"][0] == pytest.approx(sum(languages) / 2, abs=1e-4)
    # The file that the command writes must be valid JSON.
    json.dumps(summary, allow_nan=False)


@pytest.mark.usefixtures("here")
def test_translations_of_a_document_are_resampled_together(project: Path) -> None:
    """Each document has the same text in two languages, so the average has the same interval as each language."""
    rows = []
    for i, row in enumerate(tiny_rows(30)):
        wrong: dict[str, Any] = {"labels": []} if i % 5 == 0 else {}
        for language in ("en", "fr"):
            rows.append(row | wrong | {"source": "press", "language": language, "id": f"{row['id']}-{language}"})
    write_rows(project / "pool.jsonl", rows)
    (table,) = summarise(started(project, only=["tfidf"]))["tables"]
    tfidf = table["classifiers"]["tfidf"]
    assert tfidf["language_average"]["macro_f1"] == tfidf["groups"]["language"]["en"]["macro_f1"]
    assert tfidf["macro_f1"][1] < tfidf["macro_f1"][0]


@pytest.mark.usefixtures("here")
def test_a_lexicon_is_run_again_after_its_file_was_edited(project: Path) -> None:
    lexicon = project / "words.yaml"
    empty: dict[str, list[str]] = {name["name"]: [] for name in CODEBOOK["labels"]}
    classifiers = [{"name": "words", "kind": "lexicon", "seeds": 1, "options": {"file": str(lexicon)}}]
    changes: dict[str, Any] = {"classifiers": classifiers, "reference": "words"}
    lexicon.write_text(yaml.safe_dump({"languages": {"en": {"labels": empty}}}))
    first = started(project, **changes).runs[0][0]
    assert started(project, **changes).runs[0][0] == first
    lexicon.write_text(yaml.safe_dump({"languages": {"en": {"labels": empty | {next(iter(empty)): ["river"]}}}}))
    messages: list[str] = []
    assert started(project, messages, **changes).runs[0][0] != first
    assert any(first.json.name in line for line in messages)


def test_identities_of_classifiers_without_files_do_not_change(tmp_path: Path) -> None:
    for kind, options in (("lexicon", {}), ("frozen-encoder", {"backbone": "e5-small"}), ("tfidf-svm", {"C": 1.0})):
        settings = ClassifierSettings(name="x", kind=kind, options=options)
        assert settings.identity(3, tmp_path) == {"kind": kind, "options": options, "seed": 3}


def test_the_identity_contains_the_hash_of_a_folder_that_an_option_names(tmp_path: Path) -> None:
    settings = ClassifierSettings(name="x", kind="frozen-encoder", options={"backbone": str(tmp_path)})
    (tmp_path / "config.json").write_text("{}")
    before = settings.identity(0, tmp_path)
    (tmp_path / "config.json").write_text("{ }")
    assert settings.identity(0, tmp_path)["files"] != before["files"]


@pytest.mark.usefixtures("here")
def test_rows_without_a_date_are_counted(project: Path) -> None:
    rows = [
        row | {"source": "press"} | ({"date": f"20{10 + i // 40}"} if i % 40 else {})
        for i, row in enumerate(tiny_rows(30))
    ]
    for row in rows:  # A document has one date, so rows with different dates are put into different documents.
        row["document"] = f"{row['document']}-{row.get('date', 'none')}"
    write_rows(project / "pool.jsonl", rows)
    messages: list[str] = []
    grid = started(project, messages, splits=[{"kind": "time", "tuning_share": 0}], only=["prior"])
    undated = sum("date" not in row for row in rows)
    assert grid.runs[0][1]["undated"] == undated > 0
    assert any(has_facts(line, f"{undated} ", "date") for line in messages)
    write_rows(project / "pool.jsonl", [{key: row[key] for key in row if key != "date"} for row in rows])
    with pytest.raises(DataError, match=facts("date")):
        started(project, splits=[{"kind": "time", "tuning_share": 0}])


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), ("memory", "batch_size")),
        (ModuleNotFoundError("No module named 'x'", name="x"), ("'x'", "import")),
        (ZeroDivisionError("a\nb"), ("ZeroDivisionError", "(a)", "traceback")),
    ],
)
def test_any_error_in_a_run_is_reported_in_one_line_and_the_other_runs_continue(
    project: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, line: tuple[str, ...]
) -> None:
    def dies(*_: object) -> None:
        raise error

    monkeypatch.setattr("communique.baselines.tfidf.TfidfLogReg.fit", dies)
    messages: list[str] = []
    grid = started(project, messages)
    assert [content["classifier"] for _, content in grid.runs] == ["prior"]
    assert [text.count("\n") for text in grid.left_out] == [0, 0]
    assert has_facts(grid.left_out[0], "documents, tfidf, seed 0: ", *line)
    if not isinstance(error, MemoryError):
        (kept,) = (project / "work").glob("documents.tfidf.s0.*.error.txt")
        assert type(error).__name__ in kept.read_text()


def test_the_command_counts_failed_runs_and_exits_with_1(project: Path) -> None:
    lexicon = project / "none.yaml"
    classifiers = [RECIPE["classifiers"][0], {"name": "words", "kind": "lexicon", "options": {"file": str(lexicon)}}]
    (project / "recipe.yaml").write_text(yaml.safe_dump(RECIPE | {"seeds": [0], "classifiers": classifiers}))
    result = command("benchmark", project / "recipe.yaml", "--out", project / "out", "--work", project / "work")
    assert result.exit_code == 1
    assert has_facts(result.output, "1 run", "failed")
    assert "Traceback" not in result.output
    assert (project / "out" / "water.json").exists()


def die(job: Job) -> None:
    """Kill this process, as the system does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_raises_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "work", die)
    job: Any = None
    with pytest.raises(DataError, match=facts("killed", "memory")):
        runner.run_in_process(job)
    monkeypatch.setattr(runner, "work", int)
    with pytest.raises(DataError, match=facts("TypeError", "int() argument")):
        runner.run_in_process(job)


_ORPHAN = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
from communique.benchmark.worker import end_with_parent
if __name__ == "__main__":
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=end_with_parent) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 3600)
        time.sleep(3600)
"""


def test_a_run_ends_if_the_benchmark_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(_ORPHAN)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    until(lambda: not _runs(child), "the process of a killed benchmark still runs")


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    # A process that has ended stays in the process table until its parent collects its exit status.
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_the_command_runs_each_classifier_in_a_separate_process(project: Path) -> None:
    (project / "recipe.yaml").write_text(
        yaml.safe_dump(RECIPE | {"seeds": [0], "classifiers": RECIPE["classifiers"][:1]})
    )
    result = command("benchmark", project / "recipe.yaml", "--out", project / "out", "--work", project / "work")
    assert result.exit_code == 0, result.output
    assert "| prior (1) |" in result.stdout
    summary = json.loads((project / "out" / "water.json").read_text())
    # This process has loaded torch and more by now, but a process that only counts labels has not.
    assert summary["tables"][0]["classifiers"]["prior"]["training_bytes"] < 250 * 2**20
    wrong = command("benchmark", project / "none.yaml", "--out", project / "out")
    assert wrong.exit_code == 1
    assert "none.yaml: No such file" in wrong.output


@pytest.mark.slow
def test_the_transformer_can_be_compared_with_other_classifiers(project: Path, tiny_backbone: Path) -> None:
    training = {
        "backbone": str(tiny_backbone), "max_tokens": 32, "freeze_embeddings": False, "epochs": 12, "min_steps": 0,
        "batch_size": 16, "learning_rate": 2e-3, "head_learning_rate": 2e-3, "precision": "fp32", "checkpoint_steps": 10,
    }  # fmt: skip
    classifiers = [
        {"name": "transformer", "kind": "transformer", "training": training, "seeds": 1},
        RECIPE["classifiers"][0],
    ]
    grid = started(project, classifiers=classifiers)
    scores = {content["classifier"]: content["scores"]["macro_f1"][0] for _, content in grid.runs}
    assert scores["transformer"] > scores["prior"]
    content = grid.runs[0][1]
    assert content["precision"] == "fp32"
    assert content["temperature"] != 1
    assert not list((project / "work").glob("*.steps"))


def test_each_kind_of_classifier_has_a_separate_cache(tmp_path: Path) -> None:
    caches = []
    for kind, options in (("frozen-encoder", {}), ("chat", {"base_url": "http://localhost:1/v1", "model": "m"})):
        settings = ClassifierSettings(name=kind, kind=kind, options=options, cache=True)
        unused: Any = None
        job = Job(settings, 0, unused, TINY, tmp_path, tmp_path, tmp_path / "steps")
        caches.append(Path(str(getattr(make_classifier(job), "cache"))))  # noqa: B009
    # Embeddings are stored in a folder and answers in a file, so they cannot have the same path.
    assert caches[0] != caches[1]
    (caches[0] / "of-an-encoder").mkdir(parents=True)
    AnswerCache(caches[1]).close()
    assert caches[1].is_file()
