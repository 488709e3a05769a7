"""The predictions of a model: probabilities, labels, and what makes them doubtful."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..data.predictions_schema import UNSURE
from ..errors import BundleError, DataError
from ..metrics.calibration import certainty, check_abstention, decide, probabilities
from .acts import ActOutputs
from .info import ModelInfo


@dataclass(frozen=True)
class Predictions:
    """Predictions of a model for n texts, in the order of the texts.

    `names` are the k labels of the codebook. The columns of `probabilities` (n, k) and `decisions` (n, k) are in the same order.
    Probabilities are NaN if the model only decides, as a chat model does. `truncated` (n,) marks texts of which the model read only
    the beginning. `errors` has, for each text, the reason why the model could not label it, or None. It is empty if every text was
    labelled. `acts` contains kinds, holders and targets if they were asked for (see `ActOutputs`). `unsure` (n,) marks texts about
    which the model is not sure enough, if it may abstain (see `abstain`).

    `out_of_domain` (n,) says how unusual each text is for the model: the proportion, from 0 to 1, of the sentences that define the
    scores (see `models.limits.DomainInfo`) that are closer to the training sentences. `unusual_length` (n,) is -1 for texts that
    are shorter than 99 % of the training sentences, 1 for texts that are longer, and 0 for all others. Both are None if the model
    folder does not say what is usual.
    """

    names: tuple[str, ...]
    probabilities: NDArray[np.float32]
    decisions: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    errors: tuple[str | None, ...] = ()
    acts: ActOutputs | None = None
    unsure: NDArray[np.bool_] | None = None
    out_of_domain: NDArray[np.float32] | None = None
    unusual_length: NDArray[np.int8] | None = None

    def __len__(self) -> int:
        return len(self.probabilities)

    @classmethod
    def from_logits(
        cls,
        info: ModelInfo,
        logits: NDArray[np.float32],
        truncated: NDArray[np.bool_],
        acts: ActOutputs | None = None,
    ) -> Predictions:
        """Compute predictions from logits (n, k) with the temperature, biases and thresholds of a model.

        Raises:
            BundleError: A logit is not finite, because the weights are damaged. Without this check, such texts would silently
                get no label.
        """
        if not np.isfinite(logits).all():
            raise BundleError(
                f"{info.name}: the model computes infinite or undefined values. Copy the model folder again"
            )
        probability = probabilities(logits, multilabel=info.multilabel, temperature=info.temperature, bias=info.bias)
        thresholds = None if info.thresholds is None else np.array(info.thresholds)
        return cls(info.labels, probability, decide(probability, thresholds), truncated, acts=acts)

    @property
    def labels(self) -> list[list[str]]:
        """The labels of each text, in the codebook's order, or only `unsure` if the model abstains."""
        given = self.tentative_labels
        return given if self.unsure is None else [[UNSURE] if u else g for u, g in zip(self.unsure, given, strict=True)]

    @property
    def tentative_labels(self) -> list[list[str]]:
        """The labels of each text, in the codebook's order, also of texts about which the model is not sure enough."""
        return [[name for name, yes in zip(self.names, row, strict=True) if yes] for row in self.decisions]

    def abstain(self, minimum: float) -> Predictions:
        """Return the predictions with `unsure` in place of the labels of texts about which the model is not sure enough.

        A text is unsure if at least one of the decisions about its labels is right with a probability below `minimum`. A decision
        for a label is right with the calibrated probability p of the label, a decision against it with 1 - p. Of the texts that
        keep a label, a proportion of at least `minimum` is therefore expected to have it.

        Args:
            minimum: A probability of more than 0.5 and less than 1.

        Raises:
            DataError: The probability is not allowed, the model computes no probabilities, or one of its labels is called `unsure`.
        """
        try:
            check_abstention(minimum)
        except ValueError as error:
            raise DataError(f"minimum: {error}") from None
        if UNSURE in self.names:
            raise DataError(
                f"the codebook has a label {UNSURE!r}, so a model with this codebook cannot abstain. Rename the label"
            )
        known = np.isfinite(self.probabilities).all(axis=1)
        if self.errors:
            known |= np.array([error is not None for error in self.errors])
        if not known.all():
            raise DataError(
                "the model only decides and computes no probabilities, so it cannot abstain. Use a model that `communique train` "
                "trained"
            )
        return replace(self, unsure=certainty(self.probabilities, self.decisions) < minimum)
