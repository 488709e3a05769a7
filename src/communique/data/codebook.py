"""The codebook: the labels, their order and their definitions."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from ..config import load_yaml
from ..errors import CodebookError
from ..io.atomic import replacing


def _composed(name: object) -> object:
    """Return a name in NFC, so that "é" is always one character."""
    return unicodedata.normalize("NFC", name) if isinstance(name, str) else name


#: The name of a label is also a column and a JSON key, and a cell may list several names. It therefore contains none of the
#: separators, and spaces only between words.
LabelName = Annotated[
    str,
    BeforeValidator(_composed),
    StringConstraints(pattern=r"^[^\s|;,]+( [^\s|;,]+)*$", max_length=64),
]


#: Maximum number of labels in a codebook. Each label is a model output, a column of probabilities and a row in every score table.
MAX_LABELS = 1000

#: Columns of gold data that identify the codebook: its name and version, and the hash of its content.
CODEBOOK_TITLE, CODEBOOK_SHA256 = "codebook", "codebook_sha256"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _empty(value: object) -> bool:
    return not value


def _missing(value: object) -> bool:
    return value is None


class Kind(_Frozen):
    """A kind of a label. For example, a demand is a kind of policy claim."""

    name: LabelName
    definition: str = Field(min_length=1)


class Example(_Frozen):
    """An example sentence with its labels and, for each label that has kinds, its kind."""

    text: str = Field(min_length=1)
    language: str = Field(min_length=2, description="BCP 47 code")
    labels: tuple[str, ...] = ()
    # Empty kinds are not written, so that a codebook without kinds keeps the hash that existing models recorded.
    kinds: dict[str, str] = Field({}, exclude_if=_empty, description="kind by label")


class Label(_Frozen):
    """A label: its name and definition, what it includes and excludes, its kinds and examples."""

    name: LabelName
    definition: str = Field(min_length=1)
    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = Field(
        (), exclude_if=_empty, description="kinds of the label; a sentence has the main one"
    )
    examples: tuple[Example, ...] = ()

    def differing_parts(self, other: Label) -> list[str]:
        """Return the names of the fields that differ from another label."""
        return [part for part in type(self).model_fields if getattr(self, part) != getattr(other, part)]


class Codebook(_Frozen):
    """The labels in a fixed order, with their definitions.

    `task` is `multilabel` (a sentence has any number of labels, including none) or `multiclass` (a sentence has exactly
    one label).
    """

    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    task: Literal["multilabel", "multiclass"]
    unit: str = Field("sentence", description="what is labelled")
    rules: tuple[str, ...] = Field((), description="rules that apply to all labels")
    acts: bool | None = Field(
        None,
        exclude_if=_missing,
        description="whether coders also mark the words that name holder and target; default: if a label has kinds",
    )
    labels: tuple[Label, ...] = Field(min_length=2, max_length=MAX_LABELS)

    @model_validator(mode="before")
    @classmethod
    def _current(cls, content: object) -> object:
        if isinstance(content, dict) and "selection" in content:
            raise ValueError(
                "the key 'selection' is from communique 0.1. Replace 'selection: multiple' with 'task: multilabel', or "
                "'selection: single' with 'task: multiclass'"
            )
        return content

    @model_validator(mode="after")
    def _consistent(self) -> Codebook:
        names = self.names
        if duplicate := next((name for i, name in enumerate(names) if name in names[:i]), None):
            raise ValueError(f"two labels are named {duplicate!r}. Rename one of them")
        if "none" in self.names and self.multilabel:
            raise ValueError(
                "a label is named 'none', which means that no label applies when the task is multilabel. Rename the label"
            )
        for label in self.labels:
            kinds = [kind.name for kind in label.kinds]
            if duplicate := next((name for i, name in enumerate(kinds) if name in kinds[:i]), None):
                raise ValueError(f"label {label.name!r} has two kinds named {duplicate!r}. Rename one of them")
            for example in label.examples:
                self.validate_labels(example.labels)
                for name, kind in example.kinds.items():
                    if name not in example.labels:
                        raise ValueError(
                            f"an example has a kind of {name!r} without that label: {example.text!r}. Add the label or "
                            "remove the kind"
                        )
                    self.validate_kind(name, kind)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the labels, in the order of the probability columns."""
        return tuple(label.name for label in self.labels)

    @property
    def multilabel(self) -> bool:
        """Whether a sentence can have several labels or none."""
        return self.task == "multilabel"

    @property
    def marks_words(self) -> bool:
        """Whether coders are asked for the words that name holder and target. They may leave them out."""
        return any(label.kinds for label in self.labels) if self.acts is None else self.acts

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the content. Any change of wording changes it, but the layout of the YAML file does not."""
        canonical = json.dumps(self.model_dump(mode="json"), ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"

    def __copy__(self) -> Self:
        """Return a copy for `model_copy`, which may change the content and thus the hash."""
        made = super().__copy__()
        made.__dict__.pop("sha256", None)
        return made

    def differences(self, other: Codebook) -> list[str]:
        """Return one phrase per difference from another codebook, or an empty list if their content is equal.

        Examples are compared too, because coders learn the definitions from them.
        """
        if self.sha256 == other.sha256:
            return []
        found = [
            f"{what} {mine!r} and {theirs!r}"
            for what, mine, theirs in (
                ("name", self.name, other.name),
                ("version", self.version, other.version),
                ("task", self.task, other.task),
                ("unit", self.unit, other.unit),
                ("labels", ", ".join(self.names), ", ".join(other.names)),
            )
            if mine != theirs
        ]
        if self.rules != other.rules:
            found.append("rules")
        if self.marks_words != other.marks_words:
            found.append("marking of holder and target")
        theirs_by_name = {label.name: label for label in other.labels}
        for label in self.labels:
            theirs = theirs_by_name.get(label.name, label)
            if parts := label.differing_parts(theirs):
                found.append(f"{', '.join(parts)} of {label.name!r}")
        return found

    def warning(self, other: Codebook, mine: str, theirs: str) -> list[str]:
        """Return one warning that lists the differences from another codebook, or an empty list if there are none.

        Args:
            other: The other codebook.
            mine: Who or what uses this codebook, such as "the model".
            theirs: Who or what uses the other codebook.
        """
        found = self.differences(other)
        if not found:
            return []
        return [
            f"warning: {mine} and {theirs} use different codebooks, so their labels may mean different things. They differ "
            f"in: {'; '.join(found)}"
        ]

    def validate_labels(self, labels: Iterable[str]) -> tuple[str, ...]:
        """Check the labels of a sentence and sort them into the order of the codebook.

        Args:
            labels: Names of labels, in any order.

        Returns:
            The distinct names in the order of the codebook.

        Raises:
            ValueError: A name is not a label of the codebook, or the number of labels does not fit `task`.
        """
        given, names = set(labels), self.names
        unknown = sorted(given.difference(names))
        if unknown:
            allowed = (*names, "none") if self.multilabel else names
            raise ValueError(f"unknown label {unknown[0]!r}. Allowed: {', '.join(allowed)}")
        if not self.multilabel and len(given) != 1:
            raise ValueError(
                f"there are {len(given)} labels, but the codebook's task is 'multiclass'. Write exactly one label"
            )
        return tuple(name for name in names if name in given)

    def validate_kind(self, label: str, kind: object) -> str:
        """Check that a kind belongs to a label, and return its name.

        Args:
            label: Name of a label of this codebook.
            kind: Name of the kind.

        Raises:
            ValueError: The label has no kind of that name, or no kinds at all.
        """
        kinds = [one.name for one in next(found for found in self.labels if found.name == label).kinds]
        if kind not in kinds:
            raise ValueError(
                f"unknown kind {kind!r} of label {label!r}. "
                + (f"Allowed: {', '.join(kinds)}" if kinds else "Remove it, because this label has no kinds")
            )
        return str(kind)

    @classmethod
    def load(cls, path: str | Path) -> Codebook:
        """Read a codebook from a YAML file.

        Raises:
            CodebookError: The file is missing, is not YAML, or does not follow the schema.
        """
        return load_yaml(Path(path), cls, CodebookError, "A codebook is a YAML file such as data/codebook.yaml")

    def dump(self, path: str | Path) -> None:
        """Write the codebook as YAML. `load` reads the file back as an equal object."""
        content = self.model_dump(mode="json", exclude_defaults=True)
        with replacing(path) as handle:
            yaml.safe_dump(content, handle, allow_unicode=True, sort_keys=False, width=120)


def named_codebooks(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the codebooks named in the columns `codebook` and `codebook_sha256`, each with the start of its hash."""
    pairs = dict.fromkeys(
        (str(row.get(CODEBOOK_TITLE) or "unnamed"), str(row.get(CODEBOOK_SHA256) or "")) for row in rows
    )
    return [f"{title} (SHA-256 {sha256[:12]})" for title, sha256 in pairs if sha256]


def other_codebooks(name: str, rows: Iterable[Mapping[str, Any]], codebook: Codebook) -> list[str]:
    """Return one warning if rows were coded with a codebook other than the one in use, otherwise an empty list.

    Args:
        name: The file name for the warning.
        rows: Rows that may have the columns `codebook` and `codebook_sha256`, which `communique agree` writes.
        codebook: The codebook in use.
    """
    others = [one for one in named_codebooks(rows) if not one.endswith(f"(SHA-256 {codebook.sha256[:12]})")]
    if not others:
        return []
    return [
        f"warning: {name}: the rows were coded with {', '.join(others)}, but the codebook in use is {codebook.title} (SHA-256 "
        f"{codebook.sha256[:12]}), so the same label may mean different things. Use the codebook of the coding, or code the "
        "rows again"
    ]
