"""Kind, holder and target of labels in the forms of the pages Code and Agreement.

The script of the pages counts the characters of the sentence as the page shows it. There, control characters are escaped, so that
positions are converted here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

from ..data.acts import ROLES, Act, Span, read_acts, written_acts
from ..data.codebook import Codebook
from ..errors import DataError
from ..reporting.format import printable
from .choices import Choice, choices

#: Separator of the parts of a value in a form. Names of labels and kinds do not contain it.
_SEPARATOR = "|"


@dataclass(frozen=True)
class Marked:
    """What the fields of a form contain.

    Attributes:
        marks: Values such as `criticism|holder|0|7|Norland`: the label, the role, the position on the page, and the words.
        kinds: Values such as `policy_claim|demand`. An empty value names no kind.
        unnamed: Labels whose holder and target the sentence does not name.
    """

    marks: Sequence[str] = ()
    kinds: Sequence[str] = ()
    unnamed: Sequence[str] = ()


class Words(NamedTuple):
    """Words that name a holder or target: the value of the form, and the words themselves."""

    value: str
    words: str


class ActFields(NamedTuple):
    """The fields of one label: its holder and target by role, its kind, and whether the sentence names neither."""

    choice: Choice
    words: Mapping[str, Words]
    kind: str
    unnamed: bool


def asks_for_acts(codebook: Codebook) -> bool:
    """Return whether a form has fields for kind, holder or target."""
    return codebook.marks_words or any(label.kinds for label in codebook.labels)


def act_fields(codebook: Codebook, text: str, acts: Mapping[str, Act]) -> list[ActFields]:
    """Return the fields of the labels that have any, filled in with acts.

    Args:
        codebook: The codebook.
        text: The text of the sentence.
        acts: The acts by label that were recorded so far.
    """
    if not asks_for_acts(codebook):
        return []
    places = _Places(text)
    found = []
    for choice in choices(codebook):
        if codebook.marks_words or choice.label.kinds:
            name = choice.label.name
            act = acts.get(name, Act(with_spans=False))
            words = {
                role: Words(places.value(name, role, span), text[slice(*span)])
                for role in ROLES
                if (span := act.span(role)) is not None
            }
            found.append(ActFields(choice, words, act.kind or "", act.with_spans and not words))
    return found


def read_marked(marked: Marked, codebook: Codebook, text: str, labels: Sequence[str]) -> dict[str, Any] | None:
    """Return the acts of a form as codings store them, or None if the form has no fields for them.

    What the form contains about labels that were not chosen is ignored.

    Args:
        marked: The fields of the form.
        codebook: The codebook.
        text: The text of the sentence.
        labels: The labels that were chosen.

    Raises:
        DataError: The fields do not fit the sentence or the codebook.
    """
    if not asks_for_acts(codebook):
        return None
    places = _Places(text)
    acts: dict[str, dict[str, Any]] = {}
    try:
        if codebook.marks_words:
            for label in marked.unnamed:
                acts[label] = {f"{role}_span": None for role in ROLES}
            for value in marked.marks:
                label, role, span = places.read(value)
                acts.setdefault(label, {f"{other}_span": None for other in ROLES})[f"{role}_span"] = list(span)
        for value in filter(None, marked.kinds):
            label, _, kind = value.partition(_SEPARATOR)
            acts.setdefault(label, {})["kind"] = kind
        chosen = {name: act for name, act in acts.items() if name in labels}
        return written_acts(read_acts(chosen, text, labels, codebook))
    except ValueError as error:
        raise DataError(
            f"Kind, holder or target cannot be recorded: {error}. Open the page again and mark the words again"
        ) from None


class _Places:
    """Convert positions in a text to positions on the page, where control characters are escaped, and back."""

    def __init__(self, text: str) -> None:
        self._text = text
        #: Position on the page of each character, and of the end of the text.
        self._starts = [0, *accumulate(len(printable(character)) for character in text)]

    def value(self, label: str, role: str, span: Span) -> str:
        """Return the value of a form for some words."""
        start, end = (self._starts[offset] for offset in span)
        return _SEPARATOR.join((label, role, str(start), str(end), printable(self._text[slice(*span)])))

    def read(self, value: str) -> tuple[str, str, Span]:
        """Return label, role and span of a value of a form.

        Raises:
            ValueError: The value does not have this form, or the words are not at this place.
        """
        label, role, start, end, words = value.split(_SEPARATOR, 4)
        if role not in ROLES:
            raise ValueError(f"the role {role!r} is unknown. Allowed: {', '.join(ROLES)}")
        # An escaped character belongs to the words as a whole.
        first = max(0, bisect_right(self._starts, int(start)) - 1)
        span = first, min(bisect_left(self._starts, int(end)), len(self._text))
        # Browsers change line ends in forms.
        if printable(self._text[slice(*span)]).split() != words.split():
            raise ValueError(f"{words[:80]!r} is not at this place of the sentence")
        return label, role, span
