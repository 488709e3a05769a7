"""Find the columns that contain labels, and the columns that look as if they did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from ..io.tables import Row
from .codebook import CODEBOOK_SHA256, CODEBOOK_TITLE, Codebook
from .labels import is_blank, yes_no
from .predictions_schema import ERROR, OPTIONAL, OUTPUT, prediction_columns

#: Columns of coding sheets, of gold and of stand-off labels that contain no labels.
_OTHER = frozenset(
    (
        *("coder", "comment", "model_labels", "sha256", "inclusion_probability", "stratum", "purpose", "model_shown"),
        *("in_order", "annotators", "passage", "acts", CODEBOOK_TITLE, CODEBOOK_SHA256, ERROR, *OUTPUT, *OPTIONAL),
    )
)

#: End of the names of columns that show the answers of each coder in a sheet for adjudication.
SAID = " said"

#: Number of columns that a message lists.
_SHOWN = 10


def label_columns(columns: Iterable[str], codebook: Codebook) -> dict[str, str]:
    """Return the column of each label that has one, by the name of the label. Upper and lower case are not distinguished."""
    lower = {column.lower(): column for column in reversed(list(columns))}
    return {name: lower[name.lower()] for name in codebook.names if name.lower() in lower}


def unknown_columns(columns: Iterable[str], codebook: Codebook, known: Iterable[str] = ()) -> list[str]:
    """Return the columns that have no meaning in any of our tables, such as a label column that somebody renamed.

    Args:
        columns: All columns of a table.
        codebook: The codebook.
        known: Further columns that have a meaning.
    """
    columns = list(columns)
    meant = {*known, *_OTHER, *label_columns(columns, codebook).values(), *prediction_columns(columns)}
    return [name for name in columns if name not in meant and name.lower() not in meant and not name.endswith(SAID)]


def describe_unknown(unknown: Sequence[str], missing: Sequence[str]) -> str:
    """Return the end of a message that names unknown columns and, if one is similar to a missing label, which one to rename.

    It is empty if there are no unknown columns.

    Args:
        unknown: The result of `unknown_columns`.
        missing: Names of the labels without a column.
    """
    if not unknown:
        return ""
    shown = ", ".join(map(repr, unknown[:_SHOWN])) + (", …" if len(unknown) > _SHOWN else "")
    lower = {name.lower(): name for name in reversed(unknown)}
    for label in missing:
        if close := get_close_matches(label.lower(), lower, n=1, cutoff=0.5):
            return f". Columns that are not recognised: {shown}. If {lower[close[0]]!r} contains the label, rename it to {label!r}"
    return f". Columns that are not recognised: {shown}. If one of them contains a label, rename it"


def unread_answers(rows: Iterable[Row], unknown: Iterable[str]) -> list[str]:
    """Return the unknown columns that contain nothing but answers (yes or no), as the column of a label would."""
    answers: Mapping[str, set[bool]] = {name: set() for name in unknown}
    other: set[str] = set()
    for row in rows:
        for name, found in answers.items():
            if name in other or is_blank(value := row.get(name)):
                continue
            try:
                found.add(bool(yes_no(value)))
            except ValueError:
                other.add(name)
    return [name for name, found in answers.items() if found and name not in other]


def note_unread(path: object, rows: Iterable[Row], unknown: Sequence[str], codebook: Codebook) -> list[str]:
    """Return a note on columns that look like labels but are not in the codebook, or an empty list if there are none."""
    if not (found := unread_answers(rows, unknown)):
        return []
    shown = ", ".join(map(repr, found[:_SHOWN])) + (", …" if len(found) > _SHOWN else "")
    return [
        f"{path}: not read, because the codebook {codebook.name} has no such label: {shown}. These columns contain yes or no"
    ]
