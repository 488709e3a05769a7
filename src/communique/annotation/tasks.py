"""What all formats share: a task that a coder is shown, a coded row that comes back, and how choices are read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..data.codebook import Codebook
from ..errors import DataError
from ..sampling.population import visible
from ..text.language import UNDETERMINED

#: The choice that says that no label applies. Tools export "nothing chosen" and "not yet read" alike, so it must be chosen.
NONE = "none"

#: Names that the tools' files use: `id` is taken by the tools themselves, which put their own number there.
SENTENCE, TEXT, PREVIOUS, DOCUMENT, LANGUAGE = "sentence_id", "text", "previous", "document", "language"

#: Ends of the names of what is written next to a sheet or to tasks, by form and suffix.
COMPANIONS = {
    ("sheet", ".csv"): ".codebook.md",
    ("label-studio", ".json"): ".config.xml",
    ("doccano", ".jsonl"): ".labels.json",
}

#: The coder of adjudicated rows, which decide between coders who disagree.
ADJUDICATION = "adjudication"


def check_coders(names: Collection[str], where: str) -> None:
    """Check that no coder has the name that version 0.1 gave to adjudicated rows.

    Raises:
        DataError: One has; the message starts with `where`.
    """
    if "settlement" in names:
        raise DataError(f"{where}: coder 'settlement', as written by communique 0.1. Replace it with {ADJUDICATION!r}")


@dataclass(frozen=True)
class CodingTask:
    """A sentence for coders, with the sentence before it. `labels` are the model's, None where coders must not see them."""

    id: str
    text: str
    document: str
    language: str
    previous: str = ""
    labels: tuple[str, ...] | None = None

    def fields(self) -> dict[str, str]:
        """Give what the tools' files carry of a task."""
        values = map(visible, (self.id, self.text, self.previous, self.document, self.language))
        return dict(zip((SENTENCE, TEXT, PREVIOUS, DOCUMENT, LANGUAGE), values, strict=True))


@dataclass(frozen=True)
class CodedRow:
    """A row that a coder gave back. `labels` is None where the row was not coded; `id` or `text` can be missing."""

    where: str
    id: str | None
    text: str | None
    coder: str
    labels: tuple[str, ...] | None
    comment: str = ""
    document: str | None = None
    language: str = UNDETERMINED
    previous: str = ""


@dataclass
class Reading:
    """Coded rows of a file, what was wrong with them, and what was assumed or left out."""

    path: Path
    format: str
    rows: list[CodedRow] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    #: Name, version and hash of each codebook that the file's rows name.
    codebooks: list[str] = field(default_factory=list)

    def skip(self, number: int, what: str) -> None:
        """Tell of rows that were left out, with their number."""
        if number:
            self.notes.append(f"{self.path}: {number} {what}")

    def take(
        self,
        number: int,
        fields: Mapping[str, Any],
        labels: tuple[str, ...] | None,
        *,
        coder: str,
        comment: str,
    ) -> None:
        """Add a row with the fields of `CodingTask.fields` that its file kept; `labels` is None if it was not coded.

        Raises:
            DataError: The coder has the name of adjudicated rows in version 0.1.
        """
        check_coders([coder], f"{self.path}, row {number}")
        identity, text, document = (fields.get(name) for name in (SENTENCE, TEXT, DOCUMENT))
        self.rows.append(
            CodedRow(
                where=f"{self.path}, row {number}",
                id=None if identity is None else str(identity),
                text=None if text is None else str(text),
                coder=coder,
                labels=labels,
                comment=comment,
                document=None if document in (None, "") else str(document),
                language=str(fields.get(LANGUAGE) or UNDETERMINED),
                previous=str(fields.get(PREVIOUS) or ""),
            )
        )

    def answer(
        self,
        number: int,
        fields: Mapping[str, Any],
        chosen: Sequence[Any],
        codebook: Codebook,
        *,
        coder: str,
        comment: str,
    ) -> None:
        """Take a coder's answer, or what is wrong with it.

        The tasks that we write make an answer compulsory: one without a choice is that no label applies.
        """
        try:
            labels = decode(chosen or ([NONE] if codebook.multilabel else []), codebook)
        except ValueError as error:
            self.problems.append(f"{self.path}, row {number}: {error}")
            return
        self.take(number, fields, labels, coder=coder, comment=comment)


def as_object(value: Any, what: str) -> dict[str, Any]:
    """Return an object of an export; a missing one is empty.

    Raises:
        ValueError: The value is something else; the message starts with `what`.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{what} is {_short(value)}, where an object was expected. Export the project again")
    return value


def as_objects(value: Any, what: str) -> list[dict[str, Any]]:
    """Return a list of objects of an export; a missing one is empty.

    Raises:
        ValueError: The value is something else; the message starts with `what`.
    """
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError(f"{what} is {_short(value)}, where a list of objects was expected. Export the project again")
    return value


def as_words(value: Any, what: str) -> list[str]:
    """Return a text, or a list of texts or numbers, as a list of texts; a missing one is empty.

    Raises:
        ValueError: The value is something else; the message starts with `what`.
    """
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(one, (str, int, float)) for one in values):
        raise ValueError(f"{what} is {_short(value)}, where a list of texts was expected. Export the project again")
    return [str(one) for one in values]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:80] + "…"


def choices(codebook: Codebook) -> tuple[str, ...]:
    """List what a coder can choose: the labels, and `none` where a sentence can carry no label."""
    return (*codebook.names, NONE) if codebook.multilabel else codebook.names


def decode(values: Iterable[Any], codebook: Codebook) -> tuple[str, ...]:
    """Turn choices into labels in the codebook's order.

    Raises:
        ValueError: A choice is unknown, `none` stands beside a label, or their number does not fit the codebook.
    """
    given = [str(value).strip() for value in values]
    if codebook.multilabel and NONE in given:
        if len(set(given)) > 1:
            raise ValueError(
                f"'none' stands beside {', '.join(v for v in given if v != NONE)}; it means that no label applies"
            )
        return ()
    return codebook.validate_labels(given)


def split_joined(value: str, separator: str, codebook: Codebook) -> list[str]:
    """Split labels that a tool joined by a character which may also stand in their names.

    Raises:
        ValueError: The value can be read in several ways, or in none.
    """
    allowed = choices(codebook)
    parts = value.split(separator)
    # The ways to read the first 0, 1, 2, ... parts; of nothing there is one.
    ways: list[list[list[str]]] = [[] for _ in range(len(parts) + 1)]
    ways[0].append([])
    for end in range(1, len(parts) + 1):
        for start in range(end):
            name = separator.join(parts[start:end]).strip()
            if name in allowed:
                ways[end] += [[*way, name] for way in ways[start] if name not in way]
    if len(found := ways[-1]) != 1:
        reason = "can be read in several ways" if found else f"is no list of labels joined by {separator!r}"
        raise ValueError(f"{value!r} {reason}; allowed: {', '.join(allowed)}; export as JSON Lines, which keeps lists")
    return found[0]


def companion(path: Path, ending: str) -> Path:
    """Name a file beside a sheet: `sheet.xlsx` and `.design.json` give `sheet.design.json`."""
    return path.with_name(path.stem + ending)


def need_suffix(path: Path, allowed: Sequence[str], tool: str) -> None:
    """Refuse an ending that a tool does not import.

    Raises:
        DataError: The ending is another one, or the folder is not there.
    """
    if path.suffix.lower() not in allowed:
        raise DataError(f"{path}: a file for {tool} ends in {' or '.join(allowed)}; rename the output")
    if not path.parent.is_dir():
        raise DataError(f"{path}: the folder {path.parent} is not there; make it first")


def codebook_markdown(codebook: Codebook) -> str:
    """Write a codebook for coders: rules, then each label with what counts, what does not, and examples."""
    lines = [f"# {codebook.name} {codebook.version}", "", codebook.unit, "", *(f"- {rule}" for rule in codebook.rules)]
    for label in codebook.labels:
        lines += ["", f"## {label.name}", "", label.definition, ""]
        lines += [f"- counts: {case}" for case in label.includes]
        lines += [f"- does not count: {case}" for case in label.excludes]
        lines += [f"- example ({'|'.join(e.labels) or NONE}): {e.text}" for e in label.examples]
    return "\n".join(lines) + "\n"
