"""The recipe of a benchmark, a validated YAML file that specifies data, classifiers, seeds and splits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..baselines import NAMES, contents
from ..config import describe, load_yaml
from ..data.sources import CorpusFields
from ..errors import RecipeError, did_you_mean
from ..io.atomic import tree_sha256
from ..training.e5 import E5_SMALL
from ..training.recipe import DESCRIPTIVE, MAX_SEED, Recipe

#: Placeholder in the path of a corpus for the folder that `--data` names.
DATA = "{data}"

#: Settings that a training section must not contain, because the benchmark sets them.
OWNED = (*DESCRIPTIVE, "codebook", "corpora", "seed", "validation_share")

#: Settings of a training recipe that affect neither the model nor its score.
NEUTRAL = (*OWNED, "checkpoint_steps")

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class BenchmarkCorpus(CorpusFields):
    """A labelled corpus and its role."""

    role: Literal["train", "pool", "tuning", "test"] = Field(
        "pool",
        description="pool: splits draw training, tuning and test documents from it; train: used for training only; "
        "tuning, test: fixed sets for tuning and testing",
    )


class ClassifierSettings(_Frozen):
    """A classifier of the grid."""

    name: Name = Field(description="name in tables and files; lower-case letters, digits and hyphens")
    kind: str = Field(min_length=1, description="transformer, or the name of a baseline in communique.baselines")
    options: dict[str, Any] = Field(default_factory=dict, description="options of a baseline")
    recipe: str | None = Field(None, description="for a transformer: the training recipe whose settings are used")
    training: dict[str, Any] = Field(
        default_factory=dict, description="for a transformer: settings as in a training recipe"
    )
    cache: bool = Field(
        False,
        description="for a baseline: reuse embeddings or answers in its other runs; its times are then not comparable",
    )
    seeds: int | None = Field(None, ge=1, description="number of the recipe's seeds to use; default: all")

    @model_validator(mode="after")
    def _fits_kind(self) -> ClassifierSettings:
        if self.kind == "transformer":
            if self.options:
                raise ValueError("options: only baselines have options. Use 'recipe' and 'training' for a transformer")
            owned = [key for key in self.training if key in OWNED]
            if owned:
                raise ValueError(f"training.{owned[0]}: the benchmark sets this. Remove it")
            self.training_recipe(0)
            return self
        if self.kind not in NAMES:
            allowed = ("transformer", *NAMES)
            hint = did_you_mean(self.kind, allowed, cutoff=0)
            raise ValueError(f"kind {self.kind!r}: unknown; {hint}allowed: {', '.join(allowed)}")
        if self.recipe or self.training:
            raise ValueError(
                f"'recipe' and 'training' are settings of the kind 'transformer'. Use 'options' for the kind {self.kind!r}"
            )
        return self

    def training_recipe(self, seed: int, folder: Path | None = None) -> Recipe:
        """Return the training recipe of a transformer.

        Args:
            seed: Seed of the run.
            folder: Folder of the benchmark's recipe. Default: the file `recipe` is not read.

        Raises:
            RecipeError: The file `recipe` is invalid.
            ValueError: The section `training` is invalid.
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
        """Return everything that determines the classifier's results, as plain values."""
        if self.kind != "transformer":
            files = contents(self.kind, self.options)
            return {"kind": self.kind, "options": self.options, "seed": seed} | ({"files": files} if files else {})
        # Defaults are included, so that an old result is not reused after a default has changed.
        recipe = self.training_recipe(seed, folder).portable()
        training = recipe.model_dump(mode="json", exclude=set(NEUTRAL))
        found: dict[str, Any] = {"kind": self.kind, "training": training, "seed": seed}
        backbone = self.training_recipe(seed, folder).backbone
        if backbone != E5_SMALL and Path(backbone).is_dir():
            found["files"] = {"backbone": tree_sha256(Path(backbone))}
        return found


class _Split(_Frozen):
    name: Name | None = Field(None, description="name in tables and files; default: the kind")
    seed: int = Field(
        0,
        ge=0,
        le=MAX_SEED,
        description="seed of the draw of test and tuning documents, which are the same for all seeds of a classifier",
    )
    tuning_share: float = Field(
        0.15,
        ge=0,
        lt=0.5,
        description="proportion of the rows outside the test set that is used for tuning, drawn by document; not used if a "
        "corpus has the role 'tuning'. With 0, nothing is tuned",
    )
    classifiers: tuple[str, ...] | None = Field(None, description="names of the classifiers to run; default: all")
    seeds: int | None = Field(None, ge=1, description="number of the recipe's seeds to use; default: all")


class FixedSplit(_Split):
    """A split that trains on the corpora with the roles `train` and `pool`, and tests on those with the role `test`."""

    kind: Literal["fixed"]


class DocumentsSplit(_Split):
    """A split that draws test documents, balanced by label, source and language."""

    kind: Literal["documents"]
    folds: int = Field(
        5, ge=2, description="number of parts into which the documents are divided; each test set is one part"
    )
    run: tuple[int, ...] = Field(
        (0,), description="numbers of the parts that are used as test sets, each in a separate run"
    )


class LeaveOneOutSplit(_Split):
    """A split that tests on each language or source, after training without it."""

    kind: Literal["leave-one-language-out", "leave-one-source-out"]
    least: int = Field(
        50, ge=1, description="minimum number of rows; a value with fewer rows is used for training only"
    )


class TimeSplit(_Split):
    """A split that trains on earlier documents and tests on the latest ones. It requires dates."""

    kind: Literal["time"]
    test_share: float = Field(0.2, gt=0, lt=1, description="proportion of the dated rows that is used for testing")


class FewShotSplit(_Split):
    """A split that trains on a few rows per label, and tunes on at most as many rows in total."""

    kind: Literal["few-shot"]
    folds: int = Field(5, ge=2, description="as for the kind 'documents'; the first part is the test set")
    shots: tuple[int, ...] = Field((8, 16, 32, 64), description="numbers of rows per label")


class LearningCurveSplit(_Split):
    """A split that trains on increasing proportions of the training documents."""

    kind: Literal["learning-curve"]
    folds: int = Field(5, ge=2, description="as for the kind 'documents'; the first part is the test set")
    shares: tuple[float, ...] = Field((0.05, 0.1, 0.25, 0.5, 1.0), description="proportions of the training documents")


class CrossLingualSplit(_Split):
    """A split that trains on each language and tests on all languages."""

    kind: Literal["cross-lingual"]
    folds: int = Field(5, ge=2, description="as for the kind 'documents'; the first part is the test set")
    least: int = Field(
        100, ge=1, description="minimum number of training rows; a language with fewer is not trained on"
    )


Split = Annotated[
    FixedSplit | DocumentsSplit | LeaveOneOutSplit | TimeSplit | FewShotSplit | LearningCurveSplit | CrossLingualSplit,
    Field(discriminator="kind"),
]


class Published(_Frozen):
    """A published score to show in the table."""

    name: str = Field(min_length=1)
    average: float = Field(gt=0, lt=1, description="mean of macro-F1 over languages")
    by_language: dict[str, float] = Field(default_factory=dict)
    citation: str = Field(min_length=1)


class BenchmarkRecipe(_Frozen):
    """The settings of a benchmark. Paths are relative to the folder of the recipe."""

    name: Name = Field(description="name of the results")
    description: str = Field("", description="one sentence for the tables")
    codebook: str = Field(description="YAML file with the labels")
    corpora: tuple[BenchmarkCorpus, ...] = Field(min_length=1, description="labelled corpora with their roles")
    classifiers: tuple[ClassifierSettings, ...] = Field(min_length=1)
    seeds: tuple[Annotated[int, Field(ge=0, le=MAX_SEED)], ...] = Field(
        (0,), min_length=1, description="seeds of initial weights, order and samples; each makes a run"
    )
    splits: tuple[Split, ...] = Field(min_length=1)
    reference: str | None = Field(
        None, description="classifier with which all others are compared, in addition to the best"
    )
    published: tuple[Published, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _current(cls, content: object) -> object:
        if isinstance(content, dict) and "labelers" in content:
            raise ValueError("the key 'labelers' is from communique 0.1. Write 'classifiers', also in the splits")
        return content

    @model_validator(mode="after")
    def _consistent(self) -> BenchmarkRecipe:
        names = [classifier.name for classifier in self.classifiers]
        for what, given in (("classifiers", names), ("splits", [split_name(split) for split in self.splits])):
            repeated = [name for name, n in Counter(given).items() if n > 1]
            if repeated:
                raise ValueError(f"{what}: two are named {repeated[0]!r}. Use a different name for each")
        wanted = [name for split in self.splits for name in split.classifiers or ()] + [self.reference or names[0]]
        for name in wanted:
            if name not in names:
                raise ValueError(f"{name!r} is not a classifier in this recipe; allowed: {', '.join(names)}")
        roles = {corpus.role for corpus in self.corpora}
        for split in self.splits:
            if split.kind == "fixed":
                if "test" not in roles or not roles & {"train", "pool"}:
                    raise ValueError("splits: 'fixed' requires corpora with the roles 'train' (or 'pool') and 'test'")
            elif "pool" not in roles:
                raise ValueError(f"splits: {split.kind!r} requires a corpus with the role 'pool'")
        return self

    @classmethod
    def load(cls, path: str | Path, *, data: str | Path | None = None) -> BenchmarkRecipe:
        """Read the recipe of a benchmark. Paths of corpora and of the codebook become absolute.

        Args:
            path: The YAML file.
            data: Folder that replaces `{data}` in paths of corpora.

        Raises:
            RecipeError: The file is missing, is not YAML, has unknown keys or invalid values, or requires `data`.
        """
        path = Path(path)
        hint = "A benchmark's recipe is a YAML file such as benchmarks/recipes/reference.yaml"
        recipe = load_yaml(path, cls, RecipeError, hint)
        needs = next((corpus.path for corpus in recipe.corpora if DATA in corpus.path), None)
        if needs is not None and data is None:
            raise RecipeError(
                f"{path}: corpora: {needs!r} is in a folder that you have to provide. Name it with --data DIR"
            )

        def resolve(name: str) -> str:
            return str((path.parent / name.replace(DATA, str(Path(data or "").resolve()))).resolve())

        return recipe.model_copy(
            update={
                "codebook": resolve(recipe.codebook),
                "corpora": tuple(c.model_copy(update={"path": resolve(c.path)}) for c in recipe.corpora),
            }
        )


def split_name(split: _Split) -> str:
    """Return the name of a split in the recipe, or its kind if it has no name."""
    return split.name or str(getattr(split, "kind"))  # noqa: B009  # Every member of the union has a kind.
