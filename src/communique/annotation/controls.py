"""Find the control of a coding tool whose choices are the labels of the codebook.

A project that was not made from our configuration may call its control differently, or have several. An answer in a control that is
not read would look like no answer, so a control is either recognised by what coders chose in it, or the export is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..data.codebook import Codebook
from ..errors import DataError
from .tasks import Reading, as_words, choices

#: Name of our control in the labelling configuration, which is also the name of the answers in exports.
LABELS = "labels"

#: Keys of the values of controls whose answers are words.
CHOICES, TAXONOMY = "choices", "taxonomy"

#: Number of controls, and of choices per control, that a message lists.
SHOWN = 8


@dataclass(frozen=True)
class Answer:
    """What a coder chose in a control. `other` is the type of a control that has no choices, such as marked spans."""

    chosen: tuple[str, ...] = ()
    other: str = ""

    def __add__(self, more: Answer) -> Answer:
        return Answer(self.chosen + more.chosen, self.other or more.other)


def leaves(value: Any) -> list[str]:
    """Return the last word of each path in the value of a taxonomy, such as ``[["stance", "criticism"]]``.

    Raises:
        ValueError: The value is not a list of paths.
    """
    if not isinstance(value, list) or not all(isinstance(path, (list, str)) and path for path in value):
        raise ValueError(f"the taxonomy {value!r:.80} is not a list of paths. Export the project again")
    return [path if isinstance(path, str) else as_words(path, "the taxonomy")[-1] for path in value]


def find_control(
    reading: Reading, controls: Mapping[str, Sequence[Answer]], codebook: Codebook, *, mixed: bool = False
) -> str | None:
    """Return the control that contains the labels, or None if coders answered in no control.

    This is the control `labels` or, if there is none, the only control in which coders chose nothing but labels of the codebook.
    A note names it.

    Args:
        reading: The reading of the export, to which the note is added.
        controls: The answers of coders by the name of the control, without comments.
        codebook: The codebook.
        mixed: Whether `controls` may include fields of the tasks, as in exports that do not distinguish them from answers.

    Raises:
        DataError: No control, or more than one, contains the labels. The message lists the controls.
    """
    used = {name: answers for name, answers in controls.items() if any(a.chosen or a.other for a in answers)}
    if not used:
        return None
    ours = LABELS in used and not any(answer.other for answer in used[LABELS])
    others = [name for name, answers in used.items() if name != LABELS and _fits(answers, codebook)]
    if ours and not (mixed and others):
        return LABELS
    if not ours and len(others) == 1:
        reading.notes.append(f"{reading.path}: the labels are read from {others[0]!r}, because its choices are labels")
        return others[0]
    what, export = ("columns", "Export the project again as JSON") if mixed else ("controls", "")
    shown = [_describe(name, answers) for name, answers in list(used.items())[:SHOWN]]
    more = "" if len(used) <= SHOWN else f"; and {len(used) - SHOWN} more"
    if others:
        several = ", ".join(map(repr, [LABELS] * ours + others))
        problem = f"several {what} contain labels of the codebook: {several}"
        remedy = export or f"Rename the one that counts to {LABELS!r} in the file"
    else:
        problem = f"no answer contains labels of the codebook ({', '.join(choices(codebook))})"
        remedy = "Use the codebook of the project, and choices with the names of its labels"
    raise DataError(f"{reading.path}: {problem}. The {what} found are: {'; '.join(shown)}{more}. {remedy}")


def _fits(answers: Sequence[Answer], codebook: Codebook) -> bool:
    words = {word.strip() for answer in answers for word in answer.chosen}
    return not any(a.other for a in answers) and words <= set(choices(codebook)) and bool(words & set(codebook.names))


def _describe(name: str, answers: Sequence[Answer]) -> str:
    if kinds := sorted({answer.other for answer in answers if answer.other}):
        return f"{name!r} ({', '.join(kinds)})"
    words = list(dict.fromkeys(word.strip()[:40] for answer in answers for word in answer.chosen))
    return f"{name!r} (chosen: {', '.join(words[:SHOWN])}{', …' if len(words) > SHOWN else ''})"
