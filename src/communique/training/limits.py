"""Describe the limits of an exported model: distances from its training sentences, and how much worse it is on unusual ones."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.sentence import Sentence
from ..data.splits import FOLDS, document_folds
from ..metrics.bootstrap import MIN_CLUSTERS, Resamples
from ..metrics.report import ScoreCI
from ..metrics.scores import BoolArray, indicator, macro_f1, outcomes
from ..models.domain import Domain
from ..models.info import OUT_OF_FOLD
from ..models.limits import MIN_DESCRIBED, OUTER, RARE, DomainInfo, Group, GroupLoss, Limits, UsualLength
from ..models.predictor import Predictor
from ..reporting.format import without_nan
from .splits import DataSplits

#: Maximum number of training sentences whose vectors are described. More would hardly change the description.
DESCRIBED = 5000

#: Minimum number of sentences in a group, and outside of it, for which a loss is measured.
MIN_GROUP = 50


@dataclass(frozen=True)
class Scored:
    """Sentences that a model was not trained on, or that models of a cross-validation predicted.

    `decisions` (n, k) are their predicted labels, `lengths` (n,) their numbers of tokens, and `distances` (n,) their distances from
    the training sentences, which are NaN if they are not known.
    """

    sentences: Sequence[Sentence]
    decisions: BoolArray
    lengths: NDArray[np.int64]
    distances: NDArray[np.float64]


def describe_limits(
    predictor: Predictor, width: int | None, data: DataSplits, *, checkpoint: Path, seed: int
) -> tuple[Limits, Domain | None]:
    """Describe the limits of an exported model by its own vectors.

    If documents were held out, their sentences define the out-of-domain scores, and losses are measured on them. Otherwise,
    training sentences define the scores: each is compared with training sentences of other documents. Losses are then measured on
    the out-of-fold labels in the checkpoint.

    Args:
        predictor: The exported model, with its thresholds.
        width: Size of its sentence vectors, or None if it computes none.
        data: The training rows and the held-out rows.
        checkpoint: The checkpoint folder.
        seed: Seed of the draw of training sentences, of the folds and of the bootstrap.

    Returns:
        The limits, and the description of the training sentences, or None if there are too few sentences or no vectors.
    """
    training = data.train.sentences
    held_out = (data.validation + data.parity).sentences if len(data.validation) else ()
    drawn = random.Random(seed).sample(list(training), min(DESCRIBED, len(training)))
    domain: Domain | None = None
    distances: dict[str, float] = {}
    if width is not None and min(len(drawn), len(held_out or drawn)) >= MIN_DESCRIBED:
        domain, distances = _describe(predictor, width, drawn, held_out, seed)
    decisions = _decisions(predictor, held_out, checkpoint / OUT_OF_FOLD)
    sentences = [s for s in held_out or training if s.id in decisions]
    scored = Scored(
        sentences,
        np.array([decisions[s.id] for s in sentences], np.bool_).reshape(-1, len(predictor.codebook.names)),
        _lengths(predictor, sentences),
        np.array([distances.get(s.id, np.nan) for s in sentences]),
    )
    info = None
    if domain is not None and width is not None:
        info = DomainInfo(
            width=width,
            dimensions=len(domain.components),
            sentences=len(drawn),
            calibrated_on=len(distances),
            calibrated_by="held-out" if held_out else "training",
        )
    languages = Counter(s.language for s in training)
    limits = Limits(
        length=UsualLength.of(_lengths(predictor, training)),
        domain=info,
        losses=measure_losses(scored, languages, predictor.codebook, seed=seed),
    )
    return limits, domain


def _describe(
    predictor: Predictor, width: int, drawn: Sequence[Sentence], held_out: Sequence[Sentence], seed: int
) -> tuple[Domain, dict[str, float]]:
    """Return the description of training sentences, and the distances, by id, of the sentences that define the scores."""
    vectors = predictor.predict_vectors([s.text for s in drawn], width)
    domain = Domain.fit(vectors)
    if held_out:
        distances = domain.distances(predictor.predict_vectors([s.text for s in held_out], width))
        return domain.calibrate(distances), _by_id(held_out, distances)
    folds = document_folds(drawn, FOLDS, seed=seed)
    distances = np.zeros(len(drawn))
    for fold in np.unique(folds):
        inside = folds == fold
        # A single document cannot be compared with others.
        others = vectors if inside.all() else vectors[~inside]
        distances[inside] = Domain.fit(others).distances(vectors[inside])
    return domain.calibrate(distances), _by_id(drawn, distances)


def _by_id(sentences: Sequence[Sentence], values: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip([s.id for s in sentences], values.tolist(), strict=True))


def _decisions(predictor: Predictor, held_out: Sequence[Sentence], path: Path) -> dict[str, list[bool]]:
    """Return the predicted labels of the held-out sentences, or the stored out-of-fold labels, by id."""
    if held_out:
        predicted = predictor.predict(held_out).decisions.tolist()
        return dict(zip([s.id for s in held_out], predicted, strict=True))
    if not path.exists():
        return {}
    stored: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
    return {identity: [name in given for name in predictor.codebook.names] for identity, given in stored.items()}


def _lengths(predictor: Predictor, sentences: Sequence[Sentence]) -> NDArray[np.int64]:
    return np.array([len(one) for one in predictor.tokenizer.encode_batch([s.model_text for s in sentences])], np.int64)


def measure_losses(
    scored: Scored, languages: Mapping[str, int], codebook: Codebook, *, seed: int
) -> tuple[GroupLoss, ...]:
    """Measure how much worse a model is on unusual sentences than on all others.

    Args:
        scored: Sentences that did not train the model, and its predictions.
        languages: Number of training sentences by language.
        codebook: The codebook.
        seed: Seed of the bootstrap.

    Returns:
        The losses in groups that have enough sentences and documents.
    """
    n = len(scored.sentences)
    if not n:
        return ()
    known = ~np.isnan(scored.distances)
    everything = np.ones(n, np.bool_)
    short, long = np.quantile(scored.lengths, [OUTER, 1 - OUTER])
    farthest = np.quantile(scored.distances[known], 1 - OUTER) if known.any() else np.inf
    groups: dict[Group, tuple[BoolArray, BoolArray]] = {
        "far": (known & (scored.distances > farthest), known),
        "short": (scored.lengths < short, everything),
        "long": (scored.lengths > long, everything),
        "rare language": (np.array([languages.get(s.language, 0) < RARE for s in scored.sentences]), everything),
    }
    losses = (_loss(group, scored, *rows, codebook, seed) for group, rows in groups.items())
    return tuple(loss for loss in losses if loss is not None)


def _loss(
    group: Group, scored: Scored, inside: BoolArray, known: BoolArray, codebook: Codebook, seed: int
) -> GroupLoss | None:
    """Return the loss in a group of sentences, or None if it, or the rest of the known sentences, has too few."""
    rows: list[int] = np.flatnonzero(known).tolist()
    members = inside[rows]
    documents = [scored.sentences[i].document_key for i in rows]
    n_documents = len({key for key, member in zip(documents, members, strict=True) if member})
    if min(members.sum(), (~members).sum()) < MIN_GROUP or n_documents < MIN_CLUSTERS:
        return None
    counts = outcomes(indicator([scored.sentences[i] for i in rows], codebook), scored.decisions[rows])
    parts = [counts * mask[:, None, None] for mask in (members, ~members)]
    resamples = Resamples.draw(documents, seed=seed)
    own, others = (float(macro_f1(part.sum(axis=0))) for part in parts)
    drawn = macro_f1(resamples.sums(parts[1])) - macro_f1(resamples.sums(parts[0]))
    if np.isnan(others - own):
        return None
    loss = ScoreCI.from_bootstrap(others - own, drawn, n_documents, "no label occurs")
    return GroupLoss(
        group=group,
        n=int(members.sum()),
        documents=n_documents,
        macro_f1=round(own, 4),
        others=round(others, 4),
        loss=round(loss.value, 4),
        low=without_nan(loss.low),
        high=without_nan(loss.high),
    )
