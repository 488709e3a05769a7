"""Measure whether labels stay the same when the actors or the surface of a sentence change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..actors.names import actors, english_name
from ..actors.swaps import Swap, plan_swaps
from ..data.codes import factorize
from ..data.corpus import Corpus
from ..data.sentence import Sentence
from ..errors import DataError, require_extra
from ..metrics.bootstrap import RESAMPLES, Resamples
from ..metrics.report import ScoreCI
from ..metrics.scores import BoolArray, indicator, outcome_counts, outcomes, precision_recall_f1
from ..metrics.slices import members
from ..models.classifier import Classifier
from ..models.predictor import CHUNK
from ..reporting.progress import ProgressReporter
from .report import ALL, MIN_CASES, ActorErrors, NameEffect, Robustness, Stability
from .surface import PERTURBATIONS

#: Name of the test that swaps actors, and the names of all tests.
ACTOR_SWAP = "actor swap"
TESTS = (ACTOR_SWAP, *PERTURBATIONS)


def measure(
    model: Classifier,
    corpus: Corpus,
    *,
    data: str,
    tests: Collection[str] = TESTS,
    draws: int = 10,
    seed: int = 0,
    resamples: int = RESAMPLES,
    seen: Callable[[Sentence], bool] = lambda sentence: False,
    progress: ProgressReporter | None = None,
) -> Robustness:
    """Measure how many decisions stay the same when actors are swapped or the surface changes, and error rates by actor.

    Args:
        model: A model that `load_model` opened.
        corpus: Sentences. Only the error rates require labels.
        data: A short description of the sentences, for the report.
        tests: Names of the tests to run, from `TESTS`.
        draws: Maximum number of swaps per sentence.
        seed: Seed of the draws and of the bootstrap.
        resamples: Number of bootstrap resamples.
        seen: Function that returns whether the model was trained on a sentence. Such sentences are left out of the error rates.
        progress: Reports how many texts are labelled. Default: silent.

    Raises:
        DataError: The corpus is empty.
        MissingExtraError: Babel or SciPy is not installed.
    """
    # This is checked before the model labels thousands of texts.
    require_extra("scipy", "measuring robustness", extra="analysis")
    sentences = corpus.sentences
    if not sentences:
        raise DataError(f"{data}: no sentence is left to measure. Use a corpus that contains sentences")
    plan = plan_swaps(sentences, draws=draws, seed=seed)
    swaps = plan.swaps if ACTOR_SWAP in tests else ()
    changed = {ACTOR_SWAP: [(swap.row, swap.text) for swap in swaps]}
    for test in (test for test in PERTURBATIONS if test in tests):
        candidates = ((row, PERTURBATIONS[test](s.text, s.language)) for row, s in enumerate(sentences))
        changed[test] = [(row, text) for row, text in candidates if text != sentences[row].text]
    labelled = [s for s in sentences if s.labels is not None and not seen(s)]
    texts = [text for pairs in changed.values() for row, new in pairs for text in (sentences[row].text, new)]
    answers = _Answers(model, [*texts, *(s.text for s in labelled)], progress or ProgressReporter.silent())
    comparison = _Comparison(sentences, model.codebook.names, answers, seed, resamples)
    stability = tuple(cell for test, pairs in changed.items() for cell in comparison.stability(test, pairs))
    usual, names, rare_names = _name_effects(sentences, swaps, answers, model.codebook.names)
    errors, rare_actors = comparison.errors(labelled, model)
    return Robustness(
        data=data,
        labels=model.codebook.names,
        seed=seed,
        draws=draws,
        resamples=resamples,
        coverage=plan.reasons,
        stability=stability,
        usual_share=usual,
        names=names,
        rare_names=rare_names,
        errors=errors,
        rare_actors=rare_actors,
    )


class _Answers:
    """The predictions of the model for all texts. A text that occurs several times is labelled once."""

    def __init__(self, model: Classifier, texts: Sequence[str], progress: ProgressReporter) -> None:
        distinct = list(dict.fromkeys(texts))
        progress.update(0, len(distinct), "labelling")
        self._row = {text: i for i, text in enumerate(distinct)}
        k = len(model.codebook.names)
        self._decisions = np.zeros((len(distinct), k), np.bool_)
        self._probabilities = np.zeros((len(distinct), k), np.float32)
        # Parts are small enough to report progress often, and large enough to sort texts by length.
        step = CHUNK // 32
        for start in range(0, len(distinct), step):
            part = slice(start, start + step)
            found = model.predict(distinct[part])
            self._decisions[part], self._probabilities[part] = found.decisions, found.probabilities
            progress.update(min(start + step, len(distinct)), len(distinct), "labelling")

    def decisions(self, texts: Sequence[str]) -> BoolArray:
        """Return decisions (n, k)."""
        return self._decisions[[self._row[text] for text in texts]]

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return probabilities (n, k)."""
        return self._probabilities[[self._row[text] for text in texts]].astype(np.float64)


@dataclass(frozen=True)
class _Comparison:
    sentences: Sequence[Sentence]
    names: tuple[str, ...]
    answers: _Answers
    seed: int
    resamples: int

    def stability(self, test: str, pairs: Sequence[tuple[int, str]]) -> list[Stability]:
        """Compare changed texts (row, text) with their originals, for all languages together and for each language."""
        groups = {ALL: list(pairs)} if pairs else {}
        for language, places in members([self.sentences[row] for row, _ in pairs], "language"):
            groups[language] = [pairs[i] for i in places]
        return [cell for language, chosen in groups.items() for cell in self._cells(test, language, chosen)]

    def _cells(self, test: str, language: str, pairs: Sequence[tuple[int, str]]) -> list[Stability]:
        rows = [row for row, _ in pairs]
        old, new = [self.sentences[row].text for row in rows], [text for _, text in pairs]
        before, after = self.answers.decisions(old), self.answers.decisions(new)
        change = np.abs(self.answers.probabilities(new) - self.answers.probabilities(old))
        drawn = self._resamples([self.sentences[row] for row in rows])
        kept = _means((before == after).astype(np.float64), drawn)
        kept_given = _recall(before, after, drawn, "the label was never predicted")
        changes = _means(change, drawn)
        return [
            Stability(
                test,
                language,
                label,
                texts=len(pairs),
                sentences=len(set(rows)),
                documents=drawn.clusters,
                kept=kept[i],
                given=int(before[:, i].sum()),
                kept_given=kept_given[i],
                change=changes[i],
            )
            for i, label in enumerate(self.names)
        ]

    def _resamples(self, sentences: Sequence[Sentence]) -> Resamples:
        documents = [s.document_key for s in sentences]
        return Resamples.draw(documents, seed=self.seed, resamples=self.resamples)

    def errors(self, labelled: Sequence[Sentence], model: Classifier) -> tuple[tuple[ActorErrors, ...], int]:
        """Return error rates by actor, the most frequent actor first, and the number of actors in too few sentences."""
        if not labelled:
            return (), 0
        named: dict[str, list[int]] = defaultdict(list)
        for row, sentence in enumerate(labelled):
            names = actors(sentence.language)
            for code in {mention.code for mention in names.find(sentence.text)} if names else ():
                named[code].append(row)
        somebody = {row for rows in named.values() for row in rows}
        enough = {code: rows for code, rows in named.items() if len(rows) >= MIN_CASES}
        groups = [("*", "all sentences", list(range(len(labelled))))]
        groups += [("", "no actor named", [row for row in range(len(labelled)) if row not in somebody])]
        groups += [(c, english_name(c), enough[c]) for c in sorted(enough, key=lambda c: (-len(enough[c]), c))]
        gold = indicator(labelled, model.codebook)
        predicted = self.answers.decisions([s.text for s in labelled])
        found = [
            error
            for code, name, rows in groups
            if rows
            for error in self._errors(code, name, [labelled[row] for row in rows], gold[rows], predicted[rows])
        ]
        return tuple(found), len(named) - len(enough)

    def _errors(
        self, code: str, name: str, sentences: Sequence[Sentence], gold: BoolArray, predicted: BoolArray
    ) -> list[ActorErrors]:
        drawn = self._resamples(sentences)
        positives = gold.sum(axis=0)
        # The false-negative rate is 1 - recall of the label, and the false-positive rate 1 - recall of its absence.
        missed = [_rest(value) for value in _recall(gold, predicted, drawn, "no sentence has the label")]
        raised = [_rest(value) for value in _recall(~gold, ~predicted, drawn, "every sentence has the label")]
        return [
            ActorErrors(
                code,
                name,
                label,
                sentences=len(sentences),
                documents=drawn.clusters,
                positives=int(positives[i]),
                negatives=len(sentences) - int(positives[i]),
                false_positive=raised[i],
                false_negative=missed[i],
            )
            for i, label in enumerate(self.names)
        ]


def _recall(gold: BoolArray, predicted: BoolArray, drawn: Resamples, undefined: str) -> list[ScoreCI]:
    """Return the recall of each column with its interval."""
    values = precision_recall_f1(outcome_counts(gold, predicted))[:, 1]
    ends = precision_recall_f1(drawn.sums(outcomes(gold, predicted)))[..., 1]
    return [ScoreCI.from_bootstrap(value, ends[:, i], drawn.clusters, undefined) for i, value in enumerate(values)]


def _means(values: NDArray[np.float64], drawn: Resamples) -> list[ScoreCI]:
    """Return the mean of each column with its interval."""
    ends = drawn.sums(values) / drawn.sums(np.ones((len(values), 1)))
    return [ScoreCI.from_bootstrap(mean, ends[:, i], drawn.clusters, "") for i, mean in enumerate(values.mean(axis=0))]


def _rest(value: ScoreCI) -> ScoreCI:
    return ScoreCI(1 - value.value, 1 - value.high, 1 - value.low, value.reason)


def _name_effects(
    sentences: Sequence[Sentence], swaps: Sequence[Swap], answers: _Answers, labels: Sequence[str]
) -> tuple[float, tuple[NameEffect, ...], int]:
    """Return the proportion of draws that change a decision, the effect of each name, and the number of names with few draws."""
    if not swaps:
        return float("nan"), (), 0
    before = answers.decisions([sentences[swap.row].text for swap in swaps])
    moved = before != answers.decisions([swap.text for swap in swaps])
    rows: dict[str, list[int]] = defaultdict(list)
    for row, swap in enumerate(swaps):
        rows[swap.other].append(row)
    effects = []
    for code in sorted(code for code, drawn in rows.items() if len(drawn) >= MIN_CASES):
        of_name, drawn = moved[rows[code]], [swaps[row].row for row in rows[code]]
        documents = [sentences[row].document_key for row in drawn]
        effects.append(
            NameEffect(
                code,
                english_name(code),
                draws=len(of_name),
                sentences=len(set(drawn)),
                documents=len(set(documents)),
                changed=int(of_name.any(axis=1).sum()),
                share=clustered_share(of_name.any(axis=1), documents),
                by_label={label: int(of_name[:, i].sum()) for i, label in enumerate(labels)},
            )
        )
    effects.sort(key=lambda effect: (effect.few, -effect.share.low if not effect.few else 0.0, effect.code))
    return float(moved.any(axis=1).mean()), tuple(effects), len(rows) - len(effects)


def clustered_share(hits: BoolArray, documents: Sequence[Hashable]) -> ScoreCI:
    """Return a proportion with its 95 % interval for draws that are clustered in documents.

    The interval is the exact binomial interval (Clopper, Pearson 1934) for the effective number of draws (Korn, Graubard 1998,
    "Confidence Intervals for Proportions with Small Expected Number of Positive Counts Estimated from Survey Data"). This number is
    n divided by the design effect, which is estimated from the variance between documents, and reduced further because this
    estimate is imprecise with few documents. If no draw or every draw is a hit, the variance is 0, and the number of documents is
    used instead. A bootstrap would give no interval in this case.

    Args:
        hits: Whether each draw is a hit (n,).
        documents: The document of each draw.

    Returns:
        The proportion. See `interval_or_nan` for the cases in which it has no interval.
    """
    of_draw, names = factorize(documents)
    return ScoreCI.from_bootstrap(
        float(hits.mean()), np.empty(0), len(names), "there is no draw", ends=lambda: _exact_interval(hits, of_draw)
    )


def _exact_interval(hits: BoolArray, of_draw: NDArray[np.int64]) -> tuple[float, float]:
    """Compute the interval of `clustered_share`. `of_draw` (n,) is the number of each draw's document."""
    from scipy.stats import beta, t

    n, clusters, share = len(hits), int(of_draw.max()) + 1, float(hits.mean())
    variance = clusters / (clusters - 1) * float((np.bincount(of_draw, hits - share) ** 2).sum()) / n**2
    size = float(clusters)
    if 0 < share < 1:
        # The effective number is at most n, even if documents differ less than they would by chance.
        less = (t.ppf(0.975, n - 1) / t.ppf(0.975, clusters - 1)) ** 2
        size = min(float(n), share * (1 - share) / variance * less) if variance > 0 else float(n)
    low = float(beta.ppf(0.025, size * share, size * (1 - share) + 1)) if share > 0 else 0.0
    high = float(beta.ppf(0.975, size * share + 1, size * (1 - share))) if share < 1 else 1.0
    return low, high
