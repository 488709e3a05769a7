"""Train a classifier in memory for the scikit-learn estimator. Requires the extra `train`, or `analysis` for `kind="tfidf"`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook, Label
from ..data.corpus import Corpus
from ..data.sentence import Sentence
from ..data.sources import CorpusSource
from ..data.training_checks import training_warnings
from ..errors import DataError
from ..metrics.calibration import Tuning
from ..models.unfit import DO_NOT_USE, advise_coding
from ..reporting.format import one_line
from ..reporting.progress import ProgressReporter
from ..selection.candidates import Candidate
from ..selection.results import Selection
from ..selection.select import requested_candidates, select
from ..training.recipe import Recipe
from .targets import read_groups, read_labels


@dataclass(frozen=True)
class Trained:
    """A classifier that was trained on texts, the comparison from which it was chosen, and the user's classes in column order.

    `unfit` says why it is not fit for use, and what to try. It is empty if the classifier has learned something.
    """

    classes: NDArray[Any]
    multilabel: bool
    candidate: Candidate
    tuning: Tuning
    selection: Selection
    unfit: str = ""

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Compute calibrated probabilities (n, k)."""
        return self.tuning.probabilities(self._logits(texts))

    def decisions(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Predict labels (n, k)."""
        return self.tuning.decide(self._logits(texts))

    def _logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.candidate.predict_logits([Sentence(str(i), text, "") for i, text in enumerate(texts)])


def train_on_texts(
    texts: Sequence[str], y: Any, groups: Any, *, kind: str, seed: int, verbose: bool = False
) -> Trained:
    """Choose a classifier by cross-validation and train it on all texts.

    Args:
        texts: n texts.
        y: Class of each text (n,), list of labels of each text, or array (n, k) of 0 and 1.
        groups: Document of each text (n,), or None if each text is a separate document.
        kind: A key of `selection.select.KINDS`, or `auto`.
        seed: Seed of the folds and of the training.
        verbose: Whether to print the estimated duration and the progress to standard output, as scikit-learn does.

    Raises:
        DataError: The numbers of texts, labels and groups differ, or there are fewer than two classes.
    """
    classes, gold, multilabel = read_labels(y)
    documents = [str(i) for i in range(len(texts))] if groups is None else read_groups(groups)
    if not len(texts) == len(gold) == len(documents):
        raise DataError(
            f"the numbers of texts ({len(texts)}), labels ({len(gold)}) and groups ({len(documents)}) differ. Pass the same number "
            "of each"
        )
    if len(classes) < 2:
        raise DataError(
            f"y: a classifier needs at least 2 classes, but the labels contain {len(classes)}. Add texts of another class"
        )
    names = _label_names(classes.tolist())
    codebook = Codebook(
        name="labels",
        version="1",
        task="multilabel" if multilabel else "multiclass",
        labels=tuple(Label(name=name, definition=name) for name in names),
    )
    rows = zip(texts, documents, gold, strict=True)
    corpus = Corpus(
        tuple(
            Sentence(str(i), text, document, labels=tuple(name for name, yes in zip(names, row, strict=True) if yes))
            for i, (text, document, row) in enumerate(rows)
        )
    )
    recipe = Recipe(name="estimator", codebook="", corpora=(CorpusSource(path="texts"),), pooling="mean", seed=seed)
    candidates, notes = requested_candidates(recipe, codebook, corpus, kind)
    progress = ProgressReporter(line=_print) if verbose else ProgressReporter.silent()
    notes = (*training_warnings(corpus, codebook), *notes)
    for line in notes:
        progress.say(line)
    selection, candidate, tuning = select(
        corpus, codebook, candidates, kind=kind, seed=seed, notes=notes, progress=progress
    )
    progress.say(f"training {candidate.name} on all {len(corpus)} rows")
    return Trained(classes, multilabel, candidate.fit(corpus), tuning, selection, _unfit(selection, corpus, names))


def _unfit(selection: Selection, corpus: Corpus, names: Sequence[str]) -> str:
    if not selection.warnings:
        return ""
    counts = Counter(label for s in corpus for label in s.labels or ())
    warnings = [f"{line}." for line in selection.warnings]
    return " ".join((*warnings, DO_NOT_USE, *advise_coding(names, counts, len(corpus))))


def _print(line: str) -> None:
    print(one_line(line), flush=True)


def _label_names(classes: Sequence[Any]) -> list[str]:
    """Return names of labels that a codebook allows, one per class. They are only used in reports, not in predictions."""
    names: list[str] = []
    for i, one in enumerate(classes):
        name = re.sub(r"[\s|;,]+", "_", str(one))[:50]
        # Names can become equal, and "none" has another meaning.
        names.append(f"{name}#{i}" if name in ("", "none", *names) else name)
    return names
