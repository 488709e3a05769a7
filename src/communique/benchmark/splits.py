"""Splits: which rows train, tune and test in each run of a benchmark.

No document, version of a document or text is in two sets of a run. Rows of a corpus with the role `train` never tune or test.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.sentence import Sentence
from ..data.sources import CorpusFields
from ..data.splits import document_folds, split_units
from ..data.standoff import read_sources
from ..errors import DataError
from .recipe import (
    BenchmarkRecipe,
    CrossLingualSplit,
    DocumentsSplit,
    FewShotSplit,
    FixedSplit,
    LearningCurveSplit,
    LeaveOneOutSplit,
    Split,
    TimeSplit,
    split_name,
)

#: Dates whose order is that of their characters.
_SORTED_DATE = re.compile(r"\d{4}(-\d\d(-\d\d([T ].*)?)?)?")

Key = tuple[str | None, str]


@dataclass(frozen=True)
class BenchmarkData:
    """The corpora of a benchmark by role, and lines for the user."""

    train: Corpus
    pool: Corpus
    tuning: Corpus
    test: Corpus
    messages: tuple[str, ...] = ()

    @classmethod
    def read(cls, recipe: BenchmarkRecipe, codebook: Codebook, texts: Path | None = None) -> BenchmarkData:
        """Read a benchmark's corpora.

        Raises:
            DataError: Rows are at fault, or two corpora hold the same id.
        """
        messages: list[str] = []
        corpora: dict[str, Corpus] = {}
        for role in ("train", "pool", "tuning", "test"):
            sources: list[CorpusFields] = [source for source in recipe.corpora if source.role == role]
            corpora[role], lines = read_sources(sources, codebook, texts)
            messages += lines
        repeated = [id for id, n in Counter(s.id for corpus in corpora.values() for s in corpus).items() if n > 1]
        if repeated:
            raise DataError(
                f"{len(repeated)} ids are in corpora of two roles (first: {repeated[0]!r}); ids must differ, rename them"
            )
        return cls(**corpora, messages=tuple(messages))


@dataclass(frozen=True)
class Sets:
    """The rows of one run.

    `part` names the run within its split, such as a language that was left out; `x` is its place on a curve, such as
    the number of rows a label. `left_out` counts rows that could not train for sharing a document or a text with the others,
    `undated` those that a split by time has no place for.
    """

    split: str
    kind: str
    part: str
    train: Corpus
    tuning: Corpus
    test: Corpus
    left_out: int = 0
    x: float | None = None
    undated: int = 0

    @property
    def sha256(self) -> str:
        """Hash of the rows of all three sets, in their order: ids, texts, labels."""
        digest = hashlib.sha256()
        for corpus in (self.train, self.tuning, self.test):
            for s in corpus:
                digest.update(json.dumps([s.id, s.sha256, s.labels, s.language, s.document]).encode())
            digest.update(b"\n")
        return digest.hexdigest()


@dataclass(frozen=True)
class SplitTask:
    """A run's sets before they are drawn: `draw(seed)` gives them. Parts are known without a seed."""

    split: Split
    part: str
    draw: Callable[[int], Sets] = field(repr=False)

    @property
    def name(self) -> str:
        """Split and part, as in names of files."""
        return f"{split_name(self.split)}.{self.part}" if self.part else split_name(self.split)


def tasks(split: Split, data: BenchmarkData, codebook: Codebook) -> list[SplitTask]:
    """List the runs of a split.

    Args:
        split: Settings of the split.
        data: The corpora.
        codebook: Their labels.

    Raises:
        DataError: The corpora do not allow the split.
    """
    found = [SplitTask(split, part, draw) for part, draw in _SPLITS[split.kind](split, data, codebook)]
    if not found:
        raise DataError(f"split {split_name(split)!r}: no run is possible with {len(data.pool)} rows; see its settings")
    return found


_Parts = Iterator[tuple[str, Callable[[int], Sets]]]


def _fixed(split: FixedSplit, data: BenchmarkData, codebook: Codebook) -> _Parts:
    yield "", lambda seed: _sets(split, "", data, data.train + data.pool, data.test)


def _documents(split: DocumentsSplit, data: BenchmarkData, codebook: Codebook) -> _Parts:
    folds = _folds(split, data)
    for fold in split.run:
        if fold >= split.folds:
            raise DataError(f"split {split_name(split)!r}: run {fold}; allowed: 0 to {split.folds - 1}")
        part = "" if split.run == (0,) else f"fold{fold}"
        yield part, partial(_fold, split, part, data, folds[fold])


def _fold(split: Split, part: str, data: BenchmarkData, test: Corpus, seed: int) -> Sets:
    return _sets(split, part, data, data.train + data.pool, test)


def _leave_one_out(split: LeaveOneOutSplit, data: BenchmarkData, codebook: Codebook) -> _Parts:
    attribute = "language" if split.kind == "leave-one-language-out" else "source"
    counts = Counter(getattr(s, attribute) for s in data.pool)
    for value, n in sorted((value, n) for value, n in counts.items() if value is not None):
        if n >= split.least:
            yield value, partial(_without, split, attribute, value, data)


def _without(split: Split, attribute: str, value: str, data: BenchmarkData, seed: int) -> Sets:
    test = data.pool.where(lambda s: getattr(s, attribute) == value)
    rest = (data.train + data.pool).where(lambda s: getattr(s, attribute) != value)
    return _sets(split, value, _tuned_where(data, lambda s: getattr(s, attribute) != value), rest, test)


def _time(split: TimeSplit, data: BenchmarkData, codebook: Codebook) -> _Parts:
    dates = {_key(s): s.date for s in data.pool if s.date is not None}
    if wrong := next((date for date in dates.values() if not _SORTED_DATE.fullmatch(date)), None):
        raise DataError(
            f"split {split_name(split)!r}: date {wrong!r}; allowed: 2024, 2024-05, 2024-05-31; rewrite dates so"
        )
    if not dates:
        raise DataError(f"split {split_name(split)!r}: no row has a date; give a column 'date', or leave the split out")
    yield "", partial(_latest, split, data, dates)


def _latest(split: TimeSplit, data: BenchmarkData, dates: dict[Key, str], seed: int) -> Sets:
    sizes = Counter(key for s in data.pool if (key := _key(s)) in dates)
    wanted, test = split.test_share * sizes.total(), set[Key]()
    cut = max(dates.values())
    for key in sorted(dates, key=lambda key: (dates[key], key[1]), reverse=True):
        # Documents of one day stay together: a split within it would be none by time.
        if dates[key] < cut and sum(sizes[k] for k in test) >= wanted:
            break
        cut = dates[key]
        test.add(key)
    earlier = data.pool.where(lambda s: _key(s) not in test and dates.get(_key(s), cut) < cut)
    known = _tuned_where(data, lambda s: s.date is None or s.date < cut)
    sets = _sets(split, "", known, data.train + earlier, data.pool.where(lambda s: _key(s) in test))
    return replace(sets, undated=len(data.pool) - sizes.total())


def _few_shot(split: FewShotSplit, data: BenchmarkData, codebook: Codebook) -> _Parts:
    test = _folds(split, data)[0]
    for shots in split.shots:
        yield str(shots), partial(_shots, split, shots, data, codebook, test)


def _shots(split: FewShotSplit, shots: int, data: BenchmarkData, codebook: Codebook, test: Corpus, seed: int) -> Sets:
    whole = _fold(split, str(shots), data, test, seed)
    wanted = Counter(dict.fromkeys(codebook.names, shots) | ({"none": shots} if codebook.multilabel else {}))
    rows = list(whole.train)
    random.Random(f"{seed}/shots").shuffle(rows)
    chosen: set[str] = set()
    for s in rows:
        carried = s.labels or ("none",)
        if any(wanted[label] > 0 for label in carried):
            chosen.add(s.id)
            wanted.subtract(carried)
    short = [f"{name} {shots - n}" for name, n in wanted.items() if n > 0]
    if short:
        raise DataError(
            f"split {split_name(split)!r}: {shots} rows a label are more than there are ({', '.join(short)})"
        )
    tuning = list(whole.tuning)
    random.Random(f"{seed}/tuning").shuffle(tuning)
    tuned = {s.id for s in tuning[: len(chosen)]}
    return replace(
        whole,
        train=whole.train.where(lambda s: s.id in chosen),
        tuning=whole.tuning.where(lambda s: s.id in tuned),
        x=shots,
    )


def _learning_curve(split: LearningCurveSplit, data: BenchmarkData, codebook: Codebook) -> _Parts:
    test = _folds(split, data)[0]
    for share in split.shares:
        yield f"{share:g}", partial(_share, split, share, data, test)


def _share(split: LearningCurveSplit, share: float, data: BenchmarkData, test: Corpus, seed: int) -> Sets:
    whole = _fold(split, f"{share:g}", data, test, seed)
    documents = sorted(whole.train.documents, key=str)
    random.Random(f"{seed}/curve").shuffle(documents)
    # A larger share holds all documents of the smaller ones, so that steps of a curve are additions.
    kept = set(documents[: max(1, round(share * len(documents)))])
    train = whole.train.where(lambda s: _key(s) in kept)
    return replace(whole, train=train, x=len(train))


def _cross_lingual(split: CrossLingualSplit, data: BenchmarkData, codebook: Codebook) -> _Parts:
    test = _folds(split, data)[0]
    counts = Counter(s.language for s in _unshared(data.train + data.pool, test))
    for language, n in sorted(counts.items()):
        if n >= split.least and any(s.language == language for s in data.pool):
            yield language, partial(_one_language, split, language, data, test)


def _one_language(split: CrossLingualSplit, language: str, data: BenchmarkData, test: Corpus, seed: int) -> Sets:
    rest = (data.train + data.pool).where(lambda s: s.language == language)
    tuned = _tuned_where(data, lambda s: s.language == language)
    return _sets(split, language, tuned, rest, test)


_SPLITS: dict[str, Callable[..., _Parts]] = {
    "fixed": _fixed,
    "documents": _documents,
    "leave-one-language-out": _leave_one_out,
    "leave-one-source-out": _leave_one_out,
    "time": _time,
    "few-shot": _few_shot,
    "learning-curve": _learning_curve,
    "cross-lingual": _cross_lingual,
}


def _key(sentence: Sentence) -> Key:
    return sentence.document_key


def _folds(
    split: DocumentsSplit | FewShotSplit | LearningCurveSplit | CrossLingualSplit, data: BenchmarkData
) -> list[Corpus]:
    """Divide the pool into the folds of a split.

    Raises:
        DataError: There are too few documents for the folds.
    """
    folds = document_folds(data.pool.sentences, split.folds, seed=split.seed)
    if (found := len(np.unique(folds))) < split.folds:
        raise DataError(
            f"split {split_name(split)!r}: {found} documents are too few for {split.folds} folds, counting "
            "versions of one text as one. Add documents, or set fewer folds"
        )
    return [data.pool.rows(folds == fold) for fold in range(split.folds)]


def _sets(split: Split, part: str, data: BenchmarkData, candidates: Corpus, test: Corpus) -> Sets:
    """Take rows that share a document or a text with the test rows out of training, and hold tuning documents out of it."""
    tested = {s.id for s in test}
    candidates = candidates.where(lambda s: s.id not in tested)
    n = len(candidates)
    candidates = _unshared(candidates, test)
    if len(data.tuning):
        tuning = _unshared(data.tuning, test)
    elif split.tuning_share:
        # Rows of the role `train` (sentences written for training) say nothing of the shares that thresholds are for.
        always = {s.id for s in data.train} if len(data.pool) else set()
        _, held_out = candidates.where(lambda s: s.id not in always).split(split.tuning_share, seed=split.seed)
        tuning = held_out.where(lambda s: s.sampling in ("random", None))
        # The rows of tuning documents that were picked on purpose would bend thresholds, and cannot train either.
        candidates = _unshared(candidates, held_out)
        n -= len(held_out)
    else:
        tuning = Corpus(())
    train = _unshared(candidates, tuning)
    where = f"split {split_name(split)!r}{f', {part}' if part else ''}"
    for name, corpus in (("train", train), ("test", test)):
        if not len(corpus):
            raise DataError(f"{where}: no row is left to {name}; give more documents or other settings")
    if not len(tuning) and (len(data.tuning) or split.tuning_share):
        raise DataError(f"{where}: no row is left to tune on; give more documents, or tuning_share: 0")
    return Sets(split_name(split), split.kind, part, train, tuning, test, left_out=n - len(train))


def _tuned_where(data: BenchmarkData, keep: Callable[[Sentence], bool]) -> BenchmarkData:
    """Take fixed tuning rows that training may not see either, such as those of the language that is left out, away."""
    return replace(data, tuning=data.tuning.where(keep))


def _unshared(corpus: Corpus, other: Corpus) -> Corpus:
    """Keep the rows that have no document, version of a document, or text in common with another corpus."""
    units = split_units([*corpus, *other])
    shared = np.isin(units[: len(corpus)], units[len(corpus) :])
    texts = {s.sha256 for s in other}
    return corpus.rows(~shared).where(lambda s: s.sha256 not in texts)


def by_field(sentences: Sequence[Sentence], attribute: str) -> dict[str, list[int]]:
    """List the rows of each value of a field, in order of the values; rows without one are left out."""
    members: dict[str, list[int]] = defaultdict(list)
    for i, s in enumerate(sentences):
        if (value := getattr(s, attribute)) is not None:
            members[value].append(i)
    return dict(sorted(members.items()))
