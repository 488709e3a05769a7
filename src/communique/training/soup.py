"""Average the weights of several fits from the same start (Wortsman et al. 2022, "Model Soups"). Requires the extra `train`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ..errors import RecipeError
from ..io.atomic import disk_errors
from . import distributed

Weights = Mapping[str, torch.Tensor]


class Soup:
    """The mean of the weights of several fits of a model, each of which starts from the weights that the model has now.

    With a single fit, nothing is copied or stored.

    Args:
        model: The model. Only the weights that are trained are averaged.
        size: Number of fits.
        folder: Folder in which the weights of finished fits are stored, so that a resumed run does not repeat them. None: they are
            not stored.

    Attributes:
        seconds: Seconds of all finished fits.
        earlier_seconds: Those of them that passed in earlier runs.
    """

    def __init__(self, model: torch.nn.Module, size: int, folder: Path | None) -> None:
        self.model, self.size, self.folder = model, size, folder
        self._start = trained_weights(model) if size > 1 else {}
        self._sum: dict[str, torch.Tensor] = {}
        self.seconds = self.earlier_seconds = 0.0

    def steps(self, fit: int) -> Path | None:
        """Return the folder for the checkpoints of a fit."""
        return self.folder if self.folder is None or fit == 0 else self.folder / f"fit-{fit}"

    def begin(self, fit: int) -> bool:
        """Set the weights of the start. Return False if the fit is already finished."""
        stored = self._stored(fit)
        if self.size == 1 or stored is None or not stored.exists():
            if fit:
                set_weights(self.model, self._start)
            return True
        self._add(load_file(stored))
        with safe_open(stored, "pt") as content:
            # Files of older versions have no duration.
            seconds = float((content.metadata() or {}).get("seconds", 0.0))
        self.seconds += seconds
        self.earlier_seconds += seconds
        return False

    def end(self, fit: int, seconds: float, *, earlier: float = 0.0) -> None:
        """Add the weights that the model has now, and store them.

        Args:
            fit: Number of the fit.
            seconds: Duration of the fit.
            earlier: Part of the duration that passed in earlier runs.
        """
        self.seconds += seconds
        self.earlier_seconds += earlier
        if self.size == 1:
            return
        weights = trained_weights(self.model)
        stored, steps = self._stored(fit), self.steps(fit)
        if stored is not None and steps is not None and distributed.rank() == 0:
            # A killed process must not leave a truncated file under this name.
            part = stored.with_suffix(".part")
            with disk_errors(stored):
                save_file(weights, part, metadata={"seconds": str(seconds)})
                part.replace(stored)
            for checkpoint in steps.glob("checkpoint-*"):
                shutil.rmtree(checkpoint)
        self._add(weights)

    def average(self) -> None:
        """Set the mean of the weights of all fits."""
        if self.size > 1:
            set_weights(self.model, {name: total / self.size for name, total in self._sum.items()})

    def _stored(self, fit: int) -> Path | None:
        return None if self.folder is None else self.folder / f"fit-{fit}.safetensors"

    def _add(self, weights: Weights) -> None:
        for name, value in weights.items():
            value = value.double()
            self._sum[name] = self._sum[name] + value if name in self._sum else value


def trained_weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return copies of the weights that are trained, by name."""
    return {name: p.detach().cpu().clone().contiguous() for name, p in model.named_parameters() if p.requires_grad}


def set_weights(model: torch.nn.Module, weights: Weights) -> None:
    """Replace the weights that are trained.

    Raises:
        RecipeError: The weights have other names or shapes than those of the model.
    """
    own = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if {name: p.shape for name, p in own.items()} != {name: value.shape for name, value in weights.items()}:
        raise RecipeError(
            "soup: the weights to average belong to models with another architecture or other labels. Delete the folder of the "
            "interrupted training to start again"
        )
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(weights[name])
