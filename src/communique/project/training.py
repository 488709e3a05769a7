"""Describe what `communique train` would use in a project, before anyone starts it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..models.unfit import FEW_ROWS, rare_labels
from .codebooks import changed_codebooks
from .project import Project
from .rows import Coded, CodedRows

#: Minimum number of documents for a cross-validation.
MIN_DOCUMENTS = 2


@dataclass(frozen=True)
class TrainingRows:
    """The coded rows that train a model.

    Attributes:
        rows: Number of rows.
        documents: Number of documents that they come from.
        labels: Number of rows with each label, and `none` for rows without a label if there can be such rows.
        obstacles: Reasons why training is not possible yet.
        warnings: Reasons why the model may be poor, and rows that are left out.
    """

    rows: int
    documents: int
    labels: Mapping[str, int]
    obstacles: tuple[str, ...]
    warnings: tuple[str, ...]


def training_rows(project: Project) -> TrainingRows:
    """Describe the rows that `communique train` would use.

    Raises:
        CodebookError: The codebook is invalid.
    """
    coded = project.coded()
    codebook, found = coded.codebook, coded.training
    counts = Counter(label for sentence in found.corpus for label in sentence.labels or ())
    labels = {name: counts[name] for name in codebook.names}
    if codebook.multilabel:
        labels["none"] = sum(not sentence.labels for sentence in found.corpus)
    documents = len({sentence.document_key for sentence in found.corpus})
    return TrainingRows(
        rows=len(found.corpus),
        documents=documents,
        labels=labels,
        obstacles=tuple(_obstacles(found, documents)),
        warnings=tuple(_warnings(project, coded, {name: counts[name] for name in codebook.names})),
    )


def _obstacles(found: CodedRows, documents: int) -> Iterator[str]:
    if not len(found.corpus):
        yield "There are no coded rows for training yet. Draw a sample and code it first"
    elif documents < MIN_DOCUMENTS:
        yield (
            "All coded rows are from one document, but classifiers are compared on documents that they were not trained on. Code "
            "sentences of other documents"
        )


def _warnings(project: Project, coded: Coded, counts: Mapping[str, int]) -> Iterator[str]:
    if len(coded.training.corpus) and (rare := rare_labels(counts, counts)):
        yield f"Labels with fewer than {FEW_ROWS} coded rows are learned badly: {', '.join(rare)}. Code more rows with them"
    yield from coded.training.notes
    yield from map(str, changed_codebooks(project, coded.latest))
