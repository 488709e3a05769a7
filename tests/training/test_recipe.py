"""Test recipes: all recipes of the repository load, and error messages name the key, the value and what is allowed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import ROOT, has_facts

from communique.data.codebook import Codebook
from communique.data.sources import CorpusSource
from communique.errors import RecipeError
from communique.training.recipe import Recipe

RECIPES = sorted((ROOT / "train" / "recipes").glob("*.y*ml"))
CONTENT: dict[str, Any] = {"name": "water-1", "codebook": "codebook.yaml", "corpora": [{"path": "data"}]}


def written(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return path


def refusal(tmp_path: Path, content: object) -> str:
    path = written(tmp_path, content)
    with pytest.raises(RecipeError) as caught:
        Recipe.load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def paths(recipe: Recipe, role: str) -> list[Path]:
    return [Path(source.path) for source in recipe.sources(role)]


def test_the_repository_has_recipes() -> None:
    assert RECIPES


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_the_repository_loads(path: Path) -> None:
    recipe = Recipe.load(path)
    # The next version of a model has another file.
    assert path.stem in (recipe.name, f"{recipe.name}-{recipe.version.rpartition('.')[0]}")
    assert recipe.description
    assert Codebook.load(recipe.codebook).names
    assert recipe.sources("train")
    for source in recipe.corpora:
        assert Path(source.path).exists()


def test_fields_have_the_documented_defaults(tmp_path: Path) -> None:
    recipe = Recipe.load(written(tmp_path, CONTENT))
    assert recipe.backbone == "e5-small"
    assert (recipe.max_tokens, recipe.epochs, recipe.batch_size, recipe.pooling) == (160, 3, 16, "mean")
    assert (recipe.learning_rate, recipe.head_learning_rate) == (5e-5, 5e-4)
    assert (recipe.freeze_embeddings, recipe.precision, recipe.seed) == (True, "auto", 0)
    assert recipe.corpora[0].role == "train"


def test_every_field_has_a_description() -> None:
    assert [name for name, field in Recipe.model_fields.items() if not field.description] == []


def test_paths_are_relative_to_the_folder_of_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "recipes"
    folder.mkdir()
    elsewhere = tmp_path / "elsewhere"
    content = CONTENT | {
        "codebook": "../codebook.yaml",
        "corpora": [
            {"path": "../data/*.csv"},
            {"path": str(elsewhere), "role": "validation"},
            {"path": "more.jsonl", "role": "train"},
        ],
    }
    path = written(folder, content)
    monkeypatch.chdir(folder)
    for given in (path, Path("recipe.yaml"), "recipe.yaml"):
        recipe = Recipe.load(given)
        assert recipe.codebook == str(tmp_path / "codebook.yaml")
        assert paths(recipe, "train") == [tmp_path / "data" / "*.csv", folder / "more.jsonl"]
        assert paths(recipe, "validation") == [elsewhere]


def test_backbone_is_a_folder_only_if_it_exists(tmp_path: Path) -> None:
    path = written(tmp_path, CONTENT | {"backbone": "org/model"})
    assert Recipe.load(path).backbone == "org/model"
    (tmp_path / "org" / "model").mkdir(parents=True)
    assert Recipe.load(path).backbone == str(tmp_path / "org" / "model")


def test_a_portable_recipe_contains_no_local_folder(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    content = CONTENT | {"corpora": [{"path": "data/a.csv"}], "backbone": "small"}
    portable = Recipe.load(written(tmp_path, content)).portable()
    assert portable.model_dump() == Recipe.model_validate(content).model_dump()
    assert str(tmp_path) not in portable.model_dump_json()


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("epoch", "epochs"),
        ("learning-rate", "learning_rate"),
        ("max_token", "max_tokens"),
        ("corpus", "corpora"),
        ("Seed", "seed"),
    ],
)
def test_error_for_an_unknown_key_suggests_the_nearest(tmp_path: Path, key: str, nearest: str) -> None:
    message = refusal(tmp_path, CONTENT | {key: 3})
    assert message == f"{key}: unknown key; did you mean {nearest!r}? allowed: {', '.join(Recipe.model_fields)}"


def test_an_unknown_key_that_resembles_none_is_not_guessed(tmp_path: Path) -> None:
    message = refusal(tmp_path, CONTENT | {"text_column": "Satz"})
    assert message.startswith("text_column: unknown key; allowed: name, ")


def test_error_for_an_unknown_key_of_a_corpus_suggests_the_nearest(tmp_path: Path) -> None:
    message = refusal(tmp_path, CONTENT | {"corpora": [{"path": "a"}, {"path": "b", "rôle": "train"}]})
    assert has_facts(message, "corpora.1.rôle: unknown key", "did you mean 'role'?", *CorpusSource.model_fields)


def test_all_errors_are_reported_in_one_line(tmp_path: Path) -> None:
    message = refusal(tmp_path, {"name": "water", "corpora": [{"path": "a"}], "epochs": 0, "sed": 1})
    assert message.startswith(
        "codebook: missing; epochs: 0 is not allowed. Write a number of at least 1; sed: unknown key"
    )


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("name", "Water 1", "name: 'Water 1' is not allowed. Write lower-case letters, digits and hyphens"),
        ("epochs", "five", "epochs: 'five' is not allowed. Write a whole number"),
        ("epochs", 1.5, "epochs: 1.5 is not allowed. Write a whole number"),
        ("batch_size", 0, "batch_size: 0 is not allowed. Write a number of at least 1"),
        ("learning_rate", 0, "learning_rate: 0 is not allowed. Write a number above 0.0"),
        ("learning_rate", "fast", "learning_rate: 'fast' is not allowed. Write a number"),
        ("learning_rate", float("inf"), "learning_rate: inf is not allowed. Write a finite number"),
        ("seed", -1, "seed: -1 is not allowed. Write a number of at least 0"),
        ("precision", "fp16", "precision: 'fp16' is not allowed. Write 'auto', 'fp32' or 'bf16'"),
        ("validation_share", 0.5, "validation_share: 0.5 is not allowed. Write a number below 0.5"),
        ("max_tokens", 4, "max_tokens: 4 is not allowed. Write a number of at least 8"),
        ("freeze_embeddings", "maybe", "freeze_embeddings: 'maybe' is not allowed. Write true or false"),
        (
            "codebook",
            3,
            'codebook: 3 is not allowed. Write text in quotes, such as "3": YAML reads yes, no, on and off as true or false, and '
            "1 as a number",
        ),
        ("corpora", "a.csv", "corpora: 'a.csv' is not allowed. Write a list, such as [a, b]"),
        (
            "corpora",
            ["a.csv", {"path": "b"}],
            "corpora.0: 'a.csv' is not allowed. Write entries of the form 'key: value'",
        ),
        ("corpora", [], "corpora: [] is not allowed. Write a list with 1 or more entries"),
        (
            "corpora",
            [{"path": "a", "role": "validation"}],
            "the whole file: no corpus has the role 'train'. Give one corpus this role, or remove its role, because 'train' is the "
            "default",
        ),
    ],
)
def test_values_that_are_not_allowed_are_refused(tmp_path: Path, key: str, value: object, message: str) -> None:
    assert refusal(tmp_path, CONTENT | {key: value}) == message


def test_role_that_is_not_allowed_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, CONTENT | {"corpora": [{"path": "a", "role": "dev"}]})
    assert message.startswith("corpora.0.role: 'dev' is not allowed. Write 'train', 'validation' or 'test'")


def test_rates_can_be_written_in_scientific_notation(tmp_path: Path) -> None:
    path = written(tmp_path, yaml.safe_dump(CONTENT) + "learning_rate: 5e-5\nhead_learning_rate: 0.0005\n")
    recipe = Recipe.load(path)
    assert (recipe.learning_rate, recipe.head_learning_rate) == (5e-5, 5e-4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the whole file: None is not allowed. Write entries of the form 'key: value'"),
        ("name: [a\nb", "not YAML in UTF-8: "),
        ("version: 2025-13-01\n", "not YAML in UTF-8: month "),
        (
            "name: a\ntask: multilabel\nlabels: []\n",
            "the whole file: this is a codebook, not a recipe. Name the tables",
        ),
        (
            "name: a\nkind: tfidf\n",
            "the whole file: 'kind' is no field of a recipe. Choose the classifier with the option",
        ),
    ],
)
def test_files_that_are_not_recipes_are_refused(tmp_path: Path, content: str, message: str) -> None:
    assert refusal(tmp_path, content).startswith(message)


def test_number_of_steps_depends_on_the_rows_with_a_minimum_and_a_maximum() -> None:
    recipe = Recipe.model_validate(CONTENT | {"batch_size": 10, "epochs": 3, "min_steps": 200, "max_epochs": 50})
    # 20 rows: 2 steps per epoch, and no more than 50 epochs. 90 rows: the minimum. 1,000 rows: 3 epochs.
    assert [recipe.steps(rows) for rows in (20, 90, 1000)] == [100, 200, 300]
    assert recipe.steps(1000, processes=2) == 200


@pytest.mark.parametrize(
    ("given", "name"), [("data/My Table.csv.gz", "my-table"), ("声明.csv", "model"), ("a b", "a-b")]
)
def test_tables_can_be_trained_without_a_recipe(
    given: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = Recipe.for_tables([given, "more.csv"], "mine.yaml")
    assert recipe.name == name
    assert paths(recipe, "train") == [tmp_path / given, tmp_path / "more.csv"]
    assert recipe.codebook == str(tmp_path / "mine.yaml")
    assert Recipe.for_tables([given], "mine.yaml", "water-1").name == "water-1"
    with pytest.raises(RecipeError, match="--name 'Water 1'"):
        Recipe.for_tables([given], "mine.yaml", "Water 1")
    with pytest.raises(RecipeError, match="--name ''"):
        Recipe.for_tables([given], "mine.yaml", "")


def test_every_field_is_documented_with_its_default() -> None:
    text = (ROOT / "docs/guides/recipes.md").read_text(encoding="utf-8")
    documented = dict(re.findall(r"^\| `(\w+)` \| (required|`[^`]*`) \| .+ \|$", text, re.MULTILINE))
    assert list(documented) == list(Recipe.model_fields)
    for name, field in Recipe.model_fields.items():
        default = "required" if field.is_required() else f"`{yaml.safe_dump(field.default).splitlines()[0]}`"
        assert documented[name] == default, name


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({"acts": True}, {"acts", "acts_weight", "kind_weight"}),
        ({"augment": True}, {"augment", "augment_share"}),
        ({"teachers": ["runs/folds"]}, {"teachers", "soft_weight", "unlabelled_weight"}),
        ({"unlabelled": [{"path": "texts.jsonl"}]}, {"unlabelled"}),
        ({"soup": 2}, {"soup"}),
    ],
)
def test_fields_that_are_not_used_do_not_change_the_identity_of_a_run(
    settings: dict[str, Any], fields: set[str]
) -> None:
    plain = Recipe.model_validate(CONTENT)
    switched_on = Recipe.model_validate(CONTENT | settings)
    assert set(switched_on.model_dump(mode="json")) - set(plain.model_dump(mode="json")) == fields
    for recipe in (plain, switched_on):
        assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe
    # A weight without effect does not change it either.
    unused = {"augment_share": 0.2, "soft_weight": 0.1, "acts_weight": 1.0}
    assert Recipe.model_validate(CONTENT | unused).model_dump() == plain.model_dump()


def test_teachers_and_unlabelled_texts_are_relative_to_the_recipe_and_have_short_names_elsewhere(
    tmp_path: Path,
) -> None:
    more = {"teachers": ["../runs/a.folds"], "unlabelled": [{"path": "texts/*.jsonl", "language": "de"}]}
    recipe = Recipe.load(written(tmp_path, CONTENT | more))
    assert recipe.teachers == (str(tmp_path.parent / "runs" / "a.folds"),)
    assert recipe.unlabelled[0].path == str(tmp_path / "texts" / "*.jsonl")
    portable = recipe.portable()
    assert (portable.teachers, portable.unlabelled[0].path) == (("runs/a.folds",), "texts/*.jsonl")


def test_rows_of_training_include_copies_and_unlabelled_rows() -> None:
    recipe = Recipe.model_validate(CONTENT | {"augment": True, "augment_share": 0.25})
    assert (recipe.rows(100), recipe.rows(100, 50)) == (125, 175)
    assert Recipe.model_validate(CONTENT).rows(100, 50) == 150


def test_error_for_a_missing_file_says_what_a_recipe_is(tmp_path: Path) -> None:
    path = tmp_path / "absent.yaml"
    with pytest.raises(RecipeError) as caught:
        Recipe.load(path)
    assert str(caught.value) == (
        f"{path}: No such file or directory. A recipe is a YAML file such as train/recipes/communique-small.yaml"
    )


@pytest.mark.parametrize(
    ("corpus", "facts"),
    [
        ("columns: {txt: body}", ["'txt'", "did you mean 'text'?"]),
        ("language: deutsch", ["'deutsch'", "Did you mean 'de'?"]),
        ("source: a\n  source: b", ["line", "'source' occurs twice"]),
    ],
)
def test_fields_of_a_corpus_that_would_have_no_effect_are_refused(
    tmp_path: Path, corpus: str, facts: list[str]
) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(f"name: x\ncodebook: c.yaml\ncorpora:\n- path: a.csv\n  {corpus}\n")
    with pytest.raises(RecipeError) as caught:
        Recipe.load(path)
    assert has_facts(str(caught.value), *facts)


def test_a_key_that_occurs_twice_is_refused_and_a_merged_key_is_not(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("name: x\ncodebook: c.yaml\ncorpora: [{path: a.csv}]\nseed: 1\nseed: 2\n")
    with pytest.raises(RecipeError, match="line 5: the key 'seed' occurs twice"):
        Recipe.load(path)
    path.write_text("name: x\ncodebook: c.yaml\ncorpora: [&a {path: a.csv, source: s}, {<<: *a, path: b.csv}]\n")
    assert [one.source for one in Recipe.load(path).corpora] == ["s", "s"]


@pytest.mark.parametrize("field", ["learning_rate", "head_learning_rate", "weight_decay", "acts_weight", "kind_weight"])
def test_infinite_numbers_are_refused(tmp_path: Path, field: str) -> None:
    assert refusal(tmp_path, CONTENT | {field: float("inf")}) == f"{field}: inf is not allowed. Write a finite number"


def test_a_seed_that_numpy_does_not_accept_is_refused(tmp_path: Path) -> None:
    assert "seed: 2147483648 is not allowed. Write a number of at most 2147483647" in refusal(
        tmp_path, CONTENT | {"seed": 2**31}
    )
