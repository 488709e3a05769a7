"""Report agreement between coders and with the model, and warn if the results may be misleading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from ..data.acts import describe_acts
from ..data.codebook import Codebook
from ..errors import DataError
from ..metrics.agreement import MISSING, bootstrap_alpha, f1_of, kappa_of, masi, nominal, pair_counts
from ..metrics.bootstrap import RESAMPLES, Resamples, interval_or_nan
from ..metrics.report import ScoreCI
from ..reporting.format import counted, without_nan
from ..reporting.render import render
from ..sampling.design import Design
from .matching import Codings, Labels
from .sheets import write_sheet
from .tasks import ADJUDICATION, CodingTask, similar_coders

#: Minimum numbers of sentences, of documents and of uses of a label. With fewer, intervals are too wide to be informative: an alpha
#: of 0.8 on 50 sentences, a fifth of which have the label, has an interval of about 0.55 to 0.97.
FEW_SENTENCES, FEW_DOCUMENTS, FEW_USES = 50, 10, 10

#: Labels look copied if two coders agree on all of at least 60 sentences. Two people who agree on 95 % of sentences agree on 60
#: in a row in only 5 % of cases. At least 10 of the sentences must have a label, because it is easy to agree on none.
COPIED, COPIED_LABELLED = 60, 10

#: Sampling rates count as different if the largest inclusion probability is more than this multiple of the smallest. Smaller
#: differences come from rounding to whole rows.
UNEQUAL = 1.5

#: Pairs of coders are compared only up to this number of coders. 100 coders would be 4,950 pairs, too many rows to read.
MAX_PAIRED = 50

#: Maximum number of coders times sentences, which is about the number of values in memory.
MAX_CODES = 10_000_000

#: Name of the model in the list of coders.
MODEL = "model"


@dataclass(frozen=True)
class AlphaScore:
    """Krippendorff's alpha for one label or for whole label sets, on `n` sentences with at least two coders each.

    `documents` is the number of their documents, and `uses` counts the codings with a label.
    """

    label: str
    n: int
    documents: int
    uses: int
    alpha: ScoreCI


@dataclass(frozen=True)
class PairScore:
    """Agreement of two coders on one label, which they assigned to `first_uses` and `second_uses` of `n` sentences."""

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
    """Agreement of coders with each other (`alphas`, `sets`, `pairs`) and with the model (`model`), and warnings.

    `differing` counts the sentences on whose labels coders differ, and `disagreements` those that nobody adjudicated.
    `differing_acts` counts the sentences on which they differ only in kind, holder or target, and `open_acts` those with final
    labels for which nobody has decided between these.
    """

    coders: Mapping[str, int]
    sentences: int
    documents: int
    alphas: tuple[AlphaScore, ...]
    sets: AlphaScore
    pairs: tuple[PairScore, ...]
    model: tuple[PairScore, ...]
    differing: int
    disagreements: int
    differing_acts: int
    open_acts: int
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
        """Measure the agreement of coders.

        Args:
            codings: The coded sentences, see `matching.match`.
            codebook: The codebook.
            design: The design of the sample, which records whether coders saw the model's labels. Default: not known.
            model: The model's labels by id. Default: coders are not compared with the model.
            seed: Seed of the bootstrap.
            resamples: Number of bootstrap samples.

        Raises:
            DataError: There are more than `MAX_CODES` pairs of a coder and a sentence, or a coder is named `model` although the
                coders are compared with the model.
        """
        if len(codings.labels) * len(codings.units) > MAX_CODES:
            raise DataError(
                f"{len(codings.labels):,} coders and {len(codings.units):,} sentences are too many to compare. Check that the "
                "column 'coder' contains names of people, and compare fewer files at once"
            )
        if model and MODEL in codings.labels:
            raise DataError(
                f"a coder is named {MODEL!r}, which is the model's name in the report. Write another name in the column "
                "'coder' (or rename the file, if it has no such column), or omit --model"
            )
        measure = _Measure(codings, codebook, model or {}, seed, resamples)
        coders = list(codings.labels)
        paired = combinations(coders, 2) if len(coders) <= MAX_PAIRED else ()
        pairs = [score for a, b in paired for score in measure.pair(a, b)]
        with_model = [score for a in coders for score in measure.pair(a, MODEL)] if model else []
        alphas = [measure.alpha_of_label(name) for name in codebook.names]
        sets = measure.alpha_of_sets()
        return cls(
            coders={coder: len(given) for coder, given in codings.labels.items()},
            sentences=len(codings.units),
            documents=len({unit.document for unit in codings.units.values()}),
            alphas=tuple(alphas),
            sets=sets,
            pairs=tuple(pairs),
            model=tuple(with_model),
            differing=len(codings.differing()),
            disagreements=len(codings.disagreements()),
            differing_acts=len(codings.differing_acts()),
            open_acts=len(codings.open_acts()),
            warnings=tuple(_warnings(codings, alphas, sets, design, model)),
            seed=seed,
            resamples=resamples,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values for JSON. Values that are not defined are None."""
        plain: dict[str, Any] = without_nan(asdict(self))
        return plain

    def to_markdown(self) -> str:
        """Return the report as Markdown: first the warnings, then the tables."""
        return render("agreement.md.jinja", report=self)


class _Measure:
    """Compute scores from the codings of all coders."""

    def __init__(
        self, codings: Codings, codebook: Codebook, model: Mapping[str, Labels], seed: int, resamples: int
    ) -> None:
        self.codings, self.codebook, self.seed, self.resamples = codings, codebook, seed, resamples
        self.by_coder = {**codings.labels, MODEL: model} if model else dict(codings.labels)
        # The bootstrap draws documents by their position. Sorted, the same codings have the same intervals, whether they are read
        # in the order of a sample or of files.
        units = sorted(codings.units.values(), key=lambda unit: (unit.document, unit.id))
        self.ids = [unit.id for unit in units]
        self.documents = [unit.document for unit in units]

    def alpha_of_label(self, label: str) -> AlphaScore:
        given = [[self._code(coder, id, label) for id in self.ids] for coder in self.codings.labels]
        return self._alpha(label, np.array(given, np.int64), nominal(2))

    def alpha_of_sets(self) -> AlphaScore:
        # The empty set comes first, so that a code above 0 means the use of a label, as it does for single labels.
        sets = list(
            dict.fromkeys(
                [frozenset[str](), *(frozenset(s) for given in self.codings.labels.values() for s in given.values())]
            )
        )
        numbers = {labels: i for i, labels in enumerate(sets)}
        codes = [
            [numbers[frozenset(given[id])] if id in given else MISSING for id in self.ids]
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
        ids = [i for i in self.ids if i in self.by_coder[first] and i in self.by_coder[second]]
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
    """Return the reasons why the results may be misleading."""
    coders = list(codings.labels)
    warnings = similar_coders(coders)
    if len(coders) < 2:
        warnings.append(
            "There is only one coder, so agreement cannot be measured. Have part of the sample coded a second time, independently"
        )
    elif not sets.n:
        warnings.append(
            "No sentence was coded by two coders, so agreement cannot be measured. Give coders the same sentences"
        )
    elif sets.n < FEW_SENTENCES or sets.documents < FEW_DOCUMENTS:
        warnings.append(
            f"Agreement is measured on only {counted(sets.n, 'sentence')} from {counted(sets.documents, 'document')}, too few to "
            f"be informative. Have at least {FEW_SENTENCES} sentences from {FEW_DOCUMENTS} documents coded twice"
        )
    elif rare := [a.label for a in alphas if a.uses < FEW_USES]:
        warnings.append(
            f"These labels were assigned fewer than {FEW_USES} times, too few to measure agreement: {', '.join(rare)}"
        )
    if len(coders) > MAX_PAIRED:
        warnings.append(
            f"There are {len(coders):,} coders. Pairs of coders are compared only if there are at most {MAX_PAIRED}"
        )
        coders = []
    for first, second in combinations(coders, 2):
        if n := _copied(codings.labels[first], codings.labels[second]):
            warnings.append(
                f"{first} and {second} assigned the same labels to all of the {n} sentences that both coded. Check whether labels "
                "were copied, because people who work independently differ"
            )
    for coder in codings.labels:
        if n := _copied(codings.labels[coder], model or {}):
            warnings.append(
                f"{coder} assigned exactly the model's labels to all of {n} sentences. Check whether labels were copied"
            )
    if codings.model_shown:
        warnings.append(
            "The coders saw the model's labels, so their agreement with the model, and therefore with each other, is too high"
        )
    if design is not None and design.purpose == "training":
        warnings.append(
            "The sentences were selected because the model was uncertain, so agreement is lower than on other sentences"
        )
    elif design is not None:
        rates = [row.inclusion_probability or 1.0 for row in design.rows]
        if max(rates) > UNEQUAL * min(rates):
            warnings.append(
                f"Sentences were drawn at different rates ({min(rates):.2g} to {max(rates):.2g}), so the agreement holds for the "
                "coded sentences, not for the corpus"
            )
    return warnings


def _copied(first: Mapping[str, Labels], second: Mapping[str, Labels]) -> int:
    """Return the number of sentences that both coded, if their labels look copied (see `COPIED`); else 0."""
    ids = [i for i in first if i in second]
    same = all(set(first[i]) == set(second[i]) for i in ids)
    labelled = sum(bool(first[i]) for i in ids)
    return len(ids) if same and len(ids) >= COPIED and labelled >= COPIED_LABELLED else 0


def to_adjudicate(codings: Codings) -> list[str]:
    """Return the ids of sentences that need a decision: on their labels, or on kind, holder and target of these."""
    wanted = {*codings.disagreements(), *codings.open_acts()}
    return [id for id in codings.units if id in wanted]


def write_adjudication(path: str | Path, codings: Codings, codebook: Codebook) -> int:
    """Write a sheet with the sentences on which coders differ, the answer of each coder, and cells for the decision.

    Its rows have the coder `adjudication`. Read together with the coded files, the filled-in sheet adjudicates them. Labels that
    are final are filled in. If coders marked kinds, holders or targets, the column `acts_of` names the coder whose marks are right.

    Returns:
        The number of sentences in the sheet.
    """
    ids = to_adjudicate(codings)
    units = [codings.units[i] for i in ids]
    tasks = [CodingTask(u.id, u.text, u.document, u.language, u.previous) for u in units]
    said = {
        f"{coder} said": {i: _said(codings, coder, i) for i in ids if i in given}
        for coder, given in codings.labels.items()
    }
    marked = [coder for coder in codings.labels if any(codings.acts.get(i, {}).get(coder) for i in ids)]
    final = {i: labels for i in ids if (labels := codings.final(i)) is not None}
    write_sheet(path, tasks, codebook, coder=ADJUDICATION, extra=said, answers=final, acts_of=marked)
    return len(ids)


def _said(codings: Codings, coder: str, id: str) -> str:
    labels = "|".join(codings.labels[coder][id]) or "none"
    acts = describe_acts(codings.acts.get(id, {}).get(coder, {}), codings.units[id].text)
    return f"{labels} ({acts})" if acts else labels
