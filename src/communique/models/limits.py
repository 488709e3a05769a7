"""What a model folder records about the limits of the model: what is usual, and how much worse the model is on the rest."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

#: A language with fewer training sentences is rare.
RARE = 100

#: Out-of-domain score above which a sentence is far from the training sentences. By definition, 1 % of the sentences that define
#: the scores are.
FAR = 0.99

#: Minimum number of training sentences, and of sentences that define the out-of-domain scores.
MIN_DESCRIBED = 50

#: Proportion of the sentences on which losses are measured: the farthest, the shortest and the longest ones. The limits of the
#: warnings, 1 %, leave too few sentences.
OUTER = 0.05

#: Groups of sentences in which a model may be worse.
Group = Literal["far", "short", "long", "rare language"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class GroupLoss(_Part):
    """How much worse a model is on a group of sentences than on all other sentences, none of which trained it.

    `loss` is the macro-F1 of the others minus that of the group. `low` and `high` are its 95 % interval, or None.
    """

    group: Group
    n: int
    documents: int
    macro_f1: float
    others: float
    loss: float
    low: float | None
    high: float | None


class UsualLength(_Part):
    """The lengths of 98 % of the training sentences, in tokens. 1 % are shorter than `low`, and 1 % are longer than `high`."""

    low: int = Field(ge=0)
    high: int = Field(ge=0)

    @classmethod
    def of(cls, lengths: NDArray[np.integer]) -> UsualLength:
        """Return the usual length of training sentences with these lengths (n,)."""
        low, high = np.quantile(lengths, [0.01, 0.99], method="nearest")
        return cls(low=int(low), high=int(high))

    def unusual(self, lengths: NDArray[np.integer]) -> NDArray[np.int8]:
        """Return -1 for sentences that are too short, 1 for those that are too long, and 0 for all others (n,)."""
        return (lengths > self.high).astype(np.int8) - (lengths < self.low).astype(np.int8)


class DomainInfo(_Part):
    """The description of the training sentences from which out-of-domain scores are computed (see `models.domain`).

    `calibrated_by` says which sentences define the scores: `held-out` ones, or `training` sentences, each compared with training
    sentences of other documents.
    """

    width: int = Field(ge=1, description="size of the sentence vectors")
    dimensions: int = Field(ge=1, description="number of principal components")
    sentences: int = Field(ge=1, description="number of training sentences that were described")
    calibrated_on: int = Field(ge=1, description="number of sentences that define the scores")
    calibrated_by: Literal["held-out", "training"]


class Limits(_Part):
    """The limits of a model. Everything that is not known is None or missing."""

    length: UsualLength | None = None
    domain: DomainInfo | None = None
    losses: tuple[GroupLoss, ...] = ()

    def loss(self, group: Group) -> GroupLoss | None:
        """Return the loss in a group of sentences, if it is known."""
        return next((one for one in self.losses if one.group == group), None)
