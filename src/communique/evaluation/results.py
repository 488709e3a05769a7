"""Read the results that `communique evaluate --json` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..config import load_json
from ..errors import DataError

#: What to do if a file cannot be read.
_AGAIN = "Evaluate the model again"

#: The counts of a matrix of labels.
Matrix = tuple[tuple[int, ...], ...]


class _Result(BaseModel):
    """A part of a result. Fields that nobody reads from files are left out."""

    model_config = ConfigDict(frozen=True)


class Score(_Result):
    """A number with its 95 % interval. Undefined values are None, and `reason` explains why."""

    value: float | None
    low: float | None
    high: float | None
    reason: str | None


class LabelResult(_Result):
    """The scores of a label. `few` means that few gold rows have it."""

    label: str
    gold: int
    predicted: int
    few: bool
    precision: Score
    recall: Score
    f1: Score
    average_precision: Score
    mcc: Score


class GroupResult(_Result):
    """The scores of a group of rows. `left_out` lists the labels that macro-F1 ignores."""

    n: int
    documents: int
    macro_f1: Score
    micro_f1: Score
    sample_f1: Score
    exact_match: Score
    labels: tuple[LabelResult, ...]
    left_out: tuple[str, ...]


class BinResult(_Result):
    """The rows with similar probabilities of a label: their mean probability, and the proportion that has the label."""

    probability: float
    share: Score


class LabelCalibrationResult(_Result):
    """How well the probabilities of a label are calibrated."""

    label: str
    gold: int
    ece: Score
    ece_by_chance: float | None
    skill: Score
    bins: tuple[BinResult, ...]


class CalibrationResult(_Result):
    """How well the probabilities are calibrated. `rows` says which rows were used."""

    rows: str
    n: int
    documents: int
    after: tuple[LabelCalibrationResult, ...]


class CoOccurrenceResult(_Result):
    """Which labels occur together. Matrices that the kind of codebook does not have are None."""

    labels: tuple[str, ...]
    gold: Matrix | None
    predicted: Matrix | None
    confusion: Matrix | None


class ErrorResult(_Result):
    """One of the errors of which the model was most certain."""

    id: str
    document: str
    language: str
    text: str
    previous: str | None
    gold: tuple[str, ...]
    predicted: tuple[str, ...]
    probabilities: dict[str, float]


class DiagnosticsResult(_Result):
    """The diagnostics of a model."""

    calibration: CalibrationResult
    co_occurrence: CoOccurrenceResult
    errors: tuple[ErrorResult, ...]


class EvaluationResult(_Result):
    """An evaluation. The first group contains all rows."""

    data: str
    # Files of earlier versions do not say whether a sentence can have several labels.
    multilabel: bool = True
    warnings: tuple[str, ...]
    groups: Annotated[tuple[GroupResult, ...], Field(min_length=1)]
    diagnostics: DiagnosticsResult

    @property
    def overall(self) -> GroupResult:
        """The scores of all rows."""
        return self.groups[0]


def read_evaluation(path: Path) -> EvaluationResult:
    """Read an evaluation with the texts of its errors.

    Raises:
        DataError: The file is missing or damaged, or another version wrote it.
    """
    content = load_json(path, DataError, _AGAIN)
    try:
        return EvaluationResult.model_validate(content)
    except ValidationError as error:
        raise DataError(f"{path}: this is not an evaluation that this version writes. {_AGAIN}") from error
