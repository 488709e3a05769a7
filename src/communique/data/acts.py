"""Acts: for each label of a sentence, its kind, and the words that name the holder and the target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ..text.edits import Edit, move_span
from .codebook import Codebook

#: The parts of an act that words of the sentence can name, in the order of every array of spans.
ROLES = ("holder", "target")

#: What an act means that names nobody and has no kind.
NEITHER = "names neither holder nor target"

#: Start and end of some words as character offsets into the text. The end is excluded.
Span = tuple[int, int]


@dataclass(frozen=True)
class Act:
    """The kind, the holder and the target of one label of a sentence.

    `kind` is None if the label has no kinds or nobody recorded one. `holder` and `target` are spans of the text, or None if the
    sentence does not name them. `with_spans` is False if nobody recorded whether it names them, so that only the kind is known.
    """

    kind: str | None = None
    holder: Span | None = None
    target: Span | None = None
    with_spans: bool = True

    def span(self, role: str) -> Span | None:
        """Return the span of a role, `holder` or `target`."""
        return self.holder if role == "holder" else self.target

    def moved(self, move: Callable[[Span], Span | None]) -> Act:
        """Return the act with both spans changed by a function, for a text whose characters have other positions."""
        holder, target = (None if span is None else move(span) for span in (self.holder, self.target))
        return replace(self, holder=holder, target=target)

    def to_dict(self) -> dict[str, Any]:
        """Return the act in the form that `read_acts` reads."""
        spans = {f"{role}_span": None if (span := self.span(role)) is None else list(span) for role in ROLES}
        return (spans if self.with_spans else {}) | ({} if self.kind is None else {"kind": self.kind})


class Named(NamedTuple):
    """The words that name the holder or the target of a label, or its kind."""

    role: str
    words: str


def named_parts(act: Act, text: str) -> tuple[Named, ...]:
    """Return the kind of an act and the words of a text that name its holder and target."""
    kind = [] if act.kind is None else [Named("kind", act.kind)]
    spans = [(role, span) for role in ROLES if (span := act.span(role)) is not None]
    return (*kind, *(Named(role, text[slice(*span)]) for role, span in spans))


def describe_acts(acts: Mapping[str, Act], text: str) -> str:
    """Return acts in words, such as `criticism: holder Norland, target the closure; policy_claim: names neither`."""
    return "; ".join(
        f"{name}: {', '.join(f'{part.role} {part.words}' for part in named_parts(act, text)) or NEITHER}"
        for name, act in acts.items()
    )


def moved_acts(acts: Mapping[str, Act], edits: Sequence[Edit]) -> dict[str, Act]:
    """Return acts for a text that was changed by edits.

    If nothing is left of the words of a holder or target, the act is left out, because an act without them means that the text
    names nobody.
    """
    moved = {name: act.moved(lambda span: move_span(span, edits)) for name, act in acts.items()}
    return {
        name: act
        for name, act in moved.items()
        if all((act.span(role) is None) == (acts[name].span(role) is None) for role in ROLES)
    }


def written_acts(acts: Mapping[str, Act]) -> dict[str, dict[str, Any]]:
    """Return acts in the form that `read_acts` reads and tables contain."""
    return {name: act.to_dict() for name, act in acts.items()}


def agreed_acts(labels: Sequence[str], given: Sequence[Mapping[str, Act]]) -> tuple[dict[str, Act], int]:
    """Return the acts of labels on which all coders who recorded one agree, and the number of labels on which they differ.

    Args:
        labels: The final labels of a sentence.
        given: The acts by label that each coder recorded for the same text.
    """
    found: dict[str, Act] = {}
    differing = 0
    for name in labels:
        recorded = {acts[name] for acts in given if name in acts}
        if len(recorded) == 1:
            found[name] = recorded.pop()
        differing += len(recorded) > 1
    return found, differing


def read_acts(value: Any, text: str, labels: Sequence[str] | None, codebook: Codebook | None) -> dict[str, Act]:
    """Check the acts of a labelled row, and return them in the order of the codebook.

    Args:
        value: A mapping from labels to `holder_span` and `target_span` (pairs of character offsets into `text`, excluding the end,
            or None) and, if the label has kinds, `kind`. The words may be included as `holder` and `target`, and are then compared
            with the spans. An act that is None is left out, because tables such as Parquet have the same labels in each row.
            An act that contains only a kind says nothing about the spans.
        text: The text of the row.
        labels: The labels of the row.
        codebook: The codebook of the labels. If it is not known (None), their order is that of `value`, and kinds are not checked.

    Raises:
        ValueError: The value is not such a mapping, it contains a label that the row does not have, a span does not match the
            text, or a kind is not in the codebook.
    """
    given = {name: act for name, act in value.items() if act is not None} if isinstance(value, Mapping) else None
    if given is None or not all(isinstance(act, Mapping) for act in given.values()):
        raise ValueError("'acts' is not a mapping from labels to holder, target and kind. Write it as such a mapping")
    if codebook is not None and (unknown := sorted(map(str, set(given).difference(codebook.names)))):
        raise ValueError(f"'acts' contains the unknown label {unknown[0]!r}. Allowed: {', '.join(codebook.names)}")
    if unlabelled := set(given).difference(labels or ()):
        raise ValueError(
            f"'acts' contains the label {min(unlabelled)!r}, which is not in 'labels'. Correct one of the two"
        )
    found = {}
    for name in given if codebook is None else codebook.names:
        if name in given:
            act = given[name]
            holder, target = (_span(text, act, role) for role in ROLES)
            with_spans = "kind" not in act or any(key in act for role in ROLES for key in (role, f"{role}_span"))
            found[name] = Act(_kind(name, act.get("kind"), codebook), holder, target, with_spans)
    return found


def _kind(label: str, kind: Any, codebook: Codebook | None) -> str | None:
    if kind is None:
        return None
    if codebook is not None:
        return codebook.validate_kind(label, kind)
    if not isinstance(kind, str):
        raise ValueError(
            f"the kind {kind!r} of label {label!r} is not a text. Write the name of a kind of the codebook"
        )
    return kind


def _span(text: str, act: Mapping[str, Any], role: str) -> Span | None:
    span, words = act.get(f"{role}_span"), act.get(role)
    if span is None and words is None:
        return None
    try:
        start, end = span  # type: ignore[misc]
        if not 0 <= start < end <= len(text) or text[start:end].strip() == "":
            raise ValueError
        if words is not None and text[start:end] != words:
            raise ValueError
    except (TypeError, ValueError):
        raise ValueError(f"'{role}_span' {span!r} is not the position of the {role} in the text. Correct it") from None
    return start, end
