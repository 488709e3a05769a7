"""Store the outputs of classifiers that took hours to train, so that an interrupted benchmark can resume on another machine.

The files contain numbers only. Hashes show whether they still belong to the same rows and to the same settings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from communique.data.sentence import Sentence
from communique.io.atomic import replacing
from communique.selection.candidates import Candidate, TransformerCandidate
from communique.training.backbones import backbone_sha256
from communique.training.recipe import DESCRIPTIVE

Arrays = dict[str, NDArray[np.float32]]

#: Names of the hashes in a file.
_HASHES = "rows", "settings"

#: Fields of a recipe that do not affect the training. The rows and the codebook of a benchmark are not those of a recipe.
_NEUTRAL = {*DESCRIPTIVE, "codebook", "corpora"}


def store(path: Path, rows: Sequence[Sentence], settings: Mapping[str, object], arrays: Arrays, seconds: float) -> None:
    """Write arrays of logits for some rows, and the seconds that computing them took.

    Args:
        path: The file.
        rows: The rows to which the logits belong.
        settings: Everything else that determines the logits, as values for JSON.
        arrays: The logits.
        seconds: The duration.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    hashes = {name: np.array(digest) for name, digest in _digests(rows, settings).items()}
    with replacing(path, "wb") as handle:
        np.savez_compressed(handle, allow_pickle=False, seconds=seconds, **hashes, **arrays)


def load(path: Path, rows: Sequence[Sentence], settings: Mapping[str, object]) -> Arrays:
    """Read the arrays of a file, including `seconds`. A file of an earlier version has no record of its settings.

    Raises:
        SystemExit: The file was written for other rows or with other settings.
    """
    with np.load(path, allow_pickle=False) as kept:
        for name, digest in _digests(rows, settings).items():
            if name in kept.files and str(kept[name]) != digest:
                raise SystemExit(f"{path}: written for other {name}. Delete this file and fit again")
        return {name: kept[name] for name in kept.files if name not in _HASHES}


def settings_of(candidate: Candidate) -> dict[str, object]:
    """Return the settings that determine what a candidate learns. They do not depend on the folders of the machine."""
    recipe = candidate.recipe.portable().model_dump(mode="json", exclude=_NEUTRAL)
    if candidate.kind != TransformerCandidate.kind:
        recipe = {name: recipe[name] for name in ("seed", "max_tokens")}
    return {"kind": candidate.kind, "recipe": recipe, "backbones": [_backbone(one) for one in candidate.backbones]}


@cache
def _backbone(name: str) -> str | None:
    return backbone_sha256(name)


def rows_sha256(rows: Sequence[Sentence]) -> str:
    """Return a hash of the ids of rows."""
    return hashlib.sha256("\n".join(s.id for s in rows).encode()).hexdigest()


def _digests(rows: Sequence[Sentence], settings: Mapping[str, object]) -> dict[str, str]:
    text = json.dumps(settings, sort_keys=True)
    return {"rows": rows_sha256(rows), "settings": hashlib.sha256(text.encode()).hexdigest()}
