"""Split the data of a recipe into training rows, and rows of other documents that tune the model or check its export."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.leakage import Fingerprint
from ..data.sources import CorpusSource
from ..data.splits import split_units
from ..data.standoff import read_sources
from ..data.texts import read_fingerprint
from ..data.training_checks import describe_conflicts, refuse_untrainable, training_warnings
from ..data.units import describe_units
from ..errors import DataError
from ..metrics.calibration import describe_few_positives
from ..metrics.scores import indicator
from ..reporting.format import counted
from .recipe import Recipe

#: If fewer rows than this are left for the parity check of an export, half of the held-out documents are used for it.
MIN_PARITY_ROWS = 100

#: If the recipe's `validation_share` holds out fewer rows than this, a larger proportion is held out.
MIN_HELD_OUT = 10

#: Maximum number of training rows for the parity check of an export if no rows are held out.
PARITY_ROWS = 1000


@dataclass(frozen=True)
class DataSplits:
    """Three corpora that share no rows. In addition, `train` shares no document with the other two.

    `train` trains the model, `validation` tunes the temperature, the biases and the thresholds, and `parity` is used for neither:
    on it, an export is compared with its checkpoint. `messages` are lines for the user.
    """

    train: Corpus
    validation: Corpus
    parity: Corpus
    messages: tuple[str, ...]

    @classmethod
    def read(cls, recipe: Recipe, codebook: Codebook, texts: Path | None = None) -> DataSplits:
        """Read a recipe's corpora and hold out validation documents.

        If rows state how they were sampled, only those with `sampling: random` tune the model, because selected rows would
        distort thresholds and calibration. The other rows of the held-out documents cannot train the model either; they check
        its export.

        Args:
            recipe: The recipe.
            codebook: Its codebook.
            texts: A file or folder with the texts of stand-off labels.

        Raises:
            DataError: Rows are invalid or cannot train a model, or there are too few documents to hold some out.
        """
        test = read_fingerprint(recipe.sources("test"))
        corpus, messages = _read_rows(recipe.sources("train"), codebook, texts, test)
        sources = recipe.sources("validation")
        refuse_untrainable(corpus, divided=not sources)
        messages += _count_labels(corpus, codebook)
        if sources:
            held_out, more = _read_rows(sources, codebook, texts, test)
            messages += more
            corpus.fingerprint().check(held_out, held_out.name)
            train = corpus
        else:
            train, held_out = _hold_out(corpus, recipe)
            # Many speeches open with the same formula, which must not be in both sets.
            known = {s.sha256 for s in held_out}
            repeated = sum(s.sha256 in known for s in train)
            if repeated:
                train = train.where(lambda s: s.sha256 not in known)
                messages.append(
                    f"left out {counted(repeated, 'training row')}, because held-out rows have the same text"
                )
        validation, parity = (
            held_out.where(lambda s: s.sampling == "random"),
            held_out.where(lambda s: s.sampling != "random"),
        )
        if len(validation) == 0 or len(parity) < MIN_PARITY_ROWS:
            eligible = held_out.where(lambda s: s.sampling in ("random", None))
            eligible = eligible if len(eligible) else held_out
            messages += _explain_sampling(held_out, eligible)
            validation, parity = eligible.split(0.5, seed=recipe.seed)
        if not (len(train) and len(validation) and len(parity)):
            raise DataError(
                f"{', '.join(corpus.files) or 'no corpus'}: no documents can be held out with only "
                f"{counted(len(corpus), 'labelled row')} in {counted(len(corpus.documents), 'document')}. Add rows of other "
                "documents, or name a validation corpus in a recipe"
            )
        messages.append(
            f"{counted(len(train), 'row')} for training. {len(validation) + len(parity)} rows of other documents are held out: "
            f"{len(validation)} to tune temperature and thresholds, {len(parity)} to check the export"
        )
        messages += _check_labels(train, validation, parity, codebook)
        return cls(train, validation, parity, tuple(messages))

    @classmethod
    def whole(cls, recipe: Recipe, codebook: Codebook, texts: Path | None = None) -> DataSplits:
        """Read a recipe's corpora for a model that is trained on all rows and tuned on out-of-fold predictions.

        The parity check of its export then has to use training rows.

        Raises:
            DataError: Rows are invalid, or cannot train a model.
        """
        sources = [*recipe.sources("train"), *recipe.sources("validation")]
        corpus, messages = _read_rows(sources, codebook, texts, read_fingerprint(recipe.sources("test")))
        refuse_untrainable(corpus)
        drawn = random.Random(recipe.seed).sample(corpus.sentences, min(PARITY_ROWS, len(corpus)))
        return cls(corpus, Corpus(()), Corpus(tuple(drawn)), (*messages, *_count_labels(corpus, codebook)))

    @property
    def ids(self) -> dict[str, list[str]]:
        """The ids of the held-out rows."""
        return {"validation": [s.id for s in self.validation], "parity": [s.id for s in self.parity]}

    @property
    def texts(self) -> list[str]:
        """The texts of all rows, including the held-out ones."""
        return [s.text for part in (self.train, self.validation, self.parity) for s in part]


def _read_rows(
    sources: Sequence[CorpusSource], codebook: Codebook, texts: Path | None, test: Fingerprint
) -> tuple[Corpus, list[str]]:
    """Read labelled rows, without those whose document or text is in a test corpus. Return them and lines for the user.

    Raises:
        DataError: Rows are invalid, or no row is left.
    """
    corpus, messages = read_sources(sources, codebook, texts)
    messages += corpus.notes
    kept = corpus.where(lambda s: test.overlap(s) is None)
    if len(corpus) and not len(kept):
        raise DataError(
            f"{corpus.name}: the test corpora contain the document or the text of every labelled row, so no row is left. "
            "Remove the rows for training and validation from the test corpora"
        )
    if left_out := len(corpus) - len(kept):
        messages.append(
            f"left out {counted(left_out, 'labelled row')}, because test corpora contain their documents or texts"
        )
    return kept, messages


def _hold_out(corpus: Corpus, recipe: Recipe) -> tuple[Corpus, Corpus]:
    """Split off the held-out documents. If `validation_share` gives too few rows or a single document, hold out more."""
    for share in (recipe.validation_share, 0.3, 0.45):
        train, held_out = corpus.split(max(share, recipe.validation_share), seed=recipe.seed)
        # The validation and the parity rows each need at least one document.
        if split_units(held_out).max(initial=0) > 0 and (len(held_out) >= MIN_HELD_OUT or share >= 0.3):
            break
    return train, held_out


def _count_labels(corpus: Corpus, codebook: Codebook) -> list[str]:
    counts = Counter(label for s in corpus for label in s.labels or ())
    shown = [f"{name} {counts[name]}" for name in codebook.names]
    if codebook.multilabel:
        shown.append(f"none {sum(not s.labels for s in corpus)}")
    lines = [
        f"{counted(len(corpus), 'labelled row')} in {counted(len(corpus.documents), 'document')}: {', '.join(shown)}"
    ]
    lines += training_warnings(corpus, codebook) + describe_conflicts(corpus)
    return lines + describe_units([s.text for s in corpus], codebook.unit)


def _explain_sampling(held_out: Corpus, eligible: Corpus) -> list[str]:
    unused = len(held_out) - len(eligible)
    kinds = Counter(str(s.sampling) for s in held_out if s.sampling not in ("random", None))
    said = ", ".join(f"{kind} {n}" for kind, n in kinds.most_common())
    if unused:
        return [
            f"left out {counted(unused, 'row')} of held-out documents: rows of these documents cannot train the model, and rows "
            f"that were not drawn at random (column 'sampling': {said}) cannot tune it. To use all rows, remove that column, or "
            "name a validation corpus in a recipe"
        ]
    if kinds:
        return [
            f"warning: no held-out row was drawn at random (column 'sampling': {said}), so temperature and thresholds are tuned on "
            "selected rows and may not suit other texts"
        ]
    return []


def _check_labels(train: Corpus, validation: Corpus, parity: Corpus, codebook: Codebook) -> list[str]:
    """Return warnings about labels that are missing or rare in the training rows or the held-out rows."""
    training, tuning, checking = (
        indicator(part.sentences, codebook).sum(axis=0) for part in (train, validation, parity)
    )
    lines = []
    if unseen := [
        name for name, n, held in zip(codebook.names, training, tuning + checking, strict=True) if held and not n
    ]:
        lines.append(
            f"warning: only held-out rows have the label {' or '.join(unseen)}, so the model cannot learn it. Add rows with it"
        )
    if untested := [
        name for name, n, held in zip(codebook.names, training, tuning + checking, strict=True) if n and not held
    ]:
        lines.append(
            f"warning: no held-out row has the label {' or '.join(untested)}, so the scores say nothing about it. Add rows with it "
            "from other documents"
        )
    if codebook.multilabel:
        lines += describe_few_positives(codebook.names, tuning.tolist(), "held-out rows")
    return lines
