"""The record of the models from whose probabilities a model learned."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ..reporting.format import counted


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TeacherInfo(_Record):
    """A teacher: a model folder, or the models of a cross-validation (`folds`)."""

    name: str
    kind: Literal["model", "folds"]
    sha256: str = Field(description="hash of the model folder or of the stored predictions")


class Distillation(_Record):
    """What teachers labelled for the training of a model.

    `labelled` is the number of labelled rows whose targets are partly out-of-fold probabilities, and `unlabelled` the number of
    sentences without labels. `left_out` counts the sentences that were left out by reason.
    """

    teachers: tuple[TeacherInfo, ...]
    labelled: int
    unlabelled: int
    files: dict[str, str] = Field(description="SHA-256 of each file of unlabelled texts")
    left_out: dict[str, int]

    @property
    def line(self) -> str:
        """What the teachers labelled, as a sentence without a full stop."""
        names = ", ".join(dict.fromkeys(teacher.name for teacher in self.teachers))
        return (
            f"{counted(len(self.teachers), 'teacher')} ({names}): out-of-fold probabilities of "
            f"{counted(self.labelled, 'labelled row')}, and probabilities of {counted(self.unlabelled, 'unlabelled sentence')}"
        )
