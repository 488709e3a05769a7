"""Tests of benchmark recipes: all recipes in the repository load, and errors name the key, the value and what is allowed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import ROOT

from communique.baselines import NAMES
from communique.benchmark.held_out import held_out
from communique.benchmark.recipe import OWNED, BenchmarkRecipe, split_name
from communique.data.codebook import Codebook
from communique.errors import RecipeError
from communique.training.recipe import Recipe

RECIPES = [p for p in sorted((ROOT / "benchmarks" / "recipes").glob("*.yaml")) if not p.stem.endswith("codebook")]
CONTENT: dict[str, Any] = {
    "name": "water",
    "codebook": "codebook.yaml",
    "corpora": [{"path": "data.jsonl"}],
    "classifiers": [{"name": "prior", "kind": "prior"}],
    "splits": [{"kind": "documents"}],
}


def written(tmp_path: Path, **changes: object) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(CONTENT | changes), encoding="utf-8")
    return path


def refusal(tmp_path: Path, **changes: object) -> str:
    path = written(tmp_path, **changes)
    with pytest.raises(RecipeError) as caught:
        BenchmarkRecipe.load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_in_the_repository_loads(path: Path) -> None:
    recipe = BenchmarkRecipe.load(path, data=ROOT)
    assert recipe.name == path.stem
    assert recipe.description
    assert Codebook.load(recipe.codebook).names
    for classifier in recipe.classifiers:
        assert classifier.identity(0, path.parent)["kind"] in ("transformer", *NAMES)


def test_the_recipe_in_the_guide_loads(tmp_path: Path) -> None:
    guide = (ROOT / "docs/guides/baselines.md").read_text(encoding="utf-8")
    (tmp_path / "small.yaml").write_text(re.findall(r"```yaml\n(# small\.yaml\n.*?)```", guide, re.DOTALL)[0])
    recipe = BenchmarkRecipe.load(tmp_path / "small.yaml")
    assert {classifier.kind for classifier in recipe.classifiers} <= set(NAMES)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_no_recipe_in_the_repository_reads_held_out_files(path: Path) -> None:
    corpora = BenchmarkRecipe.load(path, data=ROOT).corpora
    assert held_out(c.path for c in corpora if Path(c.path).exists()) == []


def test_a_recipe_from_version_0_1_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    content = {("labelers" if key == "classifiers" else key): value for key, value in CONTENT.items()}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(
        RecipeError, match=r"the key 'labelers' is from communique 0\.1\. Write 'classifiers'"
    ) as caught:
        BenchmarkRecipe.load(path)
    assert "missing" not in str(caught.value), "there must be only one message"


def test_umsab_uses_separate_sets_and_settings_are_chosen_without_its_test_sets() -> None:
    folder = ROOT / "benchmarks" / "recipes"
    umsab = BenchmarkRecipe.load(folder / "umsab.yaml", data="tweets")
    role = {"train": "train", "val": "tuning", "test": "test"}
    assert {(c.role, c.language) for c in umsab.corpora} == {
        (r, language) for r in role.values() for language in ("ar", "en", "fr", "de", "hi", "it", "pt", "es")
    }
    assert all(c.role == role[Path(c.path).stem.rsplit("_", 1)[1]] for c in umsab.corpora)
    settings = BenchmarkRecipe.load(folder / "umsab-settings.yaml", data="tweets")
    assert not [c.path for c in settings.corpora if "_test" in c.path]
    assert umsab.seeds == (0, 1, 2)


def test_the_reference_benchmark_uses_the_settings_of_the_shipped_model() -> None:
    folder = ROOT / "benchmarks" / "recipes"
    classifier = BenchmarkRecipe.load(folder / "reference.yaml").classifiers[-1]
    ours, shipped = classifier.training_recipe(7, folder), Recipe.load(ROOT / "train/recipes/communique-small.yaml")
    assert ours.model_dump(exclude=set(OWNED)) == shipped.model_dump(exclude=set(OWNED))
    assert ours.seed == 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classifier": []}, "classifier: unknown key; did you mean 'classifiers'?"),
        ({"corpora": [{"path": "a", "rôle": "pool"}]}, "corpora.0.rôle: unknown key; did you mean 'role'?"),
        (
            {"splits": [{"kind": "few-shot", "shot": [8]}]},
            "splits.0.few-shot.shot: unknown key; did you mean 'shots'?",
        ),
        (
            {"classifiers": [{"name": "a", "kind": "tfidf-logref"}]},
            "kind 'tfidf-logref': unknown; did you mean 'tfidf-logreg'?",
        ),
        (
            {"classifiers": [{"name": "a", "kind": "transformer", "training": {"epoch": 3}}]},
            "training.epoch: unknown key; did you mean 'epochs'?",
        ),
        (
            {"classifiers": [{"name": "a", "kind": "transformer", "training": {"seed": 3}}]},
            "training.seed: the benchmark sets this",
        ),
        (
            {"classifiers": [{"name": "a", "kind": "prior", "training": {"epochs": 3}}]},
            "Use 'options' for the kind 'prior'",
        ),
        ({"classifiers": [CONTENT["classifiers"][0]] * 2}, "classifiers: two are named 'prior'"),
        ({"splits": [{"kind": "documents"}] * 2}, "splits: two are named 'documents'"),
        ({"reference": "lexicon"}, "'lexicon' is not a classifier in this recipe; allowed: prior"),
        ({"splits": [{"kind": "fixed"}]}, "'fixed' requires corpora with the roles 'train' (or 'pool') and 'test'"),
        ({"corpora": [{"path": "a", "role": "train"}]}, "'documents' requires a corpus with the role 'pool'"),
        (
            {"corpora": [{"path": "{data}/a.csv"}]},
            "'{data}/a.csv' is in a folder that you have to provide. Name it with --data DIR",
        ),
    ],
)
def test_invalid_recipes_raise_errors_that_name_the_key(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    assert message in refusal(tmp_path, **changes)


def test_paths_are_relative_to_the_recipe_and_data_is_replaced_by_the_option(tmp_path: Path) -> None:
    path = written(tmp_path, corpora=[{"path": "a.csv"}, {"path": "{data}/b.csv", "role": "train"}])
    recipe = BenchmarkRecipe.load(path, data=tmp_path / "tweets")
    assert [c.path for c in recipe.corpora] == [str(tmp_path / "a.csv"), str(tmp_path / "tweets" / "b.csv")]
    assert split_name(recipe.splits[0]) == "documents"


def test_the_identity_of_a_transformer_contains_only_settings_that_affect_its_results(tmp_path: Path) -> None:
    def identity(seed: int = 0, **training: object) -> dict[str, Any]:
        classifier = {"name": "a", "kind": "transformer", "training": training}
        return BenchmarkRecipe.load(written(tmp_path, classifiers=[classifier])).classifiers[0].identity(seed, tmp_path)

    assert identity() == identity(checkpoint_steps=7)
    assert identity() != identity(epochs=2)
    assert identity() != identity(seed=1)


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_seeds_that_numpy_does_not_accept_are_refused(tmp_path: Path, seed: int) -> None:
    assert refusal(tmp_path, seeds=[0, seed]).startswith(f"seeds.1: {seed} is not allowed. Write a number of at ")
