"""Choose the number format of matrix products in training and for sentence vectors."""

from __future__ import annotations

import time
from functools import cache

import torch

from ..errors import RecipeError

#: Shape of the products that are timed: the tokens of a small batch, times a feed-forward layer of a small encoder.
_ROWS, _WIDTH, _INNER = 512, 384, 1536

#: How often each format is timed. The shortest time counts.
_TURNS = 7

#: A CPU uses bf16 if it is at least this many times as fast as fp32. Conversions between the formats cost time, too.
_FASTER = 1.2


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
    on_gpu = torch.cuda.is_available()
    supported = torch.cuda.is_bf16_supported() if on_gpu else _cpu_supports_bf16()
    if wanted == "bf16" and not supported:
        raise RecipeError("precision: this machine does not support 'bf16'. Write 'auto' or 'fp32'")
    return "bf16" if supported and (wanted == "bf16" or on_gpu or bf16_speed() >= _FASTER) else "fp32"


def _cpu_supports_bf16() -> bool:
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
