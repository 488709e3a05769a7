"""Tests with hostile files, names and settings: every command ends with a proper exit code and prints no control characters.

Tests set `COMMUNIQUE_DEBUG`, so unexpected errors are raised and fail the test.
"""

from __future__ import annotations

import json
import os
import re
import resource
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes import bundle_folder
from helpers import CODEBOOK, predictions, run, tiny_rows, write_rows

from communique.data.codebook import Codebook
from communique.errors import BundleError
from communique.models.checkpoint import CheckpointClassifier
from communique.models.info import INFO

pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("fake_network")]

#: A text that clears the screen, sets the title and colours (C1), reverses the direction, and contains tags of rich and HTML.
EVIL = "\x1b[2J\x1b]0;owned\x07\u009b31m\u202e[/red][bold]<script>alert(1)</script>\u2028"

CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module", autouse=True)
def memory() -> Iterator[None]:
    # The memory of ordinary imports does not count. Which of them an earlier test has already done depends on the order of the
    # tests, and so do some hundred MiB. An alias bomb would need gigabytes.
    for module in ("torch", "transformers", "scipy.stats", "babel", "pyarrow.parquet", "communique.cli.app"):
        import_module(module)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 600, f"{grown:.0f} MiB more"


@pytest.fixture
def codebook(tmp_path: Path) -> Path:
    path = tmp_path / "codebook.yaml"
    path.write_text(yaml.safe_dump(CODEBOOK))
    return path


def survive(*arguments: object, one_line: bool = False) -> str:
    """Run a command, check that it ends properly, and return its output."""
    result = run(*arguments)
    assert result.exit_code in (0, 1, 2), result.output
    assert not CONTROLS.search(result.output), ascii(result.output)
    if one_line:
        assert result.exit_code in (1, 2), result.output
        errors = result.stderr[result.stderr.index("error: ") :]
        assert errors.count("\n") == 1, errors
    return result.output


def nested(opening: str, depth: int = 200_000) -> str:
    return opening * depth


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)

YAMLS = {
    "alias bomb": BOMB + "name: *j\nlabels: *j\n",
    "alias of itself": "&a [*a]",
    "one alias": "name: &n x\nversion: *n\n",
    "merge key": "a: &a {name: x}\n<<: *a\n",
    "deep flow list": "a: " + nested("[", 50_000),
    "deep flow map": nested("{a: ", 50_000),
    "deep block list": "- " * 5_000 + "x",
    "tag of Python": '!!python/object/apply:os.system ["true"]',
    "tag of a module": "!!python/name:os.system",
    "invalid date": "version: 2025-02-30\n",
    "invalid timestamp": "version: !!timestamp x\n",
    "invalid bool": "version: !!bool maybe\n",
    "integer without digits": 'version: !!int ""\n',
    "integer of 6,000 digits": "version: " + "9" * 6000,
    "key that is a list": "? [a, b]\n: c\n",
    "nothing": "",
    "a list": "- a\n- b\n",
    "a number": "7",
    "large": "name: " + "x" * 2_000_000,
    "100,000 keys": "\n".join(f"k{i}: 1" for i in range(60_000)),
    "long key": "k" * 500_000 + ": 1\n",
    "NUL": "name: a\0b\n",
    "ESC in a key": '"\\e[2J\\u202e": 1\n',
    "ESC in a label": json.dumps(CODEBOOK | {"labels": [{"name": "a\x1b[2J", "definition": "x"}] * 2}),
    "labels without end": "labels:\n" + "- 1\n" * 20_000,
    "unclosed quote": "name: '" + "x\n" * 1000,
    "two documents": "a: 1\n---\nb: 2\n",
}


@pytest.mark.parametrize("name", YAMLS)
def test_hostile_codebooks_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / "evil.yaml"
    path.write_text(YAMLS[name], encoding="utf-8")
    rows = write_rows(tmp_path / "rows.jsonl", tiny_rows(1))
    assert "evil.yaml" in survive("check", rows, "--codebook", path, one_line=True)


@pytest.mark.parametrize("name", ["alias bomb", "deep flow list", "tag of Python", "large", "a number", "ESC in a key"])
def test_hostile_recipes_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / "evil.yaml"
    path.write_text(YAMLS[name], encoding="utf-8")
    survive("benchmark", path, one_line=True)
    survive("train", path, one_line=True)


def test_a_few_yaml_aliases_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "codebook.yaml"
    path.write_text(
        "name: tiny\nversion: &one '1'\ntask: multilabel\n"
        "labels:\n- &first {name: criticism, definition: *one}\n- {<<: *first, name: policy_claim}\n"
    )
    assert [label.definition for label in Codebook.load(path).labels] == ["1", "1"]


def test_yaml_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.yaml"
    path.write_bytes("name: é".encode("utf-16"))
    survive("check", tmp_path, "--codebook", path, one_line=True)


def change(**changes: Any) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        content = json.loads((folder / INFO).read_text())
        (folder / INFO).write_text(json.dumps(content | changes))

    return write


def text(content: str | bytes) -> Callable[[Path], None]:
    data = content.encode() if isinstance(content, str) else content

    def write(folder: Path) -> None:
        (folder / INFO).write_bytes(data)

    return write


SHA = "0" * 64
BUNDLES: dict[str, Callable[[Path], None]] = {
    "thresholds of NaN": change(thresholds=[float("nan")] * 3),
    "threshold of 2": change(thresholds=[0.5, 2, 0.5]),
    "too few thresholds": change(thresholds=[0.5]),
    "no thresholds": change(thresholds=None),
    "thresholds as text": change(thresholds="abc"),
    "another task": change(task="multiclass"),
    "temperature of infinity": change(temperature=float("inf")),
    "temperature close to 0": change(temperature=1e-320),
    "temperature below 0": change(temperature=-1),
    "bias of infinity": change(bias=[float("inf")] * 3),
    "too many biases": change(bias=[0.0] * 9),
    "no tokens": change(max_tokens=0),
    "one token": change(max_tokens=1),
    "tokens below 0": change(max_tokens=-5),
    "10**9 tokens": change(max_tokens=10**9),
    "2**70 tokens": change(max_tokens=2**70),
    "other labels": change(labels=["a", "b", "c"]),
    "equal labels": change(labels=["a", "a", "a"]),
    "no labels": change(labels=[]),
    "file outside": change(files={"../../etc/passwd": SHA}),
    "absolute file": change(files={"/dev/zero": SHA}),
    "file with NUL": change(files={"a\0b": SHA}),
    "file with ESC": change(files={EVIL: SHA}),
    "invalid hash": change(files={"model.xml": EVIL}),
    "unknown key": change(**{EVIL: 1}),
    "format below 0": change(format=-1),
    "format as text": change(format=EVIL),
    "a list": text("[]"),
    "deep": text(nested("[")),
    "number of 6,000 digits": text('{"format": ' + "9" * 6000 + "}"),
    "UTF-16": text("{}".encode("utf-16")),
    "empty": text(""),
}


@pytest.mark.parametrize("name", BUNDLES)
def test_hostile_model_folders_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    folder = bundle_folder(tmp_path / "model")
    BUNDLES[name](folder)
    source = tmp_path / "in.txt"
    source.write_text("We condemn it.\n")
    survive("label", source, "-o", tmp_path / "out.jsonl", "--model", folder, one_line=True)
    assert not (tmp_path / "out.jsonl").exists()


def test_the_name_of_a_model_is_escaped(tmp_path: Path) -> None:
    folder = bundle_folder(tmp_path / "model")
    change(name=EVIL, description="</pre>" + EVIL)(folder)
    rows = write_rows(tmp_path / "rows.jsonl", tiny_rows(30))
    survive("evaluate", folder, rows)
    survive("robustness", folder, rows, "--test", "upper case")


STUDIO = {"data": {"text": "x", "sentence_id": "d0.0"}}
EXPORTS: dict[str, Any] = {
    "tasks as text": ["x"],
    "data as text": [{"data": "x", "annotations": [{"result": []}]}],
    "annotations as text": [STUDIO | {"annotations": "x"}],
    "annotations as an object": [STUDIO | {"annotations": {"a": 1}}],
    "annotation as a number": [STUDIO | {"annotations": [7]}],
    "result as text": [STUDIO | {"annotations": [{"result": "x"}]}],
    "result of texts": [STUDIO | {"annotations": [{"result": ["x"]}]}],
    "value as text": [STUDIO | {"annotations": [{"result": [{"from_name": "labels", "value": "x"}]}]}],
    "value as a list": [STUDIO | {"annotations": [{"result": [{"from_name": "labels", "value": [1]}]}]}],
    "name as a list": [STUDIO | {"annotations": [{"result": [{"from_name": ["labels"], "value": {}}]}]}],
    "choices as a number": [STUDIO | {"annotations": [{"result": [{"from_name": "labels", "value": {"choices": 7}}]}]}],
    "choices of objects": [
        STUDIO | {"annotations": [{"result": [{"from_name": "labels", "value": {"choices": [{}]}}]}]}
    ],
    "comment of numbers": [STUDIO | {"annotations": [{"result": [{"from_name": "comment", "value": {"text": [1]}}]}]}],
    "comments as text": [STUDIO | {"annotations": [{"result": [], "comments": "x"}]}],
    "coder as a list": [STUDIO | {"annotations": [{"result": [], "completed_by": [1]}]}],
    "JSON-MIN of objects": [
        {"annotation_id": 1, "annotator": {}, "labels": {"choices": [[["criticism"]]]}, "text": "x"}
    ],
    "doccano of objects": [{"text": "x", "label": [{}], "Comments": 7}],
    "doccano of numbers": [{"text": "x", "label": 7, "Comments": []}],
    "Prodigy of objects": [{"text": "x", "answer": "accept", "_task_hash": 1, "accept": [{}]}],
    "Prodigy's answer a list": [{"text": "x", "answer": ["accept"], "_task_hash": 1}],
    "labels with ESC": [{"text": EVIL, "label": [EVIL], "Comments": []}],
    "fields with ESC": [{EVIL: 1}],
    "nothing": [],
    "a text": "x",
    "null": None,
    "deep": nested("["),
    "deep objects": nested('{"a":'),
    "not JSON": "{" + EVIL,
}


@pytest.mark.parametrize("name", EXPORTS)
def test_hostile_exports_of_coding_tools_end_without_a_traceback(name: str, tmp_path: Path, codebook: Path) -> None:
    path, content = tmp_path / "export.json", EXPORTS[name]
    path.write_text(content if name in ("deep", "deep objects", "not JSON") else json.dumps(content), encoding="utf-8")
    survive("agree", path, "--codebook", codebook)
    survive("agree", path, "--design", path, one_line=True)


def hostile_rows() -> list[dict[str, Any]]:
    rows = tiny_rows(12)
    for number, row in enumerate(rows):
        row |= {"document": f"{EVIL}{row['document']}", "source": EVIL, "sampling": EVIL}
        row["text"] = f"{EVIL} {row['text']} {number}"
        row["language"] = "en"
    rows[0]["labels"] = [EVIL]
    return rows


def test_every_command_escapes_the_names_that_it_prints(tmp_path: Path, codebook: Path) -> None:
    folder = bundle_folder(tmp_path / "model")
    source = write_rows(tmp_path / "\x1b[31m\u202e[bold][x=y].jsonl", hostile_rows())
    good = write_rows(tmp_path / "good\x1b[2J.jsonl", hostile_rows()[1:])
    survive("check", source, "--codebook", codebook)
    survive("label", source, "--model", folder)
    survive("label", source, "--model", folder, "-o", tmp_path / "out\x1b.jsonl")
    printed = survive("evaluate", folder, good, "--markdown", tmp_path / "evaluation.md")
    assert (tmp_path / "evaluation.md").exists(), printed
    report = (tmp_path / "evaluation.md").read_text()
    assert not CONTROLS.search(report.replace("\t", " "))
    assert not re.search(r"(?<!\\)<script", report)
    survive("robustness", folder, good, "--test", "upper case")
    survive("sample", tmp_path / "out\x1b.jsonl", "-n", 5, "-o", tmp_path / "s\x1b.csv", "--codebook", codebook)
    survive("agree", tmp_path / "s\x1b.csv")
    survive("estimate", tmp_path / "out\x1b.jsonl", good, "--codebook", codebook)


@pytest.mark.parametrize(
    "arguments",
    [
        ("label", EVIL),
        ("label", "x.txt", "--format", EVIL),
        ("label", "x.txt", "-o", f"{EVIL}.exe"),
        ("label", "x.txt", "--memory-limit", EVIL),
        ("label", "x.txt", "--model", f"/{EVIL}"),
        ("label", "x.txt", "--language", EVIL),
        ("check", EVIL),
        ("evaluate", EVIL, EVIL),
        ("robustness", EVIL, EVIL, "--test", EVIL),
        ("sample", EVIL, "-n", "5", "-o", f"{EVIL}.csv"),
        ("sample", "x.jsonl", "-n", "5", "-o", "s.csv", "--coder", "a/b"),
        ("sample", "x.jsonl", "-n", "5", "-o", "s.csv", "--coder", EVIL),
        ("agree", EVIL),
        ("estimate", EVIL, EVIL),
        ("export", EVIL),
        ("train", EVIL),
        ("benchmark", EVIL),
        (EVIL,),
        ("label", f"--{EVIL}"),
        ("label", "a\nb", "--format", "x\ny"),
    ],
)
def test_hostile_arguments_end_in_one_line(arguments: tuple[str, ...]) -> None:
    survive(*arguments, one_line=True)


TABLES = {
    "nested cells": json.dumps({"text": "x", "labels": [], "document": json.loads(nested("[", 500) + "]" * 500)}),
    "label of 100,000 letters": json.dumps({"text": "x", "labels": ["a" * 100_000], "document": "d"}),
    "labels as an object": json.dumps({"text": "x", "labels": {"a": 1}, "document": "d"}),
    "labels as deep JSON": json.dumps({"text": "x", "labels": nested("["), "document": "d"}),
    "text as a list": json.dumps({"text": ["x"], "labels": [], "document": "d"}),
    "lone surrogates": '{"text":"\\ud800","labels":["\\ud800"],"document":"\\udfff"}',
    "infinity": '{"text":"x","labels":[],"document":1e999,"weight":NaN}',
    "number of 6,000 digits": '{"text":"x","labels":[],"document":' + "9" * 6000 + "}",
}


@pytest.mark.parametrize("name", TABLES)
def test_hostile_tables_end_without_a_traceback(name: str, tmp_path: Path, codebook: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(TABLES[name] + "\n")
    survive("check", path, "--codebook", codebook)
    survive("sample", path, "-n", 1, "-o", tmp_path / "s.csv", "--codebook", codebook)
    survive("estimate", path, path, "--codebook", codebook)
    survive("robustness", bundle_folder(tmp_path / "model"), path, "--test", "upper case")


def checkpoint_folder(folder: Path) -> Path:
    """Write a checkpoint with one layer, as transformers does, but without a tokenizer."""
    from transformers import BertConfig, BertForSequenceClassification

    bundle_folder(folder)
    sizes: dict[str, Any] = {
        "num_labels": 3,
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "intermediate_size": 8,
    }
    BertForSequenceClassification(BertConfig(vocab_size=9, **sizes)).save_pretrained(folder)
    change(kind="checkpoint", files={})(folder)
    return folder


def test_pickled_weights_are_refused_and_not_unpickled(tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    # This pickle calls mkdir when it is read.
    (folder / "pytorch_model.bin").write_bytes(f'cos\nmkdir\n(S"{tmp_path / "owned"}"\ntR.'.encode())
    with pytest.raises(BundleError, match="pickle") as refused:
        CheckpointClassifier(folder)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "owned").exists()


def test_the_message_about_a_refused_pickle_does_not_advise_to_run_it(tmp_path: Path) -> None:
    import torch

    from communique.models.checkpoint import loading

    (tmp_path / "x.bin").write_bytes(f'cos\nmkdir\n(S"{tmp_path / "owned"}"\ntR.'.encode())
    with pytest.raises(BundleError, match="no model") as refused, loading("x", BundleError, "Name another"):
        torch.load(tmp_path / "x.bin", weights_only=True)
    assert "weights_only" not in str(refused.value)
    assert not (tmp_path / "owned").exists()


SETTINGS: dict[str, list[object]] = {
    "hidden_size": [10**9, -8, 0, "x", None],
    "num_attention_heads": [0, 10**9],
    "vocab_size": [2**40, 10**8, -1],
    "num_hidden_layers": [10**6],
    "model_type": [EVIL, 7, None],
    "id2label": [7, {"a": "b"}],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in SETTINGS.items() for value in values])
def test_checkpoints_with_invalid_settings_are_refused_in_one_line(
    key: str, value: object, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = checkpoint_folder(tmp_path / "model")
    capfd.readouterr()
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(content | {key: value}))
    with pytest.raises(BundleError) as refused:
        CheckpointClassifier(folder)
    assert "\n" not in str(refused.value)
    # transformers prints neither progress bars nor reports.
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", [INFO, "codebook.yaml", "config.json", "tokenizer_config.json"])
@pytest.mark.parametrize("kind", ["device", "pipe"])
def test_an_endless_model_file_is_refused(name: str, kind: str, tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path / "model")
    (folder / name).unlink(missing_ok=True)
    if kind == "device":
        (folder / name).symlink_to("/dev/zero")
    else:
        os.mkfifo(folder / name)
    with pytest.raises(BundleError):
        CheckpointClassifier(folder)


@pytest.mark.parametrize("value", [10**400, -1, "x", float("nan"), True, [1], {"a": 1}])
def test_invalid_probabilities_end_without_a_traceback(value: object, tmp_path: Path, codebook: Path) -> None:
    path = predictions(tmp_path / "p.jsonl", documents=3)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[1]["probabilities"]["criticism"] = value
    write_rows(path, rows)
    survive("sample", path, "-n", 2, "-o", tmp_path / "s.csv", "--codebook", codebook)


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_lone_surrogates_in_predictions_do_not_stop_a_sample(form: str, tmp_path: Path, codebook: Path) -> None:
    path = predictions(tmp_path / "p.jsonl", documents=3)
    rows = [json.loads(line) | {"text": "a\ud800b", "country": "\udfff"} for line in path.read_text().splitlines()]
    write_rows(path, rows)
    survive("sample", path, "-n", 2, "-o", tmp_path / f"s.{form}", "--codebook", codebook)
    assert (tmp_path / f"s.{form}").exists()


@pytest.mark.parametrize("command", ["sample", "agree", "estimate", "evaluate", "robustness"])
def test_a_negative_seed_is_refused(command: str) -> None:
    assert "--seed" in survive(command, "x", "y", "--seed", -1, one_line=True)
