"""The codebook: which labels there are, in which order, and what each of them means."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from ..config import load_yaml
from ..errors import CodebookError
from ..io.atomic import replacing


def _composed(name: object) -> object:
    """Return a name in NFC: "é" is one character, whatever the editor wrote."""
    return unicodedata.normalize("NFC", name) if isinstance(name, str) else name


#: A label's name is a column and a JSON key, and a cell may list several: no separators, spaces only between words.
LabelName = Annotated[
    str,
    BeforeValidator(_composed),
    StringConstraints(pattern=r"^[^\s|;,]+( [^\s|;,]+)*$", max_length=64),
]


#: Labels of a codebook. Each is an output of the model, a column of probabilities and a line of every table of scores.
MAX_LABELS = 1000

#: Columns of gold that name the codebook by which its rows were coded: name and version, and the hash of the content.
CODEBOOK_TITLE, CODEBOOK_SHA256 = "codebook", "codebook_sha256"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _empty(value: object) -> bool:
    return not value


class Kind(_Frozen):
    """A kind of a label, such as the demand among the policy claims."""

    name: LabelName
    definition: str = Field(min_length=1)


class Example(_Frozen):
    """A sentence with its labels and, for labels that have kinds, the kind of each."""

    text: str = Field(min_length=1)
    language: str = Field(min_length=2, description="BCP 47 code")
    labels: tuple[str, ...] = ()
    # Empty kinds are not dumped, so that a codebook without kinds keeps the hash that its models recorded.
    kinds: dict[str, str] = Field({}, exclude_if=_empty, description="kind by label")


class Label(_Frozen):
    """One label: its name, its definition, what counts, what does not, and its kinds."""

    name: LabelName
    definition: str = Field(min_length=1)
    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = Field(
        (), exclude_if=_empty, description="kinds of the label; a sentence has the main one"
    )
    examples: tuple[Example, ...] = ()


class Codebook(_Frozen):
    """Labels in a fixed order with their definitions.

    `task` is `multilabel` (a sentence carries none, one or several labels) or `multiclass` (exactly one).
    """

    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    task: Literal["multilabel", "multiclass"]
    unit: str = Field("sentence", description="what is labelled")
    rules: tuple[str, ...] = Field((), description="rules that hold for all labels")
    labels: tuple[Label, ...] = Field(min_length=2, max_length=MAX_LABELS)

    @model_validator(mode="before")
    @classmethod
    def _current(cls, content: object) -> object:
        if isinstance(content, dict) and "selection" in content:
            raise ValueError(
                "the key 'selection' is of communique 0.1. Write 'task: multilabel' for 'selection: multiple', and "
                "'task: multiclass' for 'selection: single'"
            )
        return content

    @model_validator(mode="after")
    def _consistent(self) -> Codebook:
        names = self.names
        if duplicate := next((name for i, name in enumerate(names) if name in names[:i]), None):
            raise ValueError(f"two labels are named {duplicate!r}; names must differ")
        if "none" in self.names and self.multilabel:
            raise ValueError("'none' is the absence of labels; it cannot be a label where the task is multilabel")
        for label in self.labels:
            kinds = [kind.name for kind in label.kinds]
            if duplicate := next((name for i, name in enumerate(kinds) if name in kinds[:i]), None):
                raise ValueError(f"label {label.name!r} has two kinds named {duplicate!r}. Rename one of them")
            for example in label.examples:
                self.validate_labels(example.labels)
                for name, kind in example.kinds.items():
                    if name not in example.labels:
                        raise ValueError(
                            f"an example has a kind of {name!r} without that label: {example.text!r}. Add the label"
                        )
                    self.validate_kind(name, kind)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The labels' names, in the order of every column of probabilities."""
        return tuple(label.name for label in self.labels)

    @property
    def multilabel(self) -> bool:
        """Whether a sentence can carry several labels, or none."""
        return self.task == "multilabel"

    @property
    def sha256(self) -> str:
        """Hash of the content: another layout of the same YAML has the same hash, another word has not."""
        canonical = json.dumps(self.model_dump(mode="json"), ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"

    def differences(self, other: Codebook) -> list[str]:
        """List what another codebook says differently, one phrase per difference; none if their content is equal.

        Examples that differ count too: coders learn a definition from them.
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
        theirs_by_name = {label.name: label for label in other.labels}
        for label in self.labels:
            theirs = theirs_by_name.get(label.name, label)
            parts = [part for part in type(label).model_fields if getattr(label, part) != getattr(theirs, part)]
            if parts:
                found.append(f"{', '.join(parts)} of {label.name!r}")
        return found

    def warning(self, other: Codebook, mine: str, theirs: str) -> list[str]:
        """Return a line that warns of another codebook with what differs, or no line if their content is equal.

        Args:
            other: The other codebook.
            mine: What uses this codebook, such as "the model".
            theirs: What uses the other one.
        """
        found = self.differences(other)
        if not found:
            return []
        return [
            f"warning: {mine} and {theirs} use different codebooks, so their labels may mean different things. Different: "
            f"{'; '.join(found)}"
        ]

    def validate_labels(self, labels: Iterable[str]) -> tuple[str, ...]:
        """Check a sentence's labels and put them into the codebook's order.

        Args:
            labels: Names of labels, in any order.

        Returns:
            The names without repetition in the codebook's order.

        Raises:
            ValueError: A name is not a label, or their number does not fit `task`.
        """
        given = set(labels)
        unknown = sorted(given.difference(self.names))
        if unknown:
            raise ValueError(f"unknown label {unknown[0]!r}; allowed: {', '.join(self.names)}")
        if not self.multilabel and len(given) != 1:
            raise ValueError(f"{len(given)} labels; the codebook's task is 'multiclass': give exactly one")
        return tuple(name for name in self.names if name in given)

    def validate_kind(self, label: str, kind: object) -> str:
        """Check that a label has a kind.

        Args:
            label: Name of a label of this codebook.
            kind: Name of one of its kinds.

        Raises:
            ValueError: The label has no such kind, or none at all.
        """
        kinds = [one.name for one in next(found for found in self.labels if found.name == label).kinds]
        if kind not in kinds:
            raise ValueError(
                f"unknown kind {kind!r} of {label!r}. Allowed: {', '.join(kinds) or 'none, it has no kinds'}"
            )
        return str(kind)

    @classmethod
    def load(cls, path: str | Path) -> Codebook:
        """Read a codebook from a YAML file.

        Raises:
            CodebookError: The file is missing, is not YAML, or breaks a rule of the schema.
        """
        return load_yaml(Path(path), cls, CodebookError, "a codebook is a YAML file such as data/codebook.yaml")

    def dump(self, path: str | Path) -> None:
        """Write the codebook as YAML that `load` reads back to an equal object."""
        content = self.model_dump(mode="json", exclude_defaults=True)
        with replacing(path) as handle:
            yaml.safe_dump(content, handle, allow_unicode=True, sort_keys=False, width=120)


def named_codebooks(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """List the codebooks that rows name in the columns `codebook` and `codebook_sha256`, each with the start of its hash."""
    pairs = dict.fromkeys(
        (str(row.get(CODEBOOK_TITLE) or "unnamed"), str(row.get(CODEBOOK_SHA256) or "")) for row in rows
    )
    return [f"{title} (SHA-256 {sha256[:12]})" for title, sha256 in pairs if sha256]


def other_codebooks(name: str, rows: Iterable[Mapping[str, Any]], codebook: Codebook) -> list[str]:
    """Return a line that warns if rows were coded by another codebook than the one in use, or no line.

    Args:
        name: The file, for the message.
        rows: Rows that may have the columns `codebook` and `codebook_sha256`, as gold of `communique agree` has.
        codebook: The codebook in use.
    """
    others = [one for one in named_codebooks(rows) if not one.endswith(f"(SHA-256 {codebook.sha256[:12]})")]
    if not others:
        return []
    return [
        f"warning: {name}: coded by another codebook ({', '.join(others)}) than the one in use ({codebook.title}, SHA-256 "
        f"{codebook.sha256[:12]}), so equal labels may mean different things. Name the codebook of the coding, or code again"
    ]
