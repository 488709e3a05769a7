"""Find the encoders from which training on some labelled rows can start."""

from __future__ import annotations

from ..data.corpus import Corpus
from ..errors import BundleError
from ..models.folder import read_info
from ..models.leakage import find_leak
from ..models.predictor import default_model
from ..training.recipe import Recipe


def encoders_for(recipe: Recipe, corpus: Corpus) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the backbones to compare in order of preference, and lines for the report about an encoder that is left out.

    If the recipe names a backbone, only that one is used. Otherwise the encoder of the shipped model is compared with the default
    one, unless it was trained on some of the labelled rows, because then its cross-validation scores would be too high.

    Args:
        recipe: The recipe.
        corpus: The labelled rows.
    """
    if "backbone" in recipe.model_fields_set:
        return (recipe.backbone,), ()
    left_out = "The encoder of the shipped model was not compared: "
    try:
        folder = default_model()
        info = read_info(folder)
    except BundleError:
        return (recipe.backbone,), (f"{left_out}no shipped model is installed.",)
    if info.kind == "baseline":
        return (recipe.backbone,), (f"{left_out}{folder} has no encoder.",)
    leak = find_leak(folder, info, corpus)
    if leak.kinds:
        reason = f"{leak.describe()} of {info.name}, so its scores would be too high."
        return (recipe.backbone,), (left_out + reason,)
    return (str(folder.resolve()), recipe.backbone), ()
