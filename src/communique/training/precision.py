"""Choose the number format of matrix products in training and for sentence vectors."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

import torch

from ..errors import RecipeError
from . import distributed
from .steps import recorded_precision

#: Shape of the products that are timed: the tokens of a small batch, times a feed-forward layer of a small encoder.
_ROWS, _WIDTH, _INNER = 512, 384, 1536

#: How often each format is timed. The shortest time counts.
_TURNS = 7

#: A CPU uses bf16 if it is at least this many times as fast as fp32. Conversions between the formats cost time, too.
_FASTER = 1.2


def precision_of_run(steps: Path | None, wanted: str) -> str:
    """Return the precision of a training: the one with which it began or, if it is new, the one that `resolve_precision` chooses.

    Without this, a training that resumes on another machine would have steps in both formats. With several processes, the first one
    chooses for all of them, because their measurements could differ.

    Args:
        steps: Folder with the steps of the training, which may not exist. None: the training is new.
        wanted: `auto`, `fp32` or `bf16`.

    Raises:
        RecipeError: bf16 is required, or the training began with it, but the device does not support it.
    """
    if wanted != "auto":
        return resolve_precision(wanted)
    begun = None if steps is None else recorded_precision(steps)
    chosen = distributed.from_first(lambda: begun or resolve_precision("auto"))
    if chosen == "bf16" and not _supports_bf16():
        raise RecipeError(
            f"{steps}: this training began with bf16, which this machine does not support. Continue it only on machines that do, "
            "or delete the folder to begin again"
        )
    return chosen


def resolve_precision(wanted: str) -> str:
    """Choose fp32 or bf16.

    GPUs that support bf16 use it. CPUs use it if their matrix products are faster with it, which is measured in a moment: with
    AMX they are several times as fast, but some CPUs with AVX-512-BF16 are slower than with fp32.

    Args:
        wanted: `auto`, `fp32` or `bf16`.

    Raises:
        RecipeError: bf16 is required, but the device does not support it.
    """
    if wanted == "fp32":
        return "fp32"
    if not _supports_bf16():
        if wanted == "bf16":
            raise RecipeError("precision: this machine does not support 'bf16'. Write 'auto' or 'fp32'")
        return "fp32"
    # The speed is measured only if it decides.
    return "bf16" if wanted == "bf16" or torch.cuda.is_available() or bf16_speed() >= _FASTER else "fp32"


def _supports_bf16() -> bool:
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


@cache
def bf16_speed() -> float:
    """Measure how many times as fast as in fp32 one core of this CPU multiplies matrices in bf16."""
    formats = torch.float32, torch.bfloat16
    matrices = {
        kind: (torch.ones(_ROWS, _WIDTH, dtype=kind), torch.ones(_INNER, _WIDTH, dtype=kind)) for kind in formats
    }
    shortest = dict.fromkeys(formats, float("inf"))
    threads = torch.get_num_threads()
    # With one thread, its processor time does not depend on what else runs on the machine.
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            for turn in range(_TURNS + 1):
                for kind, (tokens, weights) in matrices.items():
                    start = time.thread_time()
                    torch.nn.functional.linear(tokens, weights)
                    # The first product of a format prepares its program.
                    if turn:
                        shortest[kind] = min(shortest[kind], time.thread_time() - start)
    finally:
        torch.set_num_threads(threads)
    return shortest[torch.float32] / shortest[torch.bfloat16]
