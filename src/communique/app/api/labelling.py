"""Label texts with a model, and describe the model and its codebook."""

from __future__ import annotations

import math
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from ...errors import DataError
from ...text.language_codes import normalize_language
from ..context import ContextArg
from ..problems import refusals

#: Maximum numbers of texts per request, and of characters per text.
MAX_TEXTS, MAX_CHARACTERS = 1000, 100_000

router = APIRouter(tags=["labelling"])


class Texts(BaseModel):
    """Texts to label, and optionally the language of each (BCP 47)."""

    model_config = ConfigDict(extra="forbid")

    texts: list[Annotated[str, Field(max_length=MAX_CHARACTERS)]] = Field(min_length=1, max_length=MAX_TEXTS)
    languages: list[str] | None = None


class Labelled(BaseModel):
    """The labels of a text. `probabilities` is null if the model has none. `truncated` says that only the beginning was read."""

    labels: list[str]
    probabilities: dict[str, float] | None
    truncated: bool
    error: str | None = None


class Answer(BaseModel):
    """The labelled texts, in the order of the request, and the model."""

    model: str
    texts: list[Labelled]


class LabelInfo(BaseModel):
    """A label of the codebook."""

    name: str
    definition: str
    kinds: list[str]


class ModelAnswer(BaseModel):
    """The model that labels texts."""

    name: str
    version: str
    classifier: str
    codebook: str
    codebook_sha256: str
    multilabel: bool
    labels: list[LabelInfo]


@router.post("/label", responses=refusals(413, 422))
def label(context: ContextArg, body: Texts) -> Answer:
    """Label texts. Each text is one sentence."""
    if body.languages is not None and len(body.languages) != len(body.texts):
        raise DataError(
            f"languages: there are {len(body.languages)}, but {len(body.texts)} texts. Send one language per text, or none"
        )
    try:
        languages = None if body.languages is None else [normalize_language(code) for code in body.languages]
    except ValueError as error:
        raise DataError(f"languages: {error}") from None
    model = context.classifier()
    found = model.predict(body.texts, languages=languages)
    context.metrics.texts.inc(len(body.texts))
    errors = found.errors or (None,) * len(found)
    return Answer(
        model=f"{model.info.name} {model.info.version}",
        texts=[
            Labelled(
                labels=labels,
                probabilities=None
                if any(map(math.isnan, row))
                else {name: round(float(p), 6) for name, p in zip(found.names, row, strict=True)},
                truncated=bool(truncated),
                error=error,
            )
            for labels, row, truncated, error in zip(
                found.labels, found.probabilities.tolist(), found.truncated, errors, strict=True
            )
        ],
    )


@router.get("/model")
def model(context: ContextArg) -> ModelAnswer:
    """Describe the model and its labels."""
    opened = context.classifier()
    info, codebook = opened.info, opened.codebook
    return ModelAnswer(
        name=info.name,
        version=info.version,
        classifier=info.classifier,
        codebook=codebook.title,
        codebook_sha256=codebook.sha256,
        multilabel=codebook.multilabel,
        labels=[
            LabelInfo(name=one.name, definition=one.definition, kinds=[kind.name for kind in one.kinds])
            for one in codebook.labels
        ],
    )
