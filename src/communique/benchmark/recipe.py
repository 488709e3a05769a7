"""The recipe of a benchmark: data, classifiers, seeds and splits, in one validated YAML file."""

from __future__ import annotations

from collections import Counter
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..baselines import NAMES, contents
from ..config import describe, load_yaml
from ..data.sources import CorpusFields
from ..errors import RecipeError
from ..io.atomic import tree_sha256
from ..training.e5 import E5_SMALL
from ..training.recipe import Recipe

#: Stands in a corpus's path for the folder that `--data` names.
DATA = "{data}"

#: What a training section cannot set: the benchmark does.
OWNED = ("name", "version", "description", "license", "codebook", "corpora", "seed", "validation_share")

#: What of a training recipe changes neither the model nor its score.
NEUTRAL = (*OWNED, "checkpoint_steps")

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BenchmarkCorpus(CorpusFields):
    """A labelled corpus and what it serves for."""

    role: Literal["train", "pool", "tuning", "test"] = Field(
        "pool",
        description="pool: splits draw training, tuning and test documents from it; train: always trains, is never tuned or "
        "tested on; tuning, test: fixed sets",
    )


class ClassifierSettings(_Frozen):
    """A classifier of the grid."""

    name: Name = Field(description="in tables and files; lower case, digits, hyphens")
    kind: str = Field(min_length=1, description="transformer, or a baseline of communique.baselines")
    options: dict[str, Any] = Field(default_factory=dict, description="of a baseline")
    recipe: str | None = Field(None, description="of a transformer: training recipe whose settings it takes")
    training: dict[str, Any] = Field(default_factory=dict, description="of a transformer: settings as in a recipe")
    cache: bool = Field(
        False,
        description="of a baseline: keep what is computed once (embeddings) for its other runs; its times then say nothing",
    )
    seeds: int | None = Field(None, ge=1, description="how many of the recipe's seeds; all without it")

    @model_validator(mode="after")
    def _fits_kind(self) -> ClassifierSettings:
        if self.kind == "transformer":
            if self.options:
                raise ValueError("options: those are of baselines; a transformer takes 'recipe' and 'training'")
            owned = [key for key in self.training if key in OWNED]
            if owned:
                raise ValueError(f"training.{owned[0]}: the benchmark sets it; leave it out")
            self.training_recipe(0)
            return self
        if self.kind not in NAMES:
            near = get_close_matches(self.kind, ("transformer", *NAMES), n=1, cutoff=0)[0]
            raise ValueError(
                f"kind {self.kind!r}: unknown; did you mean {near!r}? allowed: transformer, {', '.join(NAMES)}"
            )
        if self.recipe or self.training:
            raise ValueError(f"'recipe' and 'training' are of the kind 'transformer'; {self.kind!r} takes 'options'")
        return self

    def training_recipe(self, seed: int, folder: Path | None = None) -> Recipe:
        """Give the training recipe of a transformer.

        Args:
            seed: Of the run.
            folder: Of the benchmark's recipe, where the file `recipe` is to be read too.

        Raises:
            RecipeError: The file `recipe` is at fault.
            ValueError: The section `training` is.
        """
        settings: dict[str, Any] = {}
        if self.recipe and folder is not None:
            settings = Recipe.load(folder / self.recipe).model_dump(exclude=set(OWNED))
        owned = {"name": self.name, "codebook": "codebook.yaml", "corpora": [{"path": "benchmark"}], "seed": seed}
        try:
            recipe = Recipe.model_validate(settings | self.training | owned)
        except ValidationError as error:
            raise ValueError(f"training.{describe(error, Recipe)}") from None
        if folder is not None and (folder / recipe.backbone).is_dir():
            recipe = recipe.model_copy(update={"backbone": str((folder / recipe.backbone).resolve())})
        return recipe

    def identity(self, seed: int, folder: Path) -> dict[str, Any]:
        """Give what decides the classifier's numbers, as plain values."""
        if self.kind != "transformer":
            files = contents(self.kind, self.options)
            return {"kind": self.kind, "options": self.options, "seed": seed} | ({"files": files} if files else {})
        # With defaults: a result must not be found again after a default has changed.
        recipe = self.training_recipe(seed, folder).portable()
        training = recipe.model_dump(mode="json", exclude=set(NEUTRAL))
        found: dict[str, Any] = {"kind": self.kind, "training": training, "seed": seed}
        backbone = self.training_recipe(seed, folder).backbone
        if backbone != E5_SMALL and Path(backbone).is_dir():
            found["files"] = {"backbone": tree_sha256(Path(backbone))}
        return found


class _Split(_Frozen):
    name: Name | None = Field(None, description="in tables and files; the kind without it")
    seed: int = Field(
        0, ge=0, description="draws test and tuning documents; the same ones for every seed of a classifier"
    )
    tuning_share: float = Field(
        0.15,
        ge=0,
        lt=0.5,
        description="of the rows that do not test, by document; used where no corpus has the role 'tuning'. 0 tunes nothing",
    )
    classifiers: tuple[str, ...] | None = Field(None, description="names of classifiers; all without it")
    seeds: int | None = Field(None, ge=1, description="how many of the recipe's seeds; all without it")


class FixedSplit(_Split):
    """Trains on the corpora `train` and `pool`, tests on the corpora `test`."""

    kind: Literal["fixed"]


class DocumentsSplit(_Split):
    """Draws test documents; labels, sources and languages are balanced."""

    kind: Literal["documents"]
    folds: int = Field(5, ge=2, description="a test set is one of so many parts of the documents")
    run: tuple[int, ...] = Field((0,), description="which of them test, each in a run of its own")


class LeaveOneOutSplit(_Split):
    """Tests on each value of a field, trained without it."""

    kind: Literal["leave-one-language-out", "leave-one-source-out"]
    least: int = Field(50, ge=1, description="a value with fewer rows is left to training and is not tested")


class TimeSplit(_Split):
    """Tests on the latest documents, trained on earlier ones. Needs dates."""

    kind: Literal["time"]
    test_share: float = Field(0.2, gt=0, lt=1, description="of the dated rows")


class FewShotSplit(_Split):
    """Trains on a few rows a label, and tunes on as many in all."""

    kind: Literal["few-shot"]
    folds: int = Field(5, ge=2, description="as in documents; the first part tests")
    shots: tuple[int, ...] = Field((8, 16, 32, 64), description="rows a label")


class LearningCurveSplit(_Split):
    """Trains on shares of the training documents."""

    kind: Literal["learning-curve"]
    folds: int = Field(5, ge=2, description="as in documents; the first part tests")
    shares: tuple[float, ...] = Field((0.05, 0.1, 0.25, 0.5, 1.0), description="of the training documents")


class CrossLingualSplit(_Split):
    """Trains on one language, tests on each."""

    kind: Literal["cross-lingual"]
    folds: int = Field(5, ge=2, description="as in documents; the first part tests")
    least: int = Field(100, ge=1, description="a language with fewer training rows does not train")


Split = Annotated[
    FixedSplit | DocumentsSplit | LeaveOneOutSplit | TimeSplit | FewShotSplit | LearningCurveSplit | CrossLingualSplit,
    Field(discriminator="kind"),
]


class Published(_Frozen):
    """A figure from the literature, for the table."""

    name: str = Field(min_length=1)
    average: float = Field(gt=0, lt=1, description="macro-F1, mean over languages")
    by_language: dict[str, float] = Field(default_factory=dict)
    citation: str = Field(min_length=1)


class BenchmarkRecipe(_Frozen):
    """Settings of a benchmark. Relative paths start at the recipe's folder."""

    name: Name = Field(description="of the results")
    description: str = Field("", description="one sentence for the tables")
    codebook: str = Field(description="YAML file with the labels")
    corpora: tuple[BenchmarkCorpus, ...] = Field(min_length=1, description="labelled corpora with their roles")
    classifiers: tuple[ClassifierSettings, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field((0,), min_length=1, description="one run each: initial weights, order, samples")
    splits: tuple[Split, ...] = Field(min_length=1)
    reference: str | None = Field(None, description="classifier against which all are tested, besides the best")
    published: tuple[Published, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _current(cls, content: object) -> object:
        if isinstance(content, dict) and "labelers" in content:
            raise ValueError("the key 'labelers' is of communique 0.1. Write 'classifiers', also in the splits")
        return content

    @model_validator(mode="after")
    def _consistent(self) -> BenchmarkRecipe:
        names = [classifier.name for classifier in self.classifiers]
        for what, given in (("classifiers", names), ("splits", [split_name(split) for split in self.splits])):
            repeated = [name for name, n in Counter(given).items() if n > 1]
            if repeated:
                raise ValueError(f"{what}: two are named {repeated[0]!r}; give each a name of its own")
        wanted = [name for split in self.splits for name in split.classifiers or ()] + [self.reference or names[0]]
        for name in wanted:
            if name not in names:
                raise ValueError(f"{name!r} is no classifier of this recipe; allowed: {', '.join(names)}")
        roles = {corpus.role for corpus in self.corpora}
        for split in self.splits:
            if split.kind == "fixed":
                if "test" not in roles or not roles & {"train", "pool"}:
                    raise ValueError("splits: 'fixed' needs corpora with the roles 'train' (or 'pool') and 'test'")
            elif "pool" not in roles:
                raise ValueError(f"splits: {split.kind!r} needs a corpus with the role 'pool'")
        return self

    @classmethod
    def load(cls, path: str | Path, *, data: str | Path | None = None) -> BenchmarkRecipe:
        """Read a benchmark's recipe; paths of corpora and codebook become absolute.

        Args:
            path: The YAML file.
            data: Folder that stands for `{data}` in paths of corpora.

        Raises:
            RecipeError: The file is missing, is not YAML, has unknown keys or values that are not allowed, or needs `data`.
        """
        path = Path(path)
        hint = "a benchmark's recipe is a YAML file such as benchmarks/recipes/reference.yaml"
        recipe = load_yaml(path, cls, RecipeError, hint)
        needs = next((corpus.path for corpus in recipe.corpora if DATA in corpus.path), None)
        if needs is not None and data is None:
            raise RecipeError(f"{path}: corpora: {needs!r} lies in a folder of yours; name it with --data DIR")

        def resolve(name: str) -> str:
            return str((path.parent / name.replace(DATA, str(Path(data or "").resolve()))).resolve())

        return recipe.model_copy(
            update={
                "codebook": resolve(recipe.codebook),
                "corpora": tuple(c.model_copy(update={"path": resolve(c.path)}) for c in recipe.corpora),
            }
        )


def split_name(split: _Split) -> str:
    """Name a split: as the recipe does, or by its kind."""
    return split.name or str(getattr(split, "kind"))  # noqa: B009  # every member of the union has one
