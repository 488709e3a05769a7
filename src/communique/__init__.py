"""Fine-tune, measure and run multilingual stance classifiers on political and diplomatic text."""

from __future__ import annotations

from importlib import import_module

#: Same meaning as in `typing`. `typing` is not imported here, because every import before `cli.start` runs is a moment in which
#: Ctrl-C ends in a traceback.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .data.codebook import Codebook
    from .data.corpus import Corpus
    from .data.sentence import Sentence
    from .errors import (
        BundleError,
        ChangedError,
        CodebookError,
        CommuniqueError,
        CorpusError,
        DataError,
        ExportError,
        FormatError,
        LeakError,
        LimitReachedError,
        MissingExtraError,
        NotFoundError,
        OutputError,
        RecipeError,
        UnreachableError,
    )
    from .metrics.report import Report
    from .models.classifier import Classifier
    from .models.predictions import Predictions
    from .models.predictor import Predictor
    from .training.recipe import Recipe

__version__ = "0.2.0.dev0"

__all__ = [
    "BundleError",
    "ChangedError",
    "Classifier",
    "Codebook",
    "CodebookError",
    "CommuniqueError",
    "Corpus",
    "CorpusError",
    "DataError",
    "ExportError",
    "FormatError",
    "LeakError",
    "LimitReachedError",
    "MissingExtraError",
    "NotFoundError",
    "OutputError",
    "Predictions",
    "Predictor",
    "Recipe",
    "RecipeError",
    "Report",
    "Sentence",
    "UnreachableError",
    "__version__",
]

_HOMES = {
    "Codebook": "data.codebook",
    "Corpus": "data.corpus",
    "Classifier": "models.classifier",
    "Predictions": "models.predictions",
    "Predictor": "models.predictor",
    "Recipe": "training.recipe",
    "Report": "metrics.report",
    "Sentence": "data.sentence",
}


def __getattr__(name: str) -> Any:
    # Load modules when they are first used, so that `communique --help` does not wait for numpy.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES.get(name, 'errors')}", __name__), name)
