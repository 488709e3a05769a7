"""Fields that describe labelled corpora and unlabelled texts in a recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..errors import did_you_mean
from ..io.recognise import check_encoding
from ..text.language_codes import normalize_language
from .reader import COLUMNS


class TextFields(BaseModel):
    """The location of tables with texts, and the information that they do not contain."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(min_length=1, description="a table, a folder or a glob, relative to the recipe")
    language: str | None = Field(None, min_length=2, description="BCP 47 code for rows without a language")
    source: str | None = Field(None, min_length=1, description="source for rows without a source")
    encoding: str | None = Field(
        None, min_length=1, description="encoding of text files; by default it is detected for each file"
    )
    sheet: str | None = Field(
        None, min_length=1, description="sheet of workbooks, by name or number; by default the first visible one"
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="column for each field (text, labels, document, ...) whose column name is not recognised",
    )

    @field_validator("language")
    @classmethod
    def _is_language(cls, code: str | None) -> str | None:
        return None if code is None else normalize_language(code)

    @field_validator("columns")
    @classmethod
    def _are_fields(cls, columns: dict[str, str]) -> dict[str, str]:
        if unknown := [name for name in columns if name not in COLUMNS]:
            hint = did_you_mean(unknown[0], COLUMNS)
            raise ValueError(f"{unknown[0]!r} is not a field; {hint}allowed: {', '.join(COLUMNS)}")
        return columns

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, name: str | None) -> str | None:
        return None if name is None else check_encoding(name)


class CorpusFields(TextFields):
    """The location of a labelled corpus, and the information that its tables do not contain."""

    sampling: str | None = Field(
        None,
        min_length=1,
        description="sampling of rows without it, such as `authored` for rows that were written for training",
    )
    labels: dict[str, str] = Field(
        default_factory=dict, description="label of the codebook for each value in the table, such as '0': negative"
    )


class CorpusSource(CorpusFields):
    """A labelled corpus and its role in training."""

    role: Literal["train", "validation", "test"] = Field(
        "train",
        description="use of the corpus; if no corpus is for validation, validation documents are drawn from the training rows. "
        "Labelled rows and unlabelled texts that are also in a test corpus are left out",
    )
