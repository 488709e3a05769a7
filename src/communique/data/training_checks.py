"""Check whether labelled rows can train a classifier: what `communique train` refuses, and what it warns about.

`communique check` reports the same before anything is trained.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..reporting.format import counted
from . import near_duplicates
from .codebook import Codebook
from .corpus import Corpus, conflicts
from .splits import fold_numbers, split_units

#: With fewer labelled rows than this, a warning is printed.
MIN_ROWS = 50

#: Minimum proportion of rows whose text also occurs in another document for the warning that scores are too high.
REPEATED = 0.02


def refusal(corpus: Corpus, *, divided: bool = True) -> str | None:
    """Return why labelled rows cannot train a classifier, or None if they can.

    Args:
        corpus: The labelled rows.
        divided: Whether some of the rows are held out or divided into folds, which takes at least two documents.
    """
    n = len(corpus)
    if not n:
        return f"{', '.join(corpus.files) or 'no corpus'}: there are no labelled rows. Name a table with labels"
    rows = f"{corpus.name}: {'the only labelled row is' if n == 1 else f'all {n} labelled rows are'}"
    if divided and split_units(corpus).max() == 0:
        return (
            f"{rows} from one document or from versions of one text, but choosing and measuring a model takes at least 2 "
            "documents. Add rows from other documents, and name the document of each row in the column 'document'"
        )
    labels = {s.labels or () for s in corpus}
    if len(labels) == 1:
        return (
            f"{corpus.name}: all {n} labelled rows have the same labels ({'|'.join(*labels) or 'none'}), so a model cannot learn "
            "when they apply. Add rows with other labels"
        )
    return None


def refuse_untrainable(corpus: Corpus, *, divided: bool = True) -> None:
    """Raise an error if labelled rows cannot train a classifier. The arguments are those of `refusal`.

    Raises:
        DataError: There are no rows, they are from a single document, or all of them have the same labels.
    """
    if (reason := refusal(corpus, divided=divided)) is not None:
        raise DataError(reason)


def training_warnings(corpus: Corpus, codebook: Codebook) -> list[str]:
    """Return warnings about labelled rows from which a model can hardly learn, or cannot be judged.

    Args:
        corpus: The labelled rows.
        codebook: The codebook.
    """
    lines = []
    documents: dict[str, set[tuple[str | None, str]]] = {name: set() for name in codebook.names}
    counts: Counter[str] = Counter()
    for s in corpus:
        for label in s.labels or ():
            documents[label].add(s.document_key)
            counts[label] += 1
    if missing := [name for name in codebook.names if not counts[name]]:
        lines.append(
            f"warning: no row has the label {' or '.join(missing)}, so the model cannot learn it. Add rows with it, or remove it "
            "from the codebook"
        )
    if single := [name for name in codebook.names if len(documents[name]) == 1]:
        shown = ", ".join(f"{name} ({counted(counts[name], 'row')})" for name in single)
        lines.append(
            f"warning: only one document has these labels: {shown}. A model that is trained on the other documents cannot know "
            "such a label, so the scores say nothing about it. Add rows with it from other documents"
        )
    if wordless := sum(not any(map(str.isalpha, s.text)) for s in corpus):
        lines.append(
            f"warning: {wordless} of {counted(len(corpus), 'row')} {'has' if wordless == 1 else 'have'} a text without letters, "
            "from which a model learns nothing. Check which column contains the texts, or delete these rows"
        )
    if len(corpus) < MIN_ROWS:
        lines.append(
            f"warning: there {'is' if len(corpus) == 1 else 'are'} only {counted(len(corpus), 'row')}, so the model will be poor, "
            "and its scores say little. Code a few hundred rows"
        )
    return lines


def describe_conflicts(corpus: Corpus) -> list[str]:
    """Return a warning that counts the texts with different labels, or an empty list if there are none."""
    if not (n := len(conflicts(corpus))):
        return []
    return [
        f"warning: {counted(n, 'text')} occur{'s' * (n == 1)} in several rows with different labels. `communique check` lists "
        "them"
    ]


def count_repeats(corpus: Corpus, folds: NDArray[np.int64]) -> int:
    """Return how many rows have nearly the same text as a row of another fold, or 0 if they are too few to matter.

    Args:
        corpus: n labelled rows.
        folds: Fold of each row (n,).
    """
    if not near_duplicates.available():
        return 0
    signatures = near_duplicates.signatures(s.text for s in corpus)
    repeats = sum(
        len(near_duplicates.find_signed(signatures[folds != fold], signatures[folds == fold]))
        for fold in fold_numbers(folds)
    )
    return 0 if repeats < REPEATED * len(corpus) else repeats


def describe_repeats(repeated: int, rows: int) -> str:
    """Return a warning that some of the rows repeat rows of other folds, which makes scores too high."""
    return (
        f"WARNING: {repeated} of {rows} rows have the same or nearly the same text as a row of another document, so the "
        "scores are too high. If these rows come from one text or template, set the same value for all of them in a column "
        "'parallel'."
    )
