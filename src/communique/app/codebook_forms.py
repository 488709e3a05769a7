"""Turn the forms of the page Codebook into codebooks. `Codebook` decides what is allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from ..config import describe
from ..data.codebook import Codebook, Example, Label
from ..errors import DataError, NotFoundError
from ..text.language import identify_language

#: The fields of a form, each with all of its values.
Form = Mapping[str, Sequence[str]]


def with_general(codebook: Codebook, form: Form) -> Codebook:
    """Return a codebook with the name, version, task, unit, rules and marking of a form.

    Raises:
        DataError: The result is not a valid codebook.
    """
    content = codebook.model_dump()
    for name in ("name", "version", "task", "unit"):
        content[name] = _text(form, name)
    content["rules"] = split_lines(_text(form, "rules"), codebook.rules)
    marks = _text(form, "acts") == "true"
    if marks != codebook.marks_words:
        content["acts"] = marks
    return _validated(content)


def with_label(codebook: Codebook, name: str | None, form: Form) -> Codebook:
    """Return a codebook with the label of a form in the place of a label, or at the end.

    The examples of other labels follow a new name.

    Args:
        codebook: The codebook.
        name: Present name of the label, or None for a new label.
        form: The form.

    Raises:
        DataError: The result is not a valid codebook.
        NotFoundError: There is no such label.
    """
    old = None if name is None else find_label(codebook, name)
    new = _text(form, "label_name")
    renamed = {} if name is None else {name: new}
    names = [renamed.get(one, one) for one in codebook.names] + ([new] if name is None else [])
    kinds = _kinds(_text(form, "kinds"))
    label = {
        "name": new,
        "definition": _text(form, "definition"),
        "includes": split_lines(_text(form, "includes"), old.includes if old else ()),
        "excludes": split_lines(_text(form, "excludes"), old.excludes if old else ()),
        "kinds": kinds,
        "examples": _examples(form, names, old.examples if old else ()),
    }
    content = codebook.model_dump()
    for other in content["labels"]:
        for example in other["examples"]:
            example["labels"] = [renamed.get(one, one) for one in example["labels"]]
            if example.get("kinds"):
                example["kinds"] = {renamed.get(one, one): kind for one, kind in example["kinds"].items()}
    labels = list(content["labels"])
    if name is None:
        labels.append(label)
    else:
        labels[codebook.names.index(name)] = label
    return _validated(content | {"labels": labels})


def without_label(codebook: Codebook, name: str) -> Codebook:
    """Return a codebook without a label, and without the examples of other labels that use it.

    Raises:
        DataError: The result is not a valid codebook.
        NotFoundError: There is no such label.
    """
    find_label(codebook, name)
    content = codebook.model_dump()
    content["labels"] = [label for label in content["labels"] if label["name"] != name]
    for label in content["labels"]:
        label["examples"] = [example for example in label["examples"] if name not in example["labels"]]
    return _validated(content)


def moved(codebook: Codebook, name: str, step: int) -> Codebook:
    """Return a codebook in which a label is `step` places further down.

    Raises:
        NotFoundError: There is no such label.
    """
    label = find_label(codebook, name)
    rest = [one for one in codebook.labels if one.name != name]
    place = min(max(codebook.names.index(name) + step, 0), len(rest))
    return codebook.model_copy(update={"labels": (*rest[:place], label, *rest[place:])})


def find_label(codebook: Codebook, name: str) -> Label:
    """Return a label.

    Raises:
        NotFoundError: There is no such label.
    """
    found = next((label for label in codebook.labels if label.name == name), None)
    if found is None:
        raise NotFoundError(f"The codebook has no label {name!r}. Labels: {', '.join(codebook.names)}")
    return found


def join_lines(texts: Sequence[str]) -> str:
    """Return texts as the lines of a text field."""
    return "\n".join(map(_flat, texts))


def split_lines(text: str, old: Sequence[str] = ()) -> list[str]:
    """Return the lines of a text field. Texts that were only shown on one line keep their line breaks.

    Args:
        text: The text of the field.
        old: The texts that the field contained.
    """
    unchanged = {_flat(one): one for one in old}
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [unchanged.get(line, line) for line in lines]


def show_kinds(label: Label) -> str:
    """Return the kinds of a label as the lines of a text field, such as `demand: somebody must do something`."""
    return "\n".join(f"{kind.name}: {_flat(kind.definition)}" for kind in label.kinds)


def show_labels(example: Example) -> str:
    """Return the labels of an example with their kinds, such as `criticism, policy_claim (demand)`."""
    return ", ".join(f"{name} ({example.kinds[name]})" if name in example.kinds else name for name in example.labels)


def _flat(text: str) -> str:
    return " ".join(text.split())


def _text(form: Form, name: str) -> str:
    values = form.get(name, ())
    return values[0].replace("\r\n", "\n").strip() if values else ""


def _kinds(text: str) -> list[dict[str, str]]:
    found = []
    for line in split_lines(text):
        name, colon, definition = line.partition(":")
        if not colon:
            raise DataError(
                f"Kinds: {line[:80]!r} has no colon. Write each kind on a line of its own, such as 'demand: a definition'"
            )
        found.append({"name": name.strip(), "definition": definition.strip()})
    return found


def _examples(form: Form, names: Sequence[str], old: Sequence[Example]) -> list[dict[str, Any]]:
    """Return the examples of a form. Examples without a text are left out."""
    texts, languages, labels = (form.get(f"example_{part}", ()) for part in ("text", "language", "labels"))
    unchanged = {_flat(example.text): example.text for example in old}
    found = []
    for text, language, given in zip(texts, languages, labels, strict=False):
        shown = _flat(text)
        if not shown:
            continue
        read = [_label_of(part.strip(), names) for part in given.split(",") if part.strip() and part.strip() != "none"]
        found.append(
            {
                "text": unchanged.get(shown, text.replace("\r\n", "\n").strip()),
                "language": language.strip() or identify_language(shown),
                "labels": [name for name, _ in read],
                "kinds": {name: kind for name, kind in read if kind},
            }
        )
    return found


def _label_of(text: str, names: Sequence[str]) -> tuple[str, str]:
    """Return the label and the kind that `show_labels` shows as one part."""
    if text not in names and (both := re.fullmatch(r"(.+?) \((.+)\)", text)):
        return both[1], both[2]
    return text, ""


def _validated(content: Mapping[str, Any]) -> Codebook:
    try:
        return Codebook.model_validate(content)
    except ValidationError as error:
        raise DataError(f"The codebook cannot be saved: {_in_words(describe(error, Codebook), content)}") from None


def _in_words(message: str, content: Mapping[str, Any]) -> str:
    """Name labels by their name instead of their number."""

    def name(found: re.Match[str]) -> str:
        label = content["labels"][int(found[1])]["name"]
        return f"label {label!r}, " if label else "the new label, "

    named = re.sub(r"\blabels\.(\d+)\.", name, message)
    return re.sub(r"\bexamples\.(\d+)\.", lambda found: f"example {int(found[1]) + 1}, ", named)
