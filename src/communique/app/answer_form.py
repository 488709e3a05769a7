"""The form with an answer, which the pages Code and Agreement have in common."""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from ..data.codebook import Codebook
from ..project.coding import SentenceKey
from .coding import split_choices
from .marking import Marked, read_marked


class Chosen(NamedTuple):
    """What a form contains, in terms of a codebook.

    Attributes:
        labels: The labels that were chosen.
        none: Whether it was chosen that no label applies.
        acts: Kind, holder and target by label, as tables have them, or None if nobody was asked for them.
    """

    labels: list[str]
    none: bool
    acts: dict[str, Any] | None


class AnswerForm(BaseModel):
    """The fields of a form. The template `macros.html` contains them, and `acts.js` fills `marks`."""

    model_config = ConfigDict(frozen=True)

    id: str = ""
    sha256: str = ""
    action: str = "next"
    labels: list[str] = []
    comment: str = ""
    unsure: bool = False
    marks: list[str] = []
    kinds: list[str] = []
    unnamed: list[str] = []

    @property
    def key(self) -> SentenceKey:
        """What identifies the sentence."""
        return self.id, self.sha256

    def chosen(self, codebook: Codebook, text: str) -> Chosen:
        """Return the answer to a sentence.

        Args:
            codebook: The codebook with which the sentence is coded.
            text: The text of the sentence, in which words are marked.

        Raises:
            DataError: Marked words or kinds do not fit the text, the labels or the codebook.
        """
        labels, none = split_choices(codebook, self.labels)
        return Chosen(labels, none, read_marked(Marked(self.marks, self.kinds, self.unnamed), codebook, text, labels))
