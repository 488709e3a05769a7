"""Build baselines by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from ..data.codebook import Codebook
from ..errors import RecipeError, did_you_mean
from ..io.atomic import tree_sha256
from ..training.e5 import E5_SMALL
from .base import Baseline

#: Module and class of each baseline. A module is imported on first use, because some need packages that a base install lacks.
_CLASSES = {
    "prior": ("prevalence", "Prior"),
    "majority": ("prevalence", "Majority"),
    "lexicon": ("lexicon", "LexiconClassifier"),
    "tfidf-logreg": ("tfidf", "TfidfLogReg"),
    "tfidf-svm": ("tfidf", "TfidfSVM"),
    "frozen-encoder": ("frozen_encoder", "FrozenEncoder"),
    "setfit": ("setfit", "SetFit"),
    "zero-shot-nli": ("nli", "ZeroShotNLI"),
    "chat": ("chat", "ChatClassifier"),
}

#: Names of the baselines, from the simplest to the most expensive.
NAMES = tuple(_CLASSES)


def _class_of(name: str) -> type[Baseline]:
    if name not in _CLASSES:
        hint = did_you_mean(name, NAMES, cutoff=0)
        raise RecipeError(f"baseline {name!r}: unknown; {hint}allowed: {', '.join(NAMES)}")
    module, attribute = _CLASSES[name]
    found: type[Baseline] = getattr(import_module(f".{module}", __package__), attribute)
    return found


def options(name: str) -> tuple[str, ...]:
    """Return the names of a baseline's options, without `codebook` and `seed`.

    Raises:
        RecipeError: There is no baseline with that name.
    """
    return tuple(set_ for set_ in inspect.signature(_class_of(name)).parameters if set_ not in ("codebook", "seed"))


def contents(name: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return hashes of the files and folders that options name, because editing a lexicon, for example, changes the baseline.

    Args:
        name: One of `NAMES`.
        settings: Options of that baseline.

    Returns:
        SHA-256 by option, without options whose value is not a file or folder here, such as a hub name.
    """
    return {
        option: tree_sha256(Path(settings[option])) for option in _class_of(name).files if _is_there(settings, option)
    }


def _is_there(settings: Mapping[str, Any], option: str) -> bool:
    return settings.get(option) is not None and settings[option] != E5_SMALL and Path(settings[option]).exists()


def make(name: str, codebook: Codebook, *, seed: int = 0, **settings: Any) -> Baseline:
    """Build a baseline by name. Call `fit` to train it.

    Args:
        name: One of `NAMES`.
        codebook: Codebook with the labels.
        seed: Seed of every random choice of the baseline.
        settings: Options of that baseline, see `options` and `docs/guides/baselines.md`.

    Raises:
        RecipeError: The name or an option is unknown, or an option without a default is missing.
    """
    found, known = _class_of(name), options(name)
    for setting in settings:
        if setting not in known:
            raise RecipeError(f"baseline {name!r}: unknown option {setting!r}; allowed: {', '.join(('seed', *known))}")
    parameters = inspect.signature(found).parameters
    for option in known:
        if option not in settings and parameters[option].default is inspect.Parameter.empty:
            raise RecipeError(f"baseline {name!r}: the option {option!r} is missing and has no default. Set it")
    return found(codebook, seed=seed, **settings)
