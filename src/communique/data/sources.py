"""Describe where labelled data come from: the fields of a corpus in a recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..io.recognise import check_encoding


class CorpusFields(BaseModel):
    """Where a labelled corpus lies, and what its tables do not say themselves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(min_length=1, description="a table, a folder or a glob; relative to the recipe")
    language: str | None = Field(None, min_length=2, description="BCP 47 code of rows that name none")
    source: str | None = Field(None, min_length=1, description="source of rows that name none")
    encoding: str | None = Field(None, min_length=1, description="encoding of text files, where it is not recognised")
    sheet: str | None = Field(None, min_length=1, description="sheet of workbooks, by name or number, if not the first")
    columns: dict[str, str] = Field(
        default_factory=dict, description="column by field (text, labels, document, ...), where names are unusual"
    )
    labels: dict[str, str] = Field(
        default_factory=dict, description="label of the codebook by what stands in the table, such as '0': negative"
    )

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, name: str | None) -> str | None:
        return None if name is None else check_encoding(name)


class CorpusSource(CorpusFields):
    """A labelled corpus and what it serves for."""

    role: Literal["train", "validation"] = Field(
        "train", description="with no validation corpus, validation is drawn by document from the training rows"
    )
