"""Collect the outputs of a network, and convert them to predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.acts import ROLES
from .acts import act_outputs, decode_spans
from .info import ACTS_OUTPUT, KINDS_OUTPUT, VECTOR_OUTPUT, ActsInfo, ModelInfo
from .predictions import Predictions

if TYPE_CHECKING:
    from tokenizers import Encoding


@dataclass(frozen=True)
class NetworkOutputs:
    """Arrays for the outputs of a network: `logits` (n, k), `kinds` (n, kinds), `spans` (n, k, roles, 2), `vectors` (n, width).

    The last three have no columns if they are not needed. `truncated` (n,) and `lengths` (n,) describe the tokens of the texts.
    """

    logits: NDArray[np.float32]
    truncated: NDArray[np.bool_]
    lengths: NDArray[np.int32]
    kinds: NDArray[np.float32]
    spans: NDArray[np.int32]
    vectors: NDArray[np.float32]
    acts: ActsInfo | None

    @classmethod
    def empty(cls, n: int, k: int, acts: ActsInfo | None) -> NetworkOutputs:
        """Return arrays of zeros for n texts and k labels, without vectors, and without auxiliary outputs if `acts` is None."""
        return cls(
            np.zeros((n, k), np.float32),
            np.zeros(n, np.bool_),
            np.zeros(n, np.int32),
            np.zeros((n, 0 if acts is None else acts.n_kinds), np.float32),
            np.zeros((n, 0 if acts is None else k, len(ROLES), 2), np.int32),
            np.zeros((n, 0), np.float32),
            acts,
        )

    def __getitem__(self, rows: slice) -> NetworkOutputs:
        """Return a view of some rows."""
        parts = {name: value[rows] for name, value in vars(self).items() if name != "acts"}
        return NetworkOutputs(**parts, acts=self.acts)

    def with_vectors(self, width: int) -> NetworkOutputs:
        """Return the same arrays with new vectors of a size. They are needed for a part of the texts at a time."""
        return replace(self, vectors=np.zeros((len(self.logits), width), np.float32))

    def collect(self, request: Any, rows: list[int], texts: Sequence[str], encodings: Sequence[Encoding]) -> None:
        """Copy the outputs of a finished request of OpenVINO for some rows."""
        self.logits[rows] = request.get_output_tensor(0).data
        if self.vectors.shape[1]:
            self.vectors[rows] = request.get_tensor(VECTOR_OUTPUT).data
        if self.acts is None:
            return
        if self.kinds.shape[1]:
            self.kinds[rows] = request.get_tensor(KINDS_OUTPUT).data
        offsets = [encodings[i].offsets for i in rows]
        self.spans[rows] = decode_spans([texts[i] for i in rows], offsets, request.get_tensor(ACTS_OUTPUT).data)

    def predictions(self, info: ModelInfo) -> Predictions:
        """Return the predictions of the model with these outputs.

        Raises:
            BundleError: A logit is not finite.
        """
        acts = None if self.acts is None else act_outputs(self.acts, info.labels, self.kinds, self.spans)
        usual = info.usual_length
        return replace(
            Predictions.from_logits(info, self.logits, self.truncated, acts),
            unusual_length=None if usual is None else usual.unusual(self.lengths),
        )
