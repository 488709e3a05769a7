"""Hold a model against a labelled corpus that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..data.corpus import Corpus
from ..errors import DataError
from ..load import load_model
from ..metrics.degenerate import describe_collapse
from ..metrics.diagnostics import Diagnostics
from ..metrics.report import Report
from ..metrics.report_markdown import render_report
from ..models.info import ModelInfo
from ..models.leakage import Leak, find_leak, refuse
from ..reporting.render import render

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
        """What a reader must know before any number: leaks, rows left out, warnings about the gold labels."""
        lines = []
        labels = self.report.overall.labels
        collapse = describe_collapse(
            [label.label for label in labels],
            [label.gold for label in labels],
            [label.predicted for label in labels],
            self.report.overall.n,
        )
        if collapse:
            lines.append(f"WARNING: {collapse}. It has learned nothing that these data can show; do not use it.")
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
        """Write the warnings, the report and a summary of the calibration; no sentence of the corpus is shown."""
        return render(
            "evaluation.md.jinja",
            info=self.info,
            warnings=self.warnings,
            report=render_report(self.report),
            calibration=self.diagnostics.calibration,
        )


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
        bias=model.info.bias,
        thresholds=model.info.thresholds,
        errors=errors,
        seed=seed,
    )
    return Evaluation(model.info, report, diagnostics, leak, n - len(corpus), int(predictions.truncated.sum()))
