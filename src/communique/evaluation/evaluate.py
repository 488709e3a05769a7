"""Hold a model against a labelled corpus that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..data.corpus import Corpus
from ..errors import DataError
from ..load import load_model
from ..metrics.diagnostics import Diagnostics
from ..metrics.report import Report
from ..models.info import ModelInfo
from ..reporting.format import table
from .leakage import Leak, find_leak, refuse

#: How many of the errors that cost most are kept.
ERRORS = 25

#: What is done with rows that the training data share.
Shared = Literal["refuse", "drop", "allow"]


@dataclass(frozen=True)
class Evaluation:
    """A model held against a corpus.

    `leak` is about the rows as they were given; `dropped` of them were left out for it. `truncated` counts texts of which
    the model saw the beginning only.
    """

    info: ModelInfo
    report: Report
    diagnostics: Diagnostics
    leak: Leak
    dropped: int
    truncated: int

    def to_dict(self, *, texts: bool = False) -> dict[str, Any]:
        """Give plain values for JSON: those of `Report.to_dict`, and `diagnostics`, `leak`, `dropped` beside them.

        Args:
            texts: Whether the sentences of the errors are among them; false for a file that is published.
        """
        return {
            "model": self.info.name,
            "version": self.info.version,
            "kind": self.info.kind,
            "dropped": self.dropped,
            "truncated": self.truncated,
            "leak": {
                "rows": len(self.leak.kinds),
                "documents": self.leak.documents,
                "by_kind": self.leak.counts,
                "near_duplicates_unchecked": self.leak.unchecked,
            },
            **self.report.to_dict(),
            "diagnostics": self.diagnostics.to_dict(texts=texts),
        }

    @property
    def warnings(self) -> list[str]:
        """What a reader must know before any number: leaks, rows left out, doubts about the gold labels."""
        lines = []
        if self.leak.kinds and self.dropped:
            lines.append(f"{self.leak.describe()}; they were left out.")
        elif self.leak.kinds:
            lines.append(f"LEAK: {self.leak.describe()}. The scores below are not scores on new text.")
        if self.leak.unchecked:
            lines.append(f"Near-duplicates of the training data were not looked for: {self.leak.unchecked}.")
        if self.truncated:
            lines.append(
                f"{self.truncated} sentences are longer than {self.info.max_tokens} tokens; the model saw their beginnings."
            )
        return [*lines, *(f"Look at the gold labels. {line}." for line in self.diagnostics.warnings)]

    def to_markdown(self) -> str:
        """Write the report with the remarks above and a summary of the calibration below; no sentence of the corpus."""
        parts = [f"# {self.info.name} {self.info.version}", *self.warnings, self.report.to_markdown().rstrip()]
        return "\n\n".join([*parts, *self._calibration()]) + "\n"

    def _calibration(self) -> list[str]:
        calibration = self.diagnostics.calibration
        rows = []
        for i, after in enumerate(calibration.after):
            before = calibration.before[i] if calibration.before else None
            rows.append(
                [
                    after.label,
                    after.ece,
                    f"{after.ece_plain:.3f}, {after.ece_by_chance:.3f}",
                    before.ece if before else "–",
                    after.skill,
                    before.skill if before else "–",
                ]
            )
        head = [
            "label",
            "calibration error",
            "measured, by chance alone",
            "without temperature",
            "Brier skill",
            "without temperature",
        ]
        reason = f" Without temperature –: {calibration.before_reason}." if calibration.before_reason else ""
        return [
            f"Calibration of {calibration.rows} ({calibration.n} sentences, {calibration.documents} documents; temperature "
            f"{calibration.temperature:.3f}): the expected calibration error without what sampling adds, beside what was "
            "measured and what chance alone makes of perfect "
            f"probabilities on as many rows, and the skill of the Brier score over always giving the base rate.{reason}",
            "\n".join(table(head, rows)),
        ]


def evaluate(
    folder: str | Path,
    corpus: Corpus,
    *,
    data: str,
    shared: Shared = "refuse",
    errors: int = ERRORS,
    seed: int = 0,
) -> Evaluation:
    """Evaluate a model.

    Args:
        folder: The model's folder.
        corpus: Labelled sentences.
        data: What they are, in a few words, for the report.
        shared: What to do with rows that share a document or a text with the training data, or nearly a text.
        errors: How many of the errors that cost most are kept.
        seed: Of the bootstrap.

    Raises:
        LeakError: The corpus shares rows with the training data, and they are to be refused.
        DataError: No labelled row is left, or some rows have a weight and others have none.
    """
    if not len(corpus):
        raise DataError(f"{data or 'the corpus'}: no row to evaluate; give a table with labelled rows")
    model = load_model(folder)
    leak = find_leak(folder, model.info, corpus)
    n = len(corpus)
    if shared == "refuse":
        refuse(leak, corpus)
    elif shared == "drop":
        corpus = corpus.where(lambda s: s.id not in leak.kinds)
    if not len(corpus):
        raise DataError(
            f"{data}: no row is left to evaluate; all {n} are shared with the training data; give other data"
        )
    predictions = model.predict(corpus.sentences)
    report = Report.compare(
        corpus.sentences,
        predictions.decisions,
        model.codebook,
        data=data,
        probabilities=predictions.probabilities,
        seed=seed,
    )
    diagnostics = Diagnostics.from_predictions(
        corpus.sentences,
        predictions.decisions,
        predictions.probabilities,
        model.codebook,
        temperature=model.info.temperature,
        thresholds=model.info.thresholds,
        errors=errors,
        seed=seed,
    )
    return Evaluation(model.info, report, diagnostics, leak, n - len(corpus), int(predictions.truncated.sum()))
