"""Shares of labels that can be printed: estimates from a model's labels and a coded sample, with valid intervals.

::

    inputs ─> EstimationData (predictions + gold, design) ─> analyse ─> Analysis ─> tidy tables, methods paragraph, figures

`design` has the sample and its variance, `estimators` the shares, `regression` and `contrasts` what is built on them.
"""

from .analysis import Analysis, analyse
from .inputs import EstimationData, read
from .sample import Sample

__all__ = ["Analysis", "EstimationData", "Sample", "analyse", "read"]
