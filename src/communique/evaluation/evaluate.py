"""Compare the predictions of a model with the gold labels of a corpus on which it was not trained."""

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
from ..metrics.scores import indicator
from ..metrics.spans import ActReport, score_acts
from ..models.classifier import predict_fully
from ..models.info import ModelInfo
from ..models.leakage import Leak, find_leak, refuse
from ..models.predictor import model_folder
from ..reporting.render import render

#: Number of errors with the largest log loss that are kept.
ERRORS = 25

#: How to treat rows that share a document or a text with the training data.
Shared = Literal["refuse", "drop", "allow"]


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of a model on a corpus.

    `leak` describes the rows of the whole corpus that are shared with the training data, and `dropped` is the number of them that
    were left out. `truncated` is the number of texts of which the model read only the beginning. `acts` contains scores of kinds,
    holders and targets, if the model predicts them and the corpus contains them.
    """

    info: ModelInfo
    report: Report
    diagnostics: Diagnostics
    leak: Leak
    dropped: int
    truncated: int
    acts: ActReport | None = None

    def to_dict(self, *, texts: bool = False) -> dict[str, Any]:
        """Return plain values for JSON: those of `Report.to_dict`, and `warnings`, `diagnostics`, `leak` and more.

        Args:
            texts: Whether to include the sentences of the errors. Set it to False for a file that will be published.
        """
        return {
            "model": self.info.name,
            "version": self.info.version,
            "kind": self.info.kind,
            "warnings": self.warnings,
            "dropped": self.dropped,
            "truncated": self.truncated,
            "leak": {
                "rows": len(self.leak.kinds),
                "documents": self.leak.documents,
                "by_kind": self.leak.counts,
                "near_duplicates_unchecked": self.leak.unchecked,
            },
            **self.report.to_dict(),
            **({} if self.acts is None else {"acts": self.acts.to_dict()}),
            "diagnostics": self.diagnostics.to_dict(texts=texts),
        }

    @property
    def warnings(self) -> list[str]:
        """The warnings to show before any score: leaks, rows that were left out, and problems with the gold labels."""
        lines = []
        labels = self.report.overall.labels
        collapse = describe_collapse(
            [label.label for label in labels],
            [label.gold for label in labels],
            [label.predicted for label in labels],
            self.report.overall.n,
        )
        if collapse:
            lines.append(
                f"WARNING: {collapse}. These data do not show that the model has learned anything. Do not use it."
            )
        if self.leak.kinds and self.dropped:
            lines.append(f"{self.leak.describe()}. These rows were left out.")
        elif self.leak.kinds:
            lines.append(
                f"LEAK: {self.leak.describe()}. The scores below do not show how well the model labels new text."
            )
        if self.leak.unchecked:
            lines.append(f"Near-duplicates of the training data were not searched for: {self.leak.unchecked}.")
        if self.truncated:
            lines.append(
                f"The model read only the beginning of texts longer than {self.info.max_tokens} tokens. Number of such texts: "
                f"{self.truncated}."
            )
        return [*lines, *(f"Check the gold labels. {line}." for line in self.diagnostics.warnings)]

    def to_markdown(self) -> str:
        """Write the warnings, the report and a summary of the calibration as Markdown, without any sentence of the corpus."""
        return render(
            "evaluation.md.jinja",
            info=self.info,
            warnings=self.warnings,
            report=render_report(self.report),
            calibration=self.diagnostics.calibration,
            acts=self.acts,
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
        folder: The model folder, or `communique-small` for the shipped model.
        corpus: Labelled sentences.
        data: A short description of the sentences, for the report.
        shared: What to do with rows that share a document, a text or nearly a text with the training data.
        errors: Number of errors with the largest log loss to keep.
        seed: Seed of the bootstrap.

    Raises:
        LeakError: The corpus shares rows with the training data, and `shared` is "refuse".
        DataError: No labelled row is left, or only some of the rows have a weight.
    """
    if not len(corpus):
        raise DataError(f"{data or 'the corpus'}: there is no row to evaluate. Provide a table with labelled rows")
    folder = model_folder(folder)
    model = load_model(folder)
    leak = find_leak(folder, model.info, corpus)
    n = len(corpus)
    if shared == "refuse":
        refuse(leak, corpus)
    elif shared == "drop":
        corpus = corpus.where(lambda s: s.id not in leak.kinds)
    if not len(corpus):
        raise DataError(
            f"{data}: no row is left to evaluate, because all {n} are shared with the training data. Use other data"
        )
    # Kinds, holders and targets are only computed if they can be scored.
    annotated = any(s.acts for s in corpus)
    predictions = predict_fully(model, corpus.sentences) if annotated else model.predict(corpus.sentences)
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
    acts = None
    if predictions.acts is not None:
        given = predictions.acts.given(indicator(corpus.sentences, model.codebook))
        acts = score_acts(corpus.sentences, given, model.codebook, seed=seed)
    return Evaluation(model.info, report, diagnostics, leak, n - len(corpus), int(predictions.truncated.sum()), acts)
