"""Divide the rows of a benchmark into training, tuning and test rows for each run.

No document, version of a document or text is in two sets of a run. Rows of a corpus with the role `train` are used for training
only.
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

#: Dates that can be sorted as text.
_SORTED_DATE = re.compile(r"\d{4}(-\d\d(-\d\d([T ].*)?)?)?")

Key = tuple[str | None, str]


@dataclass(frozen=True)
class BenchmarkData:
    """The corpora of a benchmark by role, and messages for the user."""

    train: Corpus
    pool: Corpus
    tuning: Corpus
    test: Corpus
    messages: tuple[str, ...] = ()

    @classmethod
    def read(cls, recipe: BenchmarkRecipe, codebook: Codebook, texts: Path | None = None) -> BenchmarkData:
        """Read the corpora of a benchmark.

        Raises:
            DataError: Rows are invalid, or two corpora contain the same id.
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
                f"{len(repeated)} ids occur in corpora with different roles (first: {repeated[0]!r}). Rename them, because ids "
                "must be unique"
            )
        return cls(**corpora, messages=tuple(messages))


@dataclass(frozen=True)
class Sets:
    """The rows of one run.

    `part` identifies the run within its split, for example by the language that was left out. `x` is its position on a curve, such
    as the number of rows per label. `left_out` is the number of rows that were not used for training because they share a document
    or a text with tuning or test rows. `undated` is the number of rows without a date in a split by time.
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
        """The SHA-256 of the rows of all three sets in order: ids, texts, labels, languages and documents."""
        digest = hashlib.sha256()
        for corpus in (self.train, self.tuning, self.test):
            for s in corpus:
                digest.update(json.dumps([s.id, s.sha256, s.labels, s.language, s.document]).encode())
            digest.update(b"\n")
        return digest.hexdigest()


@dataclass(frozen=True)
class SplitTask:
    """A run whose sets have not been drawn yet. `draw(seed)` returns them. The part does not depend on the seed."""

    split: Split
    part: str
    draw: Callable[[int], Sets] = field(repr=False)

    @property
    def name(self) -> str:
        """The split and the part, as in file names."""
        return f"{split_name(self.split)}.{self.part}" if self.part else split_name(self.split)


def tasks(split: Split, data: BenchmarkData, codebook: Codebook) -> list[SplitTask]:
    """Return the runs of a split.

    Args:
        split: Settings of the split.
        data: The corpora.
        codebook: Codebook with the labels.

    Raises:
        DataError: The split is not possible with these corpora.
    """
    found = [SplitTask(split, part, draw) for part, draw in _SPLITS[split.kind](split, data, codebook)]
    if not found:
        raise DataError(
            f"split {split_name(split)!r}: no run is possible with {len(data.pool)} rows. Change the settings of the split or add "
            "rows"
        )
    return found


_Parts = Iterator[tuple[str, Callable[[int], Sets]]]


def _fixed(split: FixedSplit, data: BenchmarkData, codebook: Codebook) -> _Parts:
    yield "", lambda seed: _sets(split, "", data, data.train + data.pool, data.test)


def _documents(split: DocumentsSplit, data: BenchmarkData, codebook: Codebook) -> _Parts:
    folds = _folds(split, data)
    for fold in split.run:
        if fold >= split.folds:
            raise DataError(f"split {split_name(split)!r}: run {fold} does not exist; allowed: 0 to {split.folds - 1}")
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
            f"split {split_name(split)!r}: the date {wrong!r} cannot be sorted. Write dates as 2024, 2024-05, 2024-05-31"
        )
    if not dates:
        raise DataError(f"split {split_name(split)!r}: no row has a date. Add a column 'date', or remove this split")
    yield "", partial(_latest, split, data, dates)


def _latest(split: TimeSplit, data: BenchmarkData, dates: dict[Key, str], seed: int) -> Sets:
    sizes = Counter(key for s in data.pool if (key := _key(s)) in dates)
    wanted, test = split.test_share * sizes.total(), set[Key]()
    cut = max(dates.values())
    for key in sorted(dates, key=lambda key: (dates[key], key[1]), reverse=True):
        # Documents of the same date stay together, because a split within a date would not be a split by time.
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
            f"split {split_name(split)!r}: there are fewer than {shots} rows for some labels ({', '.join(short)}). Set fewer shots "
            "or add rows"
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
    # A larger proportion contains all documents of the smaller ones, so each step of a curve only adds documents.
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
        DataError: There are fewer documents than folds.
    """
    folds = document_folds(data.pool.sentences, split.folds, seed=split.seed)
    if (found := len(np.unique(folds))) < split.folds:
        raise DataError(
            f"split {split_name(split)!r}: {found} documents are too few for {split.folds} folds (versions of one text count as "
            "one document). Add documents, or set fewer folds"
        )
    return [data.pool.rows(folds == fold) for fold in range(split.folds)]


def _sets(split: Split, part: str, data: BenchmarkData, candidates: Corpus, test: Corpus) -> Sets:
    """Draw tuning documents, and remove rows from training that share a document or a text with test or tuning rows."""
    tested = {s.id for s in test}
    candidates = candidates.where(lambda s: s.id not in tested)
    n = len(candidates)
    candidates = _unshared(candidates, test)
    if len(data.tuning):
        tuning = _unshared(data.tuning, test)
    elif split.tuning_share:
        # Rows with the role `train` may be sentences written for training, whose label proportions would distort thresholds.
        always = {s.id for s in data.train} if len(data.pool) else set()
        _, held_out = candidates.where(lambda s: s.id not in always).split(split.tuning_share, seed=split.seed)
        tuning = held_out.where(lambda s: s.sampling in ("random", None))
        # Rows of tuning documents that were not sampled at random would distort thresholds. They cannot be trained on either.
        candidates = _unshared(candidates, held_out)
        n -= len(held_out)
    else:
        tuning = Corpus(())
    train = _unshared(candidates, tuning)
    where = f"split {split_name(split)!r}{f', {part}' if part else ''}"
    for name, corpus in (("train", train), ("test", test)):
        if not len(corpus):
            raise DataError(f"{where}: no row is left to {name} on. Add documents or change the settings of the split")
    if not len(tuning) and (len(data.tuning) or split.tuning_share):
        raise DataError(f"{where}: no row is left to tune on. Add documents, or set tuning_share: 0")
    return Sets(split_name(split), split.kind, part, train, tuning, test, left_out=n - len(train))


def _tuned_where(data: BenchmarkData, keep: Callable[[Sentence], bool]) -> BenchmarkData:
    """Keep only the fixed tuning rows that may be used, for example those not in the language that is left out."""
    return replace(data, tuning=data.tuning.where(keep))


def _unshared(corpus: Corpus, other: Corpus) -> Corpus:
    """Return the rows that have no document, version of a document or text in common with another corpus."""
    units = split_units([*corpus, *other])
    shared = np.isin(units[: len(corpus)], units[len(corpus) :])
    texts = {s.sha256 for s in other}
    return corpus.rows(~shared).where(lambda s: s.sha256 not in texts)


def by_field(sentences: Sequence[Sentence], attribute: str) -> dict[str, list[int]]:
    """Return the row numbers by value of a field, sorted by value. Rows without a value are left out."""
    members: dict[str, list[int]] = defaultdict(list)
    for i, s in enumerate(sentences):
        if (value := getattr(s, attribute)) is not None:
            members[value].append(i)
    return dict(sorted(members.items()))
