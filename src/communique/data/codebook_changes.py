"""Describe in words how a codebook has changed, and count the codings that each change affects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..reporting.format import counted
from .acts import Act
from .codebook import Codebook, Label

#: Maximum number of characters of a definition that a change quotes.
QUOTED = 100

#: The codings that a change affects: those with the label, all of them, or none of them.
Affected = Literal["label", "all", "none"]


@dataclass(frozen=True)
class Change:
    """One difference between an older and a newer codebook.

    Attributes:
        text: The change in words.
        affects: `label` if codings with the label may be wrong now, `all` if any coding may be wrong, `none` if no coding is.
        label: Name of the label in the older codebook, if the change concerns one label.
    """

    text: str
    affects: Affected
    label: str | None = None

    def count(self, codings: Iterable[Sequence[str]]) -> int:
        """Count the affected codings.

        Args:
            codings: The labels of each coding that was made with the older codebook.
        """
        if self.affects == "none":
            return 0
        return sum(self.affects == "all" or self.label in labels for labels in codings)


def codebook_changes(old: Codebook, new: Codebook) -> tuple[Change, ...]:
    """Return one change per difference from an older codebook to a newer one, or nothing if their content is equal.

    A label counts as renamed if a label with the same definition takes the place of a removed one.
    """
    if old.sha256 == new.sha256:
        return ()
    changes = [
        Change(f"the {what} changed from {before!r} to {after!r}", affects)
        for what, before, after, affects in _attributes(old, new)
        if before != after
    ]
    if old.rules != new.rules:
        changes.append(Change(f"the rules changed: {_count_rules(old.rules, new.rules)}", "all"))
    if old.marks_words != new.marks_words:
        now = "now also" if new.marks_words else "no longer"
        changes.append(Change(f"coders {now} mark the words that name holder and target", "none"))
    renamed = renamed_labels(old, new)
    theirs = {label.name: label for label in new.labels}
    for label in old.labels:
        if label.name in renamed:
            changes.append(
                Change(f"the label {label.name!r} was renamed to {renamed[label.name]!r}", "label", label.name)
            )
        elif label.name not in theirs:
            changes.append(Change(f"the label {label.name!r} was removed", "label", label.name))
        changes += _label_changes(label, theirs.get(renamed.get(label.name, label.name)))
    known = {*old.names, *renamed.values()}
    changes += [Change(f"the label {name!r} was added", "all") for name in new.names if name not in known]
    if not changes:
        changes.append(Change("the order of the labels changed", "none"))
    return tuple(changes)


def renamed_labels(old: Codebook, new: Codebook) -> dict[str, str]:
    """Return the new name of each label that was renamed: the only other difference may be in its cases and examples."""
    added = {label.definition: label.name for label in new.labels if label.name not in old.names}
    return {
        label.name: added[label.definition]
        for label in old.labels
        if label.name not in new.names and label.definition in added
    }


def translate(labels: Sequence[str], old: Codebook | None, new: Codebook) -> tuple[str, ...] | None:
    """Return the labels of an older coding in terms of a newer codebook, or None if it must be coded again.

    A coding must be coded again if a label was added since, because nobody decided on it, or if the codebook requires exactly one
    label and that label was removed. Otherwise, renamed labels get their new names, and removed labels are dropped.

    Args:
        labels: Labels of a sentence, from the older codebook.
        old: The codebook of the coding. If it is not known (None), labels that the new codebook lacks must be coded again.
        new: The codebook in use.
    """
    if old is None:
        return translate(labels, new, new) if set(labels) <= set(new.names) else None
    # Most codings were made with the codebook in use, and a project can have many.
    renamed = {} if old is new else renamed_labels(old, new)
    names = new.names
    if old.task != new.task or set(names) - {*old.names, *renamed.values()}:
        return None
    kept = [renamed.get(name, name) for name in labels]
    try:
        return new.validate_labels(name for name in kept if name in names)
    except ValueError:
        return None


def translate_acts(
    acts: Mapping[str, Act], labels: Sequence[str], old: Codebook | None, new: Codebook
) -> dict[str, Act]:
    """Return the acts of an older coding in terms of a newer codebook, without kinds that the newer codebook lacks.

    Args:
        acts: Acts by label of the older codebook.
        labels: The labels that `translate` returned.
        old: The codebook of the coding, or None if it is not known.
        new: The codebook in use.
    """
    renamed = {} if old is None else renamed_labels(old, new)
    kinds = {label.name: {kind.name for kind in label.kinds} for label in new.labels}
    moved = {renamed.get(name, name): act for name, act in acts.items()}
    found = {
        name: act if act.kind is None or act.kind in kinds[name] else replace(act, kind=None)
        for name, act in moved.items()
        if name in labels
    }
    return {name: act for name, act in found.items() if act.with_spans or act.kind is not None}


def describe_changes(changes: Sequence[Change], codings: Sequence[Sequence[str]]) -> list[str]:
    """Return one line per change, with the number of codings that it affects.

    Args:
        changes: The changes, from `codebook_changes`.
        codings: The labels of each coding that was made with the older codebook.
    """
    lines = []
    for change in changes:
        if change.affects == "none":
            lines.append(change.text)
        elif change.affects == "all":
            lines.append(f"{change.text} (affects all {counted(len(codings), 'coding')})")
        else:
            lines.append(f"{change.text} ({counted(change.count(codings), 'coding')} with this label)")
    return lines


def _attributes(old: Codebook, new: Codebook) -> tuple[tuple[str, str, str, Affected], ...]:
    return (
        ("name", old.name, new.name, "none"),
        ("version", old.version, new.version, "none"),
        ("task", old.task, new.task, "all"),
        ("unit", _short(old.unit), _short(new.unit), "all"),
    )


def _count_rules(old: Sequence[str], new: Sequence[str]) -> str:
    added, removed = len(set(new) - set(old)), len(set(old) - set(new))
    if not added and not removed:
        return "their order is different"
    return f"{counted(added, 'rule')} added or reworded, {counted(removed, 'rule')} removed or replaced"


def _label_changes(old: Label, new: Label | None) -> list[Change]:
    if new is None:
        return []
    changes = []
    for part in old.differing_parts(new):
        if part == "name":
            continue
        if part == "definition":
            text = (
                f"the definition of {old.name!r} changed from {_short(old.definition)!r} to {_short(new.definition)!r}"
            )
        else:
            text = f"the {_PARTS[part]} of {old.name!r} changed"
        changes.append(Change(text, "label", old.name))
    return changes


#: The parts of a label in words, by field.
_PARTS: Mapping[str, str] = {
    "includes": "list of what counts",
    "excludes": "list of what does not count",
    "kinds": "list of kinds",
    "examples": "list of examples",
}


def _short(text: str) -> str:
    joined = " ".join(text.split())
    return joined if len(joined) <= QUOTED else joined[: QUOTED - 1] + "…"
