"""Compare an exported model with its checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.sentence import Sentence
from ..errors import ExportError
from ..metrics.scores import indicator, macro_f1, outcome_counts, precision_recall_f1
from ..metrics.slices import members
from ..metrics.spans import OUTPUTS, Sums, compare_acts
from ..models.acts import ActOutputs
from ..models.info import ActsParityRow, NewTextsParity, NewTextsRow, ParityReport, ParityRow
from ..models.predictions import Predictions
from ..models.predictor import Predictor
from ..reporting.format import number, rounded

#: Maximum loss of macro-F1 of an export, and minimum F1 of its decisions per label, with the checkpoint's as the reference.
MAX_LOSS, MIN_AGREEMENT = 0.005, 0.95

#: Languages with fewer sentences are not compared separately.
MIN_SENTENCES = 20


def check_parity(
    sentences: Sequence[Sentence],
    before: Predictions,
    predictor: Predictor,
    *,
    data: str,
) -> ParityReport:
    """Compare a bundle with its checkpoint, each with its own thresholds, overall and by language (`MIN_SENTENCES`).

    Args:
        sentences: n labelled sentences, held out of training and tuning where possible.
        before: The checkpoint's predictions, in fp32. If they have auxiliary outputs, these are compared too.
        predictor: The bundle.
        data: Short description of the sentences.
    """
    codebook = predictor.codebook
    gold = indicator(sentences, codebook)
    decided_before = before.decisions
    after = predictor.predict(sentences, acts=before.acts is not None)
    groups = {"all": list(range(len(sentences)))}
    groups |= {name: chosen for name, chosen in members(sentences, "language") if len(chosen) >= MIN_SENTENCES}
    rows = []
    for group, chosen in groups.items():
        f1_before = precision_recall_f1(outcome_counts(gold[chosen], decided_before[chosen]))[:, 2]
        f1_after = precision_recall_f1(outcome_counts(gold[chosen], after.decisions[chosen]))[:, 2]
        agreement = precision_recall_f1(outcome_counts(decided_before[chosen], after.decisions[chosen]))[:, 2]
        difference = np.abs(before.probabilities[chosen] - after.probabilities[chosen]).mean(axis=0)
        for i, name in enumerate(codebook.names):
            rows.append(
                ParityRow(
                    group=group,
                    label=name,
                    n=len(chosen),
                    gold=int(gold[chosen, i].sum()),
                    f1_checkpoint=rounded(f1_before[i], 4),
                    f1_export=rounded(f1_after[i], 4),
                    agreement=rounded(agreement[i], 4),
                    mean_difference=round(float(difference[i]), 4),
                )
            )
    return ParityReport(
        n=len(sentences),
        documents=len({s.document_key for s in sentences}),
        data=data,
        macro_f1_checkpoint=round(float(macro_f1(outcome_counts(gold, decided_before))), 4),
        macro_f1_export=round(float(macro_f1(outcome_counts(gold, after.decisions))), 4),
        rows=tuple(rows),
        acts=()
        if before.acts is None or after.acts is None
        else _compare_acts(sentences, codebook, before.acts, after.acts),
    )


def compare_new_texts(labels: Sequence[str], before: NDArray[np.bool_], after: NDArray[np.bool_]) -> NewTextsParity:
    """Compare the decisions (n, k) of a checkpoint and of its export on n sentences without gold.

    On sentences that trained the model, both are so sure that an error of the export may change no decision.

    Args:
        labels: The k labels.
        before: Decisions of the checkpoint.
        after: Decisions of the export.
    """
    agreement = precision_recall_f1(outcome_counts(before, after))[:, 2]
    return NewTextsParity(
        n=len(before),
        rows=tuple(
            NewTextsRow(
                label=label,
                checkpoint=int(before[:, i].sum()),
                export=int(after[:, i].sum()),
                both=int((before & after)[:, i].sum()),
                agreement=rounded(agreement[i], 4),
            )
            for i, label in enumerate(labels)
        ),
    )


def _compare_acts(
    sentences: Sequence[Sentence], codebook: Codebook, before: ActOutputs, after: ActOutputs
) -> tuple[ActsParityRow, ...]:
    """Compare kinds, holders and targets for the labels that hold in gold."""
    labels = before.labels
    gold = indicator(sentences, codebook)
    one, other = before.given(gold), after.given(gold)
    annotated = [s.acts for s in sentences]
    pairs = ((annotated, one), (annotated, other), (one, other))
    found = [Sums.of(compare_acts(expected, acts, labels).sum(axis=0)) for expected, acts in pairs]
    rows = []
    for i, label in enumerate(labels):
        for j, output in enumerate(OUTPUTS):
            if not found[2].items[i, j]:
                continue
            checkpoint, export, agreement = (rounded(float(sums.mean_overlap[i, j]), 4) for sums in found)
            rows.append(
                ActsParityRow(
                    output=output,
                    label=label,
                    n=int(found[2].items[i, j]),
                    score_checkpoint=checkpoint,
                    score_export=export,
                    agreement=agreement,
                )
            )
    return tuple(rows)


def require_parity(parity: ParityReport) -> None:
    """Check that an export makes nearly the same decisions as its checkpoint.

    Raises:
        ExportError: Macro-F1 falls by more than `MAX_LOSS`, or the decisions for a label agree less than `MIN_AGREEMENT`.
    """
    overall = [row for row in parity.rows if row.group == "all"]
    if parity.macro_f1_export < parity.macro_f1_checkpoint - MAX_LOSS:
        changes = "; ".join(
            f"{row.label} {number(row.f1_export)} instead of {number(row.f1_checkpoint)}" for row in overall
        )
        raise ExportError(
            f"the export loses {100 * (parity.macro_f1_checkpoint - parity.macro_f1_export):.1f} points of macro-F1 on "
            f"{parity.n} rows, but at most {100 * MAX_LOSS} are allowed (F1: {changes})"
        )
    for row in overall:
        if row.agreement is not None and row.agreement < MIN_AGREEMENT:
            raise ExportError(
                f"on {parity.n} rows, the decisions for {row.label} agree with those of the checkpoint with F1 "
                f"{number(row.agreement)}, but at least {MIN_AGREEMENT} is needed"
            )
