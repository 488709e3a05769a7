"""The report on agreement: what coders agree on, how the model stands beside them, and when the numbers say nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from ..data.codebook import Codebook
from ..errors import DataError
from ..metrics.agreement import MISSING, bootstrap_alpha, f1_of, kappa_of, masi, nominal, pair_counts
from ..metrics.bootstrap import RESAMPLES, Resamples, interval_or_nan
from ..metrics.report import ScoreCI
from ..reporting.format import without_nan
from ..reporting.render import render
from ..sampling.design import Design
from .matching import Codings, Labels
from .sheets import write_sheet
from .tasks import ADJUDICATION, CodingTask

#: Fewer sentences, documents or uses of a label leave intervals that hold nearly everything: an alpha of 0.8 on 50 sentences
#: of which a fifth carry the label has an interval of about 0.55 to 0.97.
FEW_SENTENCES, FEW_DOCUMENTS, FEW_USES = 50, 10, 10

#: Two people who agree on 95 % of sentences agree on 60 in a row in 5 % of cases. Sentences without labels are easy to agree
#: on: of the 60, ten must carry some.
COPIED, COPIED_LABELLED = 60, 10

#: Ratio of the largest to the smallest inclusion probability from which rates differ; below it they were rounded to whole rows.
UNEQUAL = 1.5

#: Above this number of coders pairs of them are not compared: 100 coders are 4,950 pairs, and nobody reads so many rows.
MAX_PAIRED = 50

#: Coders times sentences that are measured; it is also about the number of values in memory.
MAX_CODES = 10_000_000

#: Name of the model among coders.
MODEL = "model"


@dataclass(frozen=True)
class AlphaScore:
    """Krippendorff's alpha of one label, or of whole label sets: `n` sentences with two coders or more, in `documents`."""

    label: str
    n: int
    documents: int
    uses: int
    alpha: ScoreCI


@dataclass(frozen=True)
class PairScore:
    """Two coders on one label: `first_uses` and `second_uses` sentences carry it."""

    first: str
    second: str
    label: str
    n: int
    documents: int
    first_uses: int
    second_uses: int
    agreed: float
    kappa: ScoreCI
    f1: ScoreCI


@dataclass(frozen=True)
class AgreementReport:
    """Agreement of coders with each other (`alphas`, `pairs`) and with the model (`model`), and what to mind."""

    coders: Mapping[str, int]
    sentences: int
    documents: int
    alphas: tuple[AlphaScore, ...]
    sets: AlphaScore
    pairs: tuple[PairScore, ...]
    model: tuple[PairScore, ...]
    disagreements: int
    warnings: tuple[str, ...]
    seed: int
    resamples: int

    @classmethod
    def compare(
        cls,
        codings: Codings,
        codebook: Codebook,
        *,
        design: Design | None = None,
        model: Mapping[str, Labels] | None = None,
        seed: int = 0,
        resamples: int = RESAMPLES,
    ) -> AgreementReport:
        """Measure how far coders agree.

        Args:
            codings: What they gave back, see `matching.match`.
            codebook: The labels.
            design: Of the sample, for what was shown to the coders.
            model: The model's labels by id.
            seed: Of the bootstrap.
            resamples: Of the bootstrap.

        Raises:
            DataError: A coder is called `model` and the model is compared with the coders, or there are more than `MAX_CODES`
                pairs of a coder and a sentence.
        """
        if len(codings.labels) * len(codings.units) > MAX_CODES:
            raise DataError(
                f"{len(codings.labels):,} coders and {len(codings.units):,} sentences are too many to compare. Check that the "
                "column 'coder' names people, and give fewer files at once"
            )
        if model and MODEL in codings.labels:
            raise DataError(
                f"a coder is called {MODEL!r}, as the model is in the report; write another name in the column 'coder' (or the "
                "file's name, where it has no such column), or leave --model out"
            )
        measure = _Measure(codings, codebook, model or {}, seed, resamples)
        coders = list(codings.labels)
        paired = combinations(coders, 2) if len(coders) <= MAX_PAIRED else ()
        pairs = [score for a, b in paired for score in measure.pair(a, b)]
        beside = [score for a in coders for score in measure.pair(a, MODEL)] if model else []
        alphas = [measure.alpha_of_label(name) for name in codebook.names]
        sets = measure.alpha_of_sets()
        return cls(
            coders={coder: len(given) for coder, given in codings.labels.items()},
            sentences=len(codings.units),
            documents=len({unit.document for unit in codings.units.values()}),
            alphas=tuple(alphas),
            sets=sets,
            pairs=tuple(pairs),
            model=tuple(beside),
            disagreements=len(codings.disagreements()),
            warnings=tuple(_warnings(codings, alphas, sets, design, model)),
            seed=seed,
            resamples=resamples,
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the report as plain values for JSON; what is not defined is None."""
        plain: dict[str, Any] = without_nan(asdict(self))
        return plain

    def to_markdown(self) -> str:
        """Write the report as Markdown tables, warnings first."""
        return render("agreement.md.jinja", report=self)


class _Measure:
    """Codes of all coders in arrays, and the scores on them."""

    def __init__(
        self, codings: Codings, codebook: Codebook, model: Mapping[str, Labels], seed: int, resamples: int
    ) -> None:
        self.codings, self.codebook, self.seed, self.resamples = codings, codebook, seed, resamples
        self.by_coder = {**codings.labels, MODEL: model}
        self.documents = [unit.document for unit in codings.units.values()]

    def alpha_of_label(self, label: str) -> AlphaScore:
        given = [[self._code(coder, id, label) for id in self.codings.units] for coder in self.codings.labels]
        return self._alpha(label, np.array(given, np.int64), nominal(2))

    def alpha_of_sets(self) -> AlphaScore:
        # The empty set comes first, so that codes above 0 are uses of labels, here as in the codes of one label.
        sets = list(
            dict.fromkeys(
                [frozenset[str](), *(frozenset(s) for given in self.codings.labels.values() for s in given.values())]
            )
        )
        numbers = {labels: i for i, labels in enumerate(sets)}
        codes = [
            [numbers[frozenset(given[id])] if id in given else MISSING for id in self.codings.units]
            for given in self.codings.labels.values()
        ]
        if self.codebook.multilabel:
            return self._alpha("label sets (MASI)", np.array(codes, np.int64), masi(sets))
        return self._alpha("all labels (nominal)", np.array(codes, np.int64), nominal(len(sets)))

    def _alpha(self, name: str, codes: np.ndarray[Any, np.dtype[np.int64]], distance: Any) -> AlphaScore:
        codes = codes.reshape(-1, len(self.documents))
        paired = (codes != MISSING).sum(axis=0) > 1
        value = bootstrap_alpha(codes, distance, self.documents, seed=self.seed, resamples=self.resamples)
        documents = len({d for d, used in zip(self.documents, paired, strict=True) if used})
        return AlphaScore(name, int(paired.sum()), documents, int((codes[:, paired] > 0).sum()), ScoreCI(*value))

    def _code(self, coder: str, id: str, label: str) -> int:
        given = self.by_coder[coder].get(id)
        return MISSING if given is None else int(label in given)

    def pair(self, first: str, second: str) -> list[PairScore]:
        ids = [i for i in self.codings.units if i in self.by_coder[first] and i in self.by_coder[second]]
        if not ids:
            return []
        a, b = (
            np.array([[name in self.by_coder[coder][i] for name in self.codebook.names] for i in ids], np.bool_)
            for coder in (first, second)
        )
        documents = [self.codings.units[i].document for i in ids]
        counts = pair_counts(a, b)
        total = counts.sum(axis=0)
        drawn = Resamples.draw(documents, seed=self.seed, resamples=self.resamples)
        sampled = drawn.sums(counts)
        kappa, f1 = kappa_of(total), f1_of(total)
        kappas, f1s = kappa_of(sampled), f1_of(sampled)
        return [
            PairScore(
                first,
                second,
                name,
                n=len(ids),
                documents=drawn.clusters,
                first_uses=int(a[:, i].sum()),
                second_uses=int(b[:, i].sum()),
                agreed=float((a[:, i] == b[:, i]).mean()),
                kappa=ScoreCI(*interval_or_nan(float(kappa[i]), kappas[:, i], drawn.clusters)),
                f1=ScoreCI(*interval_or_nan(float(f1[i]), f1s[:, i], drawn.clusters)),
            )
            for i, name in enumerate(self.codebook.names)
        ]


def _warnings(
    codings: Codings,
    alphas: list[AlphaScore],
    sets: AlphaScore,
    design: Design | None,
    model: Mapping[str, Labels] | None,
) -> list[str]:
    """Say what makes the numbers say less than they seem to."""
    warnings = []
    coders = list(codings.labels)
    if len(coders) < 2:
        warnings.append("one coder: agreement cannot be measured; have a part of the sample coded twice, independently")
    elif not sets.n:
        warnings.append("the coders share no sentence: agreement cannot be measured; give them the same sentences")
    elif sets.n < FEW_SENTENCES or sets.documents < FEW_DOCUMENTS:
        warnings.append(
            f"{sets.n} sentences of {sets.documents} documents were coded twice: too few to say anything; "
            f"{FEW_SENTENCES} sentences of {FEW_DOCUMENTS} documents are the least"
        )
    elif rare := [a.label for a in alphas if a.uses < FEW_USES]:
        warnings.append(f"given fewer than {FEW_USES} times, too few to say anything of them: {', '.join(rare)}")
    if len(coders) > MAX_PAIRED:
        warnings.append(f"{len(coders):,} coders: pairs of coders are compared for at most {MAX_PAIRED}")
        coders = []
    for first, second in combinations(coders, 2):
        if n := _copied(codings.labels[first], codings.labels[second]):
            warnings.append(
                f"{first} and {second} gave the same labels to all of {n} sentences: were they copied? "
                "People who work independently differ"
            )
    for coder in codings.labels:
        if n := _copied(codings.labels[coder], model or {}):
            warnings.append(f"{coder} gave exactly the model's labels to all of {n} sentences: were they copied?")
    if design is not None and design.model_shown:
        warnings.append(
            "the coders saw the model's labels: their agreement with the model, and with each other through it, is too high"
        )
    if design is not None and design.purpose == "training":
        warnings.append("the sentences were picked because the model was unsure: agreement is lower than on others")
    elif design is not None:
        rates = [row.inclusion_probability or 1.0 for row in design.rows]
        if max(rates) > UNEQUAL * min(rates):
            warnings.append(
                f"sentences were drawn at different rates ({min(rates):.2g} to {max(rates):.2g}): agreement is that on the "
                "sentences read, not on the corpus"
            )
    return warnings


def _copied(first: Mapping[str, Labels], second: Mapping[str, Labels]) -> int:
    """Give the number of shared sentences where all of them have the same labels and are many; else 0."""
    ids = [i for i in first if i in second]
    same = all(set(first[i]) == set(second[i]) for i in ids)
    labelled = sum(bool(first[i]) for i in ids)
    return len(ids) if same and len(ids) >= COPIED and labelled >= COPIED_LABELLED else 0


def write_adjudication(path: str | Path, codings: Codings, codebook: Codebook) -> int:
    """Write a sheet of the sentences on which coders differ, with what each of them said and blank cells for the decision.

    Filled in and given along with the coded files, it adjudicates them: its rows have the coder `adjudication`.

    Returns:
        How many sentences it holds.
    """
    ids = codings.disagreements()
    units = [codings.units[i] for i in ids]
    tasks = [CodingTask(u.id, u.text, u.document, u.language, u.previous) for u in units]
    said = {
        f"{coder} said": {i: "|".join(given[i]) or "none" for i in ids if i in given}
        for coder, given in codings.labels.items()
    }
    write_sheet(path, tasks, codebook, coder=ADJUDICATION, extra=said)
    return len(ids)
