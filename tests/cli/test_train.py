"""Tests of `communique train` and `export`: tables instead of a recipe, and models that have learned nothing."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import CODEBOOK, has_facts, run, tiny_rows, write_rows

from communique.models.folder import read_info
from communique.reporting.progress import ProgressReporter
from communique.training.recipe import Recipe
from communique.training.steps import locked_steps, record_run


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Recipe, Path]]:
    """Record what would be trained instead of training it."""
    pytest.importorskip("torch")
    calls: list[tuple[Recipe, Path]] = []

    class Untroubled:
        warnings, kind = (), "checkpoint"

    class Selection:
        def render(self, *, trained: bool = True) -> str:
            return "trained" if trained else "kept"

    def train(recipe: Recipe, out: Path, **_: Any) -> Path:
        calls.append((recipe, out))
        return out

    def select(recipe: Recipe, out: Path, *, kind: str, **_: Any) -> Selection:
        calls.append((recipe.model_copy(update={"description": kind}), out))
        return Selection()

    monkeypatch.setattr("communique.training.run.train", train)
    monkeypatch.setattr("communique.selection.select.train_selected", select)
    monkeypatch.setattr("communique.models.folder.read_info", lambda *_: Untroubled())
    return calls


def test_tables_need_no_recipe(trained: list[tuple[Recipe, Path]], tmp_path: Path) -> None:
    tables = [tmp_path / "Coded 1.csv", tmp_path / "more.xlsx"]
    assert run("train", *tables, "--codebook", tmp_path / "mine.yaml").exit_code == 0
    ((recipe, out),) = trained
    assert (recipe.name, out) == ("coded-1", Path("runs/coded-1"))
    assert [source.path for source in recipe.sources("train")] == list(map(str, tables))
    assert recipe.codebook == str(tmp_path / "mine.yaml")
    assert run("train", tables[0], "--name", "water", "-o", tmp_path / "out").exit_code == 0
    assert (trained[1][0].name, trained[1][1]) == ("water", tmp_path / "out")
    # The classifier is chosen in cross-validation unless --kind names one.
    assert trained[0][0].description == "auto"
    assert run("train", tables[0], "--kind", "frozen-encoder").exit_code == 0
    assert trained[2][0].description == "frozen-encoder"
    named = {"text": "Satz", "labels": "Code", "document": "Rede"}
    options = ("--text-column", "Satz", "--label-column", "Code", "--document-column", "Rede")
    assert run("train", tables[0], *options).exit_code == 0
    assert trained[3][0].corpora[0].columns == named
    # The default codebook is that of the shipped model.
    assert Path(trained[1][0].codebook).parent.name == "communique-small"


@pytest.mark.parametrize(
    ("kind", "facts"),
    [("frozen", ["did you mean 'frozen-encoder'?"]), ("TFIDF", ["did you mean 'tfidf'?"]), ("svm", ["transformer"])],
)
def test_an_unknown_kind_is_refused_before_anything_is_read(
    trained: list[tuple[Recipe, Path]], tmp_path: Path, kind: str, facts: list[str]
) -> None:
    refused = run("train", tmp_path / "missing.csv", "--kind", kind)
    assert refused.exit_code == 2
    assert has_facts(" ".join(refused.stderr.split()), "--kind", repr(kind), "allowed: auto, tfidf", *facts)
    assert not trained


@pytest.mark.parametrize("steps", ["finished", "begun", "none"])
def test_a_recipe_says_after_ctrl_c_how_to_resume(
    trained: list[tuple[Recipe, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: str
) -> None:
    folder = tmp_path / "out.steps"

    def stop(recipe: Recipe, out: Path, *, progress: ProgressReporter, **_: Any) -> Path:
        with locked_steps(folder, progress):
            if steps != "none":
                record_run(folder, {"seed": 0})
            if steps == "finished":
                (folder / "plan.json").write_text("{}")
            raise KeyboardInterrupt

    monkeypatch.setattr("communique.training.run.train", stop)
    content = {"name": "water", "codebook": "c.yaml", "corpora": [{"path": "a.csv"}]}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(content))
    stopped = run("train", tmp_path / "r.yaml", "-o", tmp_path / "out")
    assert stopped.exit_code == 130
    message = " ".join(stopped.stderr.split())
    resumable = has_facts(message, "out.steps contains the finished steps", "run the same command", "--kind", "--out")
    assert resumable == (steps == "finished")
    # Otherwise a folder without a finished step would keep the next command from running with another --kind.
    assert folder.exists() == (steps == "finished")


def test_a_problem_of_many_rows_fills_one_line(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "codebook.yaml").write_text(yaml.safe_dump(CODEBOOK))
    rows = [row | {"labels": "keine"} for row in tiny_rows(10)]
    result = run(
        "train", write_rows(tmp_path / "t.jsonl", rows), "--codebook", tmp_path / "codebook.yaml", "--kind", "tfidf"
    )
    assert result.exit_code == 1
    assert result.stderr.count("unknown label 'keine'") == 1
    assert has_facts(result.stderr, f"{len(rows)} rows (1, 2, 3, 4, 5, …)", "cooperation_pledge, none")


def test_several_processes_note_that_they_do_not_compare_classifiers(
    trained: list[tuple[Recipe, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("communique.training.distributed.world_size", lambda: 2)
    for options in ([], ["--kind", "transformer"]):
        result = run("train", tmp_path / "coded.csv", *options)
        assert result.exit_code == 0
        assert has_facts(result.stderr, "2 processes", "without comparing", "accelerate launch")
    assert [recipe.description for recipe, _ in trained] == ["", ""]
    for kind in ("auto", "tfidf", "frozen-encoder"):
        refused = run("train", tmp_path / "coded.csv", "--kind", kind)
        assert refused.exit_code == 2
        assert has_facts(" ".join(refused.stderr.replace("│", " ").split()), "--kind", kind, "2 processes")
    assert len(trained) == 2


def test_a_recipe_with_folds_trains_a_transformer_in_cross_validation(
    trained: list[tuple[Recipe, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import communique.selection.select

    passed: list[dict[str, Any]] = []
    select = communique.selection.select.train_selected

    def recording(recipe: Recipe, out: Path, *, kind: str, **options: Any) -> Any:
        passed.append(options)
        return select(recipe, out, kind=kind, **options)

    monkeypatch.setattr("communique.selection.select.train_selected", recording)
    content = {"name": "water", "codebook": "c.yaml", "corpora": [{"path": "a.csv"}]}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(content))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    options = ["--folds", tmp_path / "folds", "-o", tmp_path / "out"]
    # Without a model, the folder of the model is not needed.
    only = run("train", tmp_path / "r.yaml", *options, "--only-folds")
    assert only.exit_code == 0
    assert has_facts(only.stderr, "without --only-folds")
    assert only.stdout == "kept\n"
    assert (passed[0]["folds"], passed[0]["only_folds"]) == (tmp_path / "folds", True)
    assert trained[0][0].description == "transformer"
    assert run("train", tmp_path / "r.yaml", *options).exit_code == 2
    assert len(passed) == 1
    assert run("train", tmp_path / "r.yaml", *options, "--only-folds", "--max-folds", 2).exit_code == 0
    assert [each["max_folds"] for each in passed] == [None, 2]
    refused = run("train", tmp_path / "r.yaml", "--max-folds", 2)
    assert refused.exit_code == 2
    assert has_facts(refused.stderr, "--max-folds", "--folds")
    refused = run("train", tmp_path / "r.yaml", "--only-folds")
    assert refused.exit_code == 2
    assert has_facts(refused.stderr, "--only-folds", "--folds")
    monkeypatch.setattr("communique.training.distributed.world_size", lambda: 2)
    refused = run("train", tmp_path / "r.yaml", "--folds", tmp_path / "folds")
    assert refused.exit_code == 2
    assert has_facts(" ".join(refused.stderr.replace("│", " ").split()), "--folds", "2 processes")


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        (["r.yaml", "a.csv"], ["r.yaml", "only argument", "corpora"]),
        (["r.yml", "--codebook", "c.yaml"], ["--codebook", "r.yml"]),
        (["r.yaml", "--name", "x"], ["--name", "r.yaml"]),
    ],
)
def test_a_recipe_must_be_the_only_argument(arguments: list[str], facts: list[str]) -> None:
    result = run("train", *arguments)
    assert result.exit_code == 2
    assert has_facts(" ".join(result.stderr.replace("│", " ").split()), *facts)


@pytest.mark.slow
def test_a_model_that_has_learned_nothing_is_saved_but_not_exported(tiny_backbone: Path, tmp_path: Path) -> None:
    (tmp_path / "codebook.yaml").write_text(yaml.safe_dump(CODEBOOK))
    write_rows(tmp_path / "corpus.jsonl", tiny_rows(30))
    recipe = {
        "name": "idle",
        "codebook": "codebook.yaml",
        "corpora": [{"path": "corpus.jsonl"}],
        "backbone": str(tiny_backbone),
        "max_tokens": 32,
        "epochs": 1,
        "min_steps": 0,
        "learning_rate": 1e-9,
        "head_learning_rate": 1e-9,
        "precision": "fp32",
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    checkpoint = tmp_path / "checkpoint"
    trained = run("train", tmp_path / "recipe.yaml", "-o", checkpoint)
    assert trained.exit_code == 1
    assert has_facts(trained.stderr, "WARNING", "held-out rows", "steps", "about a minute", "What to try", "min_steps")
    assert read_info(checkpoint, "checkpoint").warnings
    refused = run("export", checkpoint, "-o", tmp_path / "bundle")
    assert refused.exit_code == 1
    assert has_facts(refused.stderr, "not fit for use", "--force")
    assert not (tmp_path / "bundle").exists()
    assert run("export", checkpoint, "-o", tmp_path / "bundle", "--force").exit_code == 0
    assert read_info(tmp_path / "bundle").warnings
    assert "not fit for use" in (tmp_path / "bundle" / "README.md").read_text()


def few_rows(path: Path, n: int, documents: int, labels: list[list[str]]) -> Path:
    """Write n rows in some documents. Labels alternate, each text contains the names of its labels, and no texts are similar."""
    rows = [
        {
            "id": str(i),
            "document": f"d{i * documents // n}",
            "text": " ".join([*labels[i % len(labels)], "word", f"{random.Random(i).getrandbits(160):x}"]),
            "labels": labels[i % len(labels)],
        }
        for i in range(n)
    ]
    return write_rows(path, rows)


MIXED = [["criticism"], [], ["policy_claim"], ["criticism", "policy_claim"], []]
FIVE = CODEBOOK | {
    "task": "multiclass",
    "labels": [{"name": f"class{i}", "definition": f"Class {i}."} for i in range(5)],
}


@pytest.mark.parametrize(
    ("n", "documents", "labels", "codebook"),
    [
        (2, 2, MIXED, CODEBOOK),
        (12, 1, MIXED, CODEBOOK),
        (12, 2, MIXED, CODEBOOK),
        (20, 4, MIXED, CODEBOOK),
        # One label has a single row.
        (20, 5, [*MIXED * 3, ["cooperation_pledge"], *MIXED], CODEBOOK),
        (50, 10, MIXED, CODEBOOK),
        (12, 3, [[f"class{i}"] for i in range(5)], FIVE),
        (50, 2, [[f"class{i}"] for i in range(5)], FIVE),
    ],
)
def test_training_on_few_rows_ends_with_a_model_or_an_explanation(
    tmp_path: Path, n: int, documents: int, labels: list[list[str]], codebook: dict[str, Any]
) -> None:
    table = few_rows(tmp_path / "few.jsonl", n, documents, labels)
    (tmp_path / "codebook.yaml").write_text(yaml.safe_dump(codebook))
    result = run("train", table, "--codebook", tmp_path / "codebook.yaml", "--kind", "tfidf", "-o", tmp_path / "out")
    if result.exit_code == 0:
        assert "WARNING" not in result.output
        assert run("label", table, "--model", tmp_path / "out", "-o", tmp_path / "out.csv").exit_code == 0
    elif documents == 1:
        assert has_facts(result.stderr, "error:", "one document", "at least 2")
    else:
        assert has_facts(result.stderr, "WARNING", "Do not use this model", "Code more rows")


@pytest.mark.parametrize("labels", [[[]], [["criticism"]]])
def test_training_on_rows_with_identical_labels_is_refused(tmp_path: Path, labels: list[list[str]]) -> None:
    """If no row has a label, the held-out F1 is not defined, which must not count as success."""
    table = few_rows(tmp_path / "same.jsonl", 20, 10, labels)
    (tmp_path / "codebook.yaml").write_text(yaml.safe_dump(CODEBOOK))
    result = run("train", table, "--codebook", tmp_path / "codebook.yaml", "--kind", "tfidf", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert has_facts(result.stderr, "error:", "all 20 labelled rows have the same labels", "Add rows with other labels")
    assert not (tmp_path / "out").exists()
