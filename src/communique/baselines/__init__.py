"""Baselines, which are compared with the transformer behind the same protocol, `TrainableClassifier`.

`make` builds one by name; `save` and `load` keep those that consist of arrays and JSON in a folder that `communique label` and
`communique evaluate` open like any other model.
"""

from __future__ import annotations

from .base import Baseline, Storable
from .registry import NAMES, contents, make, options
from .saving import SavedBaseline, load, save

__all__ = [
    "NAMES",
    "Baseline",
    "SavedBaseline",
    "Storable",
    "contents",
    "load",
    "make",
    "options",
    "save",
]
