"""Define what all coding formats share: the task that a coder sees, the coded row, and the meaning of choices."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..data.acts import Act
from ..data.codebook import Codebook
from ..errors import DataError
from ..io.hints import unknown_suffix
from ..reporting.format import counted
from ..sampling.population import visible
from ..text.language import UNDETERMINED

#: The choice for sentences to which no label applies. Coders must choose it, because tools export "nothing chosen" in the same
#: way as "not read yet".
NONE = "none"

#: Names of the fields in the tools' files. `id` cannot be used, because the tools store their own number there.
SENTENCE, TEXT, PREVIOUS, DOCUMENT, LANGUAGE = "sentence_id", "text", "previous", "document", "language"
FIELDS = (SENTENCE, TEXT, PREVIOUS, DOCUMENT, LANGUAGE)

#: Name endings of the files that are written next to a sheet or a file of tasks, by format and suffix.
COMPANIONS = {
    ("sheet", ".csv"): ".codebook.md",
    ("label-studio", ".json"): ".config.xml",
    ("doccano", ".jsonl"): ".labels.json",
}

#: If at least this many rows were coded and none of them is without a label, blank rows are suspicious.
FEW_CODED = 10

#: The name in the column of coders for adjudicated rows, which decide between coders who disagree.
ADJUDICATION = "adjudication"

#: Column of a sheet for adjudication with the name of the coder whose kinds, holders and targets are right.
ACTS_OF = "acts_of"


#: Zero-width non-joiner and joiner, which Persian and Indic scripts need. Elsewhere, they would only make names look the same.
_JOINERS = "\u200c\u200d"

#: Characters that show nothing, but that Python counts as printable: grapheme joiner, fillers of Hangul and blank of Braille.
_BLANKS = "\u034f\u115f\u1160\u3164\uffa0\u2800"

#: Code points of variation selectors. They choose a shape of the character before them, which is rarely a different one.
_VARIATIONS = (*range(0x180B, 0x180E), 0x180F, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))

#: Code points that do not distinguish names.
_NOT_COMPARED = dict.fromkeys((*map(ord, _JOINERS), *_VARIATIONS))


def check_coders(names: Collection[str], where: str) -> None:
    """Check that no coder has the name that version 0.1 used for adjudicated rows.

    Args:
        names: Names of coders.
        where: The place that the message names.

    Raises:
        DataError: One coder has this name.
    """
    if "settlement" in names:
        raise DataError(
            f"{where}: the coder is 'settlement', the name that communique 0.1 used. Replace it with {ADJUDICATION!r}"
        )


def coder_key(name: str) -> str:
    """Return a key that names share if they look the same except for case and spaces, and so probably belong to one coder."""
    folded = unicodedata.normalize("NFKC", name.translate(_NOT_COMPARED)).casefold()
    return "".join(folded.split())


def is_coder_name(name: str) -> bool:
    """Return whether a name of a coder contains no invisible characters except spaces, and joiners between two letters."""
    return all(
        _is_between_letters(before, after)
        if character in _JOINERS
        else character.isprintable() and character not in _BLANKS
        for before, character, after in zip(f" {name}", name, f"{name[1:]} ", strict=False)
    )


def _is_between_letters(before: str, after: str) -> bool:
    # In Indic scripts, a mark of the letter precedes the joiner.
    return unicodedata.category(before)[0] in "LM" and unicodedata.category(after)[0] == "L"


def similar_coders(names: Iterable[str]) -> list[str]:
    """Return a warning for each group of names that are probably one coder, because they have the same `coder_key`."""
    groups: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        groups.setdefault(coder_key(name), []).append(name)
    return [
        f"{' and '.join(map(repr, group))} count as different coders. If they are one person, use one name in all files"
        for group in groups.values()
        if len(group) > 1
    ]


@dataclass(frozen=True)
class CodingTask:
    """A sentence to code, with the previous sentence. `labels` are the model's; None if coders must not see them."""

    id: str
    text: str
    document: str
    language: str
    previous: str = ""
    labels: tuple[str, ...] | None = None

    def fields(self) -> dict[str, str]:
        """Return the fields of the task in the tools' files."""
        values = map(visible, (self.id, self.text, self.previous, self.document, self.language))
        return dict(zip(FIELDS, values, strict=True))


@dataclass(frozen=True)
class CodedRow:
    """A row of a coded file. `labels` is None if the row was not coded; `id` or `text` can be missing.

    `acts` contains kind, holder and target by label; None if the coder was not asked for them. `acts_of` names the coder whose acts
    an adjudicator takes over.
    """

    where: str
    id: str | None
    text: str | None
    coder: str
    labels: tuple[str, ...] | None
    comment: str = ""
    document: str | None = None
    language: str = UNDETERMINED
    previous: str = ""
    acts: Mapping[str, Act] | None = None
    acts_of: str = ""


@dataclass
class Reading:
    """The coded rows of a file, errors in them, and notes on what was assumed or left out."""

    path: Path
    format: str
    rows: list[CodedRow] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    #: Name, version and hash of each codebook that rows of the file name.
    codebooks: list[str] = field(default_factory=list)
    #: Number of answers in which nothing was chosen.
    unanswered: int = 0
    #: Whether the coder saw the labels of a model.
    model_shown: bool = False

    def note(self, number: int, text: str) -> None:
        """Add a note on some rows, unless their number is 0."""
        if number:
            self.notes.append(f"{self.path}: {text}")

    def note_unanswered(self, control: str | None = None) -> None:
        """Add a note on the answers in which nothing was chosen, if there are any.

        Args:
            control: Name of the control that contains the labels. Default: not known.
        """
        where = "" if control is None else f" in {control!r}"
        self.note(
            self.unanswered,
            f"left out {counted(self.unanswered, 'answer')} in which nothing was chosen{where}. If no label applies, the coder "
            f"must choose {NONE!r}",
        )

    def note_only_labels(self) -> None:
        """Add a warning if all coded rows have a label and the others are blank: the coder probably marked only those with one."""
        coded = [row for row in self.rows if row.labels is not None]
        blank = len(self.rows) - len(coded)
        if blank and len(coded) >= FEW_CODED and all(row.labels for row in coded):
            self.notes.append(
                f"warning: {self.path}: all of the {counted(len(coded), 'coded row')} have a label, and {counted(blank, 'row')} "
                f"{'is' if blank == 1 else 'are'} blank. If blank means that no label applies, answer no in these rows: a blank "
                "row counts as not coded, so the labels would seem far too frequent"
            )

    def take(
        self,
        number: int,
        fields: Mapping[str, Any],
        labels: tuple[str, ...] | None,
        *,
        coder: str,
        comment: str,
        acts: Mapping[str, Act] | None = None,
        acts_of: str = "",
    ) -> None:
        """Add a row.

        Args:
            number: Number of the row in the file.
            fields: Those fields of `CodingTask.fields` that the file contains.
            labels: The labels; None if the row was not coded.
            coder: Name of the coder.
            comment: Comment of the coder.
            acts: Kind, holder and target by label, or None.
            acts_of: Name of the coder whose acts an adjudicator takes over.

        Raises:
            DataError: The coder has the name that version 0.1 used for adjudicated rows.
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
                acts=acts,
                acts_of=acts_of,
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
        """Add a coder's answer, or the error in it.

        If nothing was chosen, the row counts as not coded. It does not mean that no label applies: coders choose `none` for that.
        """
        self.unanswered += not chosen
        try:
            labels = decode(chosen, codebook) if chosen else None
        except ValueError as error:
            self.problems.append(f"{self.path}, row {number}: {error}")
            return
        self.take(number, fields, labels, coder=coder, comment=comment)


def as_object(value: Any, what: str) -> dict[str, Any]:
    """Return an object of an export, or an empty one if the value is missing.

    Raises:
        ValueError: The value is not an object. The message starts with `what`.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{what} is {_short(value)}, but it must be an object. Export the project again")
    return value


def as_objects(value: Any, what: str) -> list[dict[str, Any]]:
    """Return a list of objects of an export, or an empty one if the value is missing.

    Raises:
        ValueError: The value is not a list of objects. The message starts with `what`.
    """
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError(f"{what} is {_short(value)}, but it must be a list of objects. Export the project again")
    return value


def as_words(value: Any, what: str) -> list[str]:
    """Return a text, or a list of texts or numbers, as a list of texts. The list is empty if the value is missing.

    Raises:
        ValueError: The value has another type. The message starts with `what`.
    """
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(one, (str, int, float)) for one in values):
        raise ValueError(f"{what} is {_short(value)}, but it must be a list of texts. Export the project again")
    return [str(one) for one in values]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:80] + "…"


def choices(codebook: Codebook) -> tuple[str, ...]:
    """Return the choices of a coder: the labels, and `none` if a sentence can have no label."""
    return (*codebook.names, NONE) if codebook.multilabel else codebook.names


def decode(values: Iterable[Any], codebook: Codebook) -> tuple[str, ...]:
    """Return the labels for a coder's choices, in the codebook's order.

    Raises:
        ValueError: A choice is unknown, `none` is combined with a label, or the codebook does not allow this number of labels.
    """
    given = [str(value).strip() for value in values]
    if codebook.multilabel and NONE in given:
        if len(set(given)) > 1:
            raise ValueError(
                f"'none' is combined with {', '.join(v for v in given if v != NONE)}, but it means that no label applies. "
                "Choose one or the other"
            )
        return ()
    return codebook.validate_labels(given)


def split_joined(value: str, separator: str, codebook: Codebook) -> list[str]:
    """Split labels that a tool joined with a character that label names may contain too.

    Raises:
        ValueError: There is no way to split the value into labels, or more than one.
    """
    allowed = choices(codebook)
    parts = value.split(separator)
    # ways[i] lists the ways to read the first i parts. There is one way to read no parts.
    ways: list[list[list[str]]] = [[] for _ in range(len(parts) + 1)]
    ways[0].append([])
    for end in range(1, len(parts) + 1):
        for start in range(end):
            name = separator.join(parts[start:end]).strip()
            if name in allowed:
                ways[end] += [[*way, name] for way in ways[start] if name not in way]
    if len(found := ways[-1]) != 1:
        reason = "can be read in several ways" if found else f"is not a list of labels joined with {separator!r}"
        raise ValueError(f"{value!r} {reason} (allowed: {', '.join(allowed)}). Export as JSON Lines, which keeps lists")
    return found[0]


def companion(path: Path, ending: str) -> Path:
    """Return the path of a file next to a sheet: `sheet.xlsx` and `.design.json` become `sheet.design.json`."""
    return path.with_name(path.stem + ending)


def need_suffix(path: Path, allowed: Sequence[str], tool: str) -> None:
    """Check that a path has a suffix that a tool can import, and that its folder exists.

    Raises:
        DataError: The suffix is not allowed, or the folder does not exist.
    """
    if path.suffix.lower() not in allowed:
        raise DataError(
            f"{path}: the name of a file for {tool} must end in {' or '.join(allowed)}. Rename the output"
            f"{unknown_suffix(path, allowed)}"
        )
    if not path.parent.is_dir():
        raise DataError(f"{path}: the folder {path.parent} does not exist. Create it first")


def codebook_markdown(codebook: Codebook) -> str:
    """Return a codebook for coders as Markdown: the rules, then each label with inclusions, exclusions and examples."""
    lines = [f"# {codebook.name} {codebook.version}", "", codebook.unit, "", *(f"- {rule}" for rule in codebook.rules)]
    for label in codebook.labels:
        lines += ["", f"## {label.name}", "", label.definition, ""]
        lines += [f"- counts: {case}" for case in label.includes]
        lines += [f"- does not count: {case}" for case in label.excludes]
        lines += [f"- example ({'|'.join(e.labels) or NONE}): {e.text}" for e in label.examples]
    return "\n".join(lines) + "\n"
