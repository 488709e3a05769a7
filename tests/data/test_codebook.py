"""Codebooks: reading, validation and error messages, and what the hash depends on."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import CODEBOOK, ROOT, TINY, facts, has_facts

from communique.data.codebook import Codebook, other_codebooks
from communique.errors import CodebookError

CONTENT: dict[str, Any] = {
    "name": "water",
    "version": "2.0",
    "task": "multilabel",
    "unit": "sentence",
    "rules": ["Irony is labelled by what is meant."],
    "labels": [
        {
            "name": "blame",
            "definition": "Somebody is at fault.",
            "includes": ["polite regret"],
            "excludes": ["mourning"],
            "kinds": [
                {"name": "open", "definition": "It names somebody."},
                {"name": "veiled", "definition": "It hints."},
            ],
            "examples": [
                {
                    "text": "Le barrage vole notre eau.",
                    "language": "fr",
                    "labels": ["blame"],
                    "kinds": {"blame": "open"},
                }
            ],
        },
        {"name": "offer", "definition": "Somebody will help: «мы поможем», 我们会帮助."},
        {"name": "claim", "definition": "Something should be."},
    ],
}


def written(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "codebook.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return path


def refusal(tmp_path: Path, content: object) -> str:
    path = written(tmp_path, content)
    with pytest.raises(CodebookError) as caught:
        Codebook.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def changed(change: str, value: object) -> dict[str, Any]:
    """Return a copy of the content in which the value at a dotted path of keys and indexes is replaced."""
    content = copy.deepcopy(CONTENT)
    *parts, last = (int(part) if part.isdecimal() else part for part in change.split("."))
    target: Any = content
    for part in parts:
        target = target[part]
    target[last] = value
    return content


def test_the_projects_codebook_has_three_labels_in_order() -> None:
    codebook = Codebook.load(ROOT / "data" / "codebook.yaml")
    assert codebook.names == ("criticism", "policy_claim", "cooperation_pledge")
    assert codebook.task == "multilabel"
    assert codebook.multilabel
    for label in codebook.labels:
        assert label.definition
        assert label.includes
        assert label.excludes
        assert any(label.name in example.labels for example in label.examples)
        assert any(label.name not in example.labels for example in label.examples)
    examples = [example for label in codebook.labels for example in label.examples]
    assert len({example.language for example in examples}) >= 8
    assert {label.name: [kind.name for kind in label.kinds] for label in codebook.labels if label.kinds} == {
        "policy_claim": ["demand", "norm", "position", "measure", "record"]
    }
    assert all(set(example.kinds) == set(example.labels) & {"policy_claim"} for example in examples)


def test_all_fields_are_read(tmp_path: Path) -> None:
    codebook = Codebook.load(written(tmp_path, CONTENT))
    assert (codebook.name, codebook.version, codebook.unit) == ("water", "2.0", "sentence")
    assert codebook.rules == ("Irony is labelled by what is meant.",)
    first = codebook.labels[0]
    assert (first.includes, first.excludes) == (("polite regret",), ("mourning",))
    assert (first.examples[0].text, first.examples[0].language) == ("Le barrage vole notre eau.", "fr")
    assert first.examples[0].labels == ("blame",)
    assert [(kind.name, kind.definition) for kind in first.kinds] == [
        ("open", "It names somebody."),
        ("veiled", "It hints."),
    ]
    assert first.examples[0].kinds == {"blame": "open"}


def test_labels_are_in_the_order_of_the_file(tmp_path: Path) -> None:
    permuted = CONTENT | {"labels": [CONTENT["labels"][i] for i in (2, 0, 1)]}
    codebook = Codebook.load(written(tmp_path, permuted))
    assert codebook.names == ("claim", "blame", "offer")
    assert codebook.validate_labels(["offer", "blame", "claim"]) == ("claim", "blame", "offer")
    assert codebook.sha256 != Codebook.model_validate(CONTENT).sha256


def test_reformatting_does_not_change_the_hash(tmp_path: Path) -> None:
    expected = Codebook.model_validate(CONTENT).sha256
    assert len(expected) == 64
    layouts = [
        yaml.safe_dump(CONTENT, sort_keys=True),
        yaml.safe_dump(CONTENT, sort_keys=False, allow_unicode=True, width=30),
        yaml.safe_dump(CONTENT, default_flow_style=True),
        "# a comment\n" + yaml.safe_dump(CONTENT, indent=6),
        "\ufeff" + yaml.safe_dump(CONTENT).replace("\n", "\r\n"),
    ]
    assert len(set(layouts)) == len(layouts)
    assert {Codebook.load(written(tmp_path, layout)).sha256 for layout in layouts} == {expected}


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("name", "waters"),
        ("version", "2.1"),
        ("unit", "paragraph"),
        ("rules", []),
        ("rules.0", "Irony is labelled by what is said."),
        ("labels.0.name", "Blame"),
        ("labels.1.definition", "Somebody will help: «мы поможем», 我们会帮忙."),
        ("labels.0.includes.0", "polite regrets"),
        ("labels.0.excludes.0", "grief"),
        ("labels.0.examples.0.text", "Le barrage vole votre eau."),
        ("labels.0.examples.0.language", "fr-CA"),
        ("labels.0.examples.0.labels", ["blame", "claim"]),
        ("labels.0.kinds.1.name", "hidden"),
        ("labels.0.kinds.1.definition", "It only hints."),
        ("labels.0.examples.0.kinds", {"blame": "veiled"}),
        ("labels.0.examples.0.kinds", {}),
    ],
)
def test_any_changed_word_changes_the_hash(change: str, value: object) -> None:
    content = changed(change, value)
    if change == "labels.0.name":
        content["labels"][0]["examples"] = []
    assert Codebook.model_validate(content).sha256 != Codebook.model_validate(CONTENT).sha256


def test_the_task_changes_the_hash() -> None:
    single = CONTENT | {"task": "multiclass"}
    assert Codebook.model_validate(single).sha256 != Codebook.model_validate(CONTENT).sha256


def test_the_codebook_of_the_shipped_model_has_the_recorded_hash() -> None:
    folder = ROOT / "models" / "communique-small"
    recorded = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))["codebook_sha256"]
    assert Codebook.load(folder / "codebook.yaml").sha256 == recorded


def test_a_changed_copy_has_another_hash() -> None:
    codebook = Codebook.model_validate(CONTENT)
    assert codebook.sha256 == Codebook.model_validate(CONTENT).sha256
    assert (
        codebook.model_copy(update={"version": "3"}).sha256 == Codebook.model_validate(changed("version", "3")).sha256
    )


@pytest.mark.parametrize("content", [CONTENT, CONTENT | {"task": "multiclass"}])
def test_dump_and_load_return_an_equal_codebook(tmp_path: Path, content: dict[str, Any]) -> None:
    codebook = Codebook.model_validate(content)
    codebook.dump(tmp_path / "again.yaml")
    again = Codebook.load(tmp_path / "again.yaml")
    assert again == codebook
    assert again.sha256 == codebook.sha256
    assert "我们会帮助" in (tmp_path / "again.yaml").read_text(encoding="utf-8")


def test_validated_labels_are_sorted_and_distinct() -> None:
    codebook = Codebook.model_validate(CONTENT)
    assert codebook.validate_labels(["claim", "blame", "claim"]) == ("blame", "claim")
    assert codebook.validate_labels([]) == ()


def test_an_unknown_label_is_reported_with_the_allowed_labels() -> None:
    with pytest.raises(ValueError, match=facts("'Blame'", "blame, offer, claim")):
        Codebook.model_validate(CONTENT).validate_labels(["offer", "Blame"])


@pytest.mark.parametrize(("labels", "count"), [([], 0), (["blame", "offer"], 2)])
def test_multiclass_requires_exactly_one_label(labels: list[str], count: int) -> None:
    codebook = Codebook.model_validate(CONTENT | {"task": "multiclass"})
    assert not codebook.multilabel
    assert codebook.validate_labels(["offer"]) == ("offer",)
    with pytest.raises(ValueError, match=facts(f"{count} labels", "'multiclass'")):
        codebook.validate_labels(labels)


def test_none_may_only_be_a_label_in_multiclass_codebooks(tmp_path: Path) -> None:
    content = changed("labels.2.name", "none")
    assert Codebook.model_validate(content | {"task": "multiclass"}).names == ("blame", "offer", "none")
    assert "'none'" in refusal(tmp_path, content)


@pytest.mark.parametrize(
    ("change", "value", "message"),
    [
        ("labels.1.name", "blame", "'blame'"),
        ("labels.0.examples.0.labels", ["praise"], "'praise'"),
        ("labels.0.kinds.1.name", "open", "label 'blame' has two kinds named 'open'"),
        (
            "labels.0.kinds.1.name",
            "open|shut",
            "labels.0.kinds.1.name: 'open|shut' is not allowed. Write",
        ),
        ("labels.0.examples.0.kinds", {"blame": "shut"}, "unknown kind 'shut' of label 'blame'. Allowed: open, veiled"),
        ("labels.0.examples.0.kinds", {"claim": "open"}, "an example has a kind of 'claim' without that label"),
        (
            "labels.1.examples",
            [{"text": "Ja.", "language": "de", "labels": ["offer"], "kinds": {"offer": "open"}}],
            "unknown kind 'open' of label 'offer'. Remove it, because this label has no kinds",
        ),
        ("task", "many", "task: 'many' is not allowed. Write 'multilabel' or 'multiclass'"),
        ("version", 2.0, 'version: 2.0 is not allowed. Write text in quotes, such as "2.0"'),
        ("name", "", "name: '' is not allowed. Write text of at least 1 character"),
        ("labels.0.definition", "", "labels.0.definition: '' is not allowed. Write text of at least 1 character"),
        ("labels", [], "labels: [] is not allowed. Write a list with 2 or more entries"),
        (
            "labels",
            [{"name": f"l{i}", "definition": "d"} for i in range(1001)],
            "labels: this value is not allowed. Write a list with at most 1000 entries",
        ),
    ],
)
def test_invalid_values_are_reported_with_their_position(
    tmp_path: Path, change: str, value: object, message: str
) -> None:
    assert message in refusal(tmp_path, changed(change, value))


@pytest.mark.parametrize("name", ["a|b", "a;b", "a,b", ""])
def test_label_names_may_not_contain_separators(tmp_path: Path, name: str) -> None:
    content = changed("labels.2.name", name)
    assert refusal(tmp_path, content).startswith("labels.2.name: ")


def test_all_missing_keys_are_reported(tmp_path: Path) -> None:
    message = refusal(tmp_path, {"name": "x", "labels": [{"name": "a"}, {"name": "b", "definition": "B."}]})
    assert message.startswith("version: missing; task: missing; labels.0.definition: missing")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "verzion",
            "verzion: unknown key; did you mean 'version'? allowed: name, version, task, unit, rules, acts, labels",
        ),
        (
            "labels.1.exclude",
            "labels.1.exclude: unknown key; did you mean 'excludes'? allowed: name, definition, includes, excludes, kinds, "
            "examples",
        ),
        (
            "labels.0.examples.0.lang",
            "labels.0.examples.0.lang: unknown key; did you mean 'language'? allowed: text, language, labels, kinds",
        ),
    ],
)
def test_unknown_keys_are_reported_with_the_most_similar_key(tmp_path: Path, change: str, message: str) -> None:
    assert refusal(tmp_path, changed(change, "x")) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the whole file: None is not allowed. Write entries of the form 'key: value'"),
        ("- a\n- b\n", "the whole file: ['a', 'b'] is not allowed. Write entries of the form 'key: value'"),
        ("name: [unclosed\nversion: 1", "not YAML in UTF-8: "),
        ("name: a\nversion: 2025-02-30\n", "not YAML in UTF-8: day "),
        ("name: a\x00b\n", "not YAML in UTF-8: "),
    ],
)
def test_files_that_are_not_codebooks_are_refused(tmp_path: Path, content: str, message: str) -> None:
    assert refusal(tmp_path, content).startswith(message)


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "codebook.yaml"
    path.write_bytes("name: критика\n".encode("cp1251"))
    with pytest.raises(CodebookError, match="not YAML in UTF-8"):
        Codebook.load(path)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "absent.yaml"
    with pytest.raises(CodebookError) as caught:
        Codebook.load(path)
    assert str(caught.value) == (
        f"{path}: No such file or directory. A codebook is a YAML file such as data/codebook.yaml"
    )


def test_differences_between_codebooks_are_listed() -> None:
    book = Codebook.model_validate(CODEBOOK)
    assert book.differences(Codebook.model_validate(CODEBOOK)) == []
    labels = [CODEBOOK["labels"][0] | {"definition": "Another."}, *CODEBOOK["labels"][1:]]
    other = Codebook.model_validate(CODEBOOK | {"version": "2", "labels": labels, "rules": ["Read all."]})
    assert book.differences(other) == ["version '1' and '2'", "rules", "definition of 'criticism'"]
    (line,) = book.warning(other, "the model", "new.yaml")
    assert has_facts(line, "warning", "the model", "new.yaml", "definition of 'criticism'", "version '1' and '2'")


def test_rows_coded_with_another_codebook_are_reported() -> None:
    book = Codebook.model_validate(CODEBOOK)
    same = {"codebook": book.title, "codebook_sha256": book.sha256}
    assert other_codebooks("gold.csv", [same, {}], book) == []
    (line,) = other_codebooks("gold.csv", [same, {"codebook": "tiny 0", "codebook_sha256": "1" * 64}], book)
    assert has_facts(line, "warning", "gold.csv", "tiny 0", "tiny 1")


def test_a_codebook_asks_for_holder_and_target_if_it_says_so_or_a_label_has_kinds(tmp_path: Path) -> None:
    kinds = [{"name": "harsh", "definition": "In strong words."}]
    labels = [CODEBOOK["labels"][0] | {"kinds": kinds}, *CODEBOOK["labels"][1:]]
    with_kinds = Codebook.model_validate(CODEBOOK | {"labels": labels})
    assert [book.marks_words for book in (TINY, with_kinds)] == [False, True]
    without = Codebook.model_validate(CODEBOOK | {"labels": labels, "acts": False})
    assert not without.marks_words
    asking = Codebook.model_validate(CODEBOOK | {"acts": True})
    asking.dump(tmp_path / "asking.yaml")
    assert Codebook.load(tmp_path / "asking.yaml").marks_words
    assert asking.differences(TINY) == ["marking of holder and target"]
    assert "acts" not in TINY.model_dump(mode="json")
