"""Compare an exported model with its checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..data.sentence import Statement
from ..errors import ExportError
from ..metrics.calibration import decide
from ..metrics.scores import indicator, macro_f1, outcome_counts, precision_recall_f1
from ..models.info import Proof, ProofRow
from ..models.predictor import Predictor
from .export import MAX_LOSS, MIN_AGREEMENT


def prove(
    statements: Sequence[Statement],
    before: NDArray[np.float32],
    checkpoint_thresholds: NDArray[np.float64] | None,
    predictor: Predictor,
    *,
    data: str,
) -> Proof:
    """Hold a bundle against its checkpoint, each with its own thresholds, overall and by language.

    Args:
        statements: n labelled statements that trained and tuned nothing.
        before: The checkpoint's probabilities (n, k), in fp32.
        checkpoint_thresholds: (k,); None where exactly one label is chosen.
        predictor: The bundle.
        data: What the statements are, in a few words.
    """
    codebook = predictor.codebook
    gold = indicator(statements, codebook)
    decided_before = decide(before, checkpoint_thresholds)
    after = predictor.predict(statements)
    languages = np.array([s.language for s in statements])
    groups = {"all": np.ones(len(statements), np.bool_)} | {name: languages == name for name in sorted(set(languages))}
    rows = []
    for group, members in groups.items():
        f1_before = precision_recall_f1(outcome_counts(gold[members], decided_before[members]))[:, 2]
        f1_after = precision_recall_f1(outcome_counts(gold[members], after.decisions[members]))[:, 2]
        agreement = precision_recall_f1(outcome_counts(decided_before[members], after.decisions[members]))[:, 2]
        difference = np.abs(before[members] - after.probabilities[members]).mean(axis=0)
        for i, name in enumerate(codebook.names):
            rows.append(
                ProofRow(
                    group=group,
                    label=name,
                    n=int(members.sum()),
                    gold=int(gold[members, i].sum()),
                    f1_checkpoint=_number(f1_before[i]),
                    f1_export=_number(f1_after[i]),
                    agreement=_number(agreement[i]),
                    mean_difference=round(float(difference[i]), 4),
                )
            )
    return Proof(
        n=len(statements),
        documents=len({s.document_key for s in statements}),
        data=data,
        macro_f1_checkpoint=round(float(macro_f1(outcome_counts(gold, decided_before))), 4),
        macro_f1_export=round(float(macro_f1(outcome_counts(gold, after.decisions))), 4),
        rows=tuple(rows),
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)


def _require(proof: Proof) -> None:
    table = "\n" + proof.to_markdown()
    if proof.macro_f1_export < proof.macro_f1_checkpoint - MAX_LOSS:
        raise ExportError(
            f"the export loses {100 * (proof.macro_f1_checkpoint - proof.macro_f1_export):.1f} points of macro-F1 on "
            f"{proof.n} rows; {100 * MAX_LOSS} are allowed; nothing was written{table}"
        )
    for row in proof.rows:
        if row.group == "all" and row.agreement is not None and row.agreement < MIN_AGREEMENT:
            raise ExportError(
                f"decisions for {row.label} agree with the checkpoint's with F1 {row.agreement:.3f} on {proof.n} rows; "
                f"{MIN_AGREEMENT} is needed; nothing was written{table}"
            )
