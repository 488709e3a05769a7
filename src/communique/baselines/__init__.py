"""Baselines to compare the transformer with. All implement the same protocol, `TrainableClassifier`.

`make` builds a baseline by name. `save` and `load` write and open the folder of a baseline that consists of arrays and JSON.
`communique label` and `communique evaluate` open such a folder like any other model.
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
