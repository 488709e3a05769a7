"""What the pages Code and Agreement show in the same way: a sentence with its neighbours, and the form of an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ..annotation.tasks import NONE
from ..data.acts import Act
from ..data.codebook import Codebook
from ..project.coding import SentenceKey
from .choices import KEYS, Choice, choices
from .marking import ActFields, act_fields
from .store import IndexedSentence


@dataclass(frozen=True)
class Task:
    """A sentence to answer.

    Attributes:
        key: What identifies it.
        text: Its text.
        document: Its document.
        language: Its language.
        groups: The groups that the page names, with their values.
        previous: The previous sentence, if the documents do not contain the neighbours.
        before: The sentences before it.
        after: The sentences after it.
        codebook: The codebook.
        chosen: The labels of the answer so far, or `none`.
        acts: The fields for kind, holder and target; empty if there are none.
        comment: The comment so far.
        unsure: Whether the answer so far is marked as unsure, or None if the form does not ask.
    """

    key: SentenceKey
    text: str
    document: str
    language: str
    groups: Mapping[str, str]
    previous: str
    before: Sequence[IndexedSentence]
    after: Sequence[IndexedSentence]
    codebook: Codebook
    chosen: Sequence[str]
    acts: Sequence[ActFields]
    comment: str
    unsure: bool | None

    @classmethod
    def prepare(
        cls,
        codebook: Codebook,
        sentence: IndexedSentence,
        neighbours: tuple[Sequence[IndexedSentence], Sequence[IndexedSentence]],
        *,
        labels: Sequence[str] | None,
        acts: Mapping[str, Act],
        comment: str,
        unsure: bool | None = None,
    ) -> Task:
        """Prepare a sentence with its neighbours in the documents.

        Args:
            codebook: The codebook.
            sentence: The sentence. It need not be in the index.
            neighbours: The sentences before and after it.
            labels: The labels of the answer so far, or None if there is no answer.
            acts: Kind, holder and target of the answer so far.
            comment: The comment so far.
            unsure: Whether the answer so far is marked as unsure, or None if the form does not ask.
        """
        before, after = neighbours
        return cls(
            key=sentence.key,
            text=sentence.text,
            document=sentence.document,
            language=sentence.language,
            groups=sentence.groups,
            previous="" if before else sentence.previous,
            before=before,
            after=after,
            codebook=codebook,
            chosen=() if labels is None else labels or (NONE,),
            acts=act_fields(codebook, sentence.text, acts),
            comment=comment,
            unsure=unsure,
        )

    @cached_property
    def choices(self) -> list[Choice]:
        """The labels."""
        return choices(self.codebook)

    @property
    def keys(self) -> Mapping[str, str]:
        """The keys of the page."""
        return KEYS

    @property
    def no_label(self) -> str:
        """The choice for sentences to which no label applies."""
        return NONE
