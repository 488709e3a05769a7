"""Fine-tune, measure and run multilingual stance classifiers on political and diplomatic text."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .codebook import Codebook
    from .corpus import Corpus
    from .errors import (
        BundleError,
        CodebookError,
        CommuniqueError,
        DataError,
        ExportError,
        LeakError,
        MissingExtraError,
        RecipeError,
        UnreachableError,
    )
    from .labeler import Labeler
    from .predictor import Predictions, Predictor
    from .recipe import Recipe
    from .report import Report
    from .statements import Statement

__version__ = "0.1.0"

__all__ = [
    "BundleError",
    "Codebook",
    "CodebookError",
    "CommuniqueError",
    "Corpus",
    "DataError",
    "ExportError",
    "Labeler",
    "LeakError",
    "MissingExtraError",
    "Predictions",
    "Predictor",
    "Recipe",
    "RecipeError",
    "Report",
    "Statement",
    "UnreachableError",
    "__version__",
]

_HOMES = {
    "Codebook": "codebook",
    "Corpus": "corpus",
    "Labeler": "labeler",
    "Predictions": "predictor",
    "Predictor": "predictor",
    "Recipe": "recipe",
    "Report": "report",
    "Statement": "statements",
}


def __getattr__(name: str) -> Any:
    # Modules load when they are used: `communique --help` need not wait for numpy.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES.get(name, 'errors')}", __name__), name)
