"""Estimate label proportions with valid intervals from a model's labels and a coded sample.

::

    inputs ─> EstimationData (predictions + gold, design) ─> analyse ─> Analysis ─> tidy tables, methods paragraph, figures

`sample` defines the sample and its variance, and `estimators` the proportions. `regression` and `contrasts` build on them.
"""

from .analysis import Analysis, analyse
from .inputs import EstimationData, read
from .sample import Sample

__all__ = ["Analysis", "EstimationData", "Sample", "analyse", "read"]
