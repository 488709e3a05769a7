"""Measure how many 8-bit operations per second OpenVINO's CPU plugin reaches in matrix products alone.

    python benchmarks/int8_limit.py [--threads 2]

There are two limits. The first is measured on products with the shapes of the shipped model: the four of attention and the two of
the feed-forward part, as one chain with requantisation between them, as in a layer. The second is measured on a square product of
size 4,096. `speed.py` compares the operations that labelling needs with the first limit.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

import numpy as np

#: Number of rows (tokens) of a product. It is larger than in the predictor's batches, so that the result is an upper limit.
TOKENS = 1024

#: Hidden width and feed-forward width of multilingual-e5-small.
HIDDEN, FORWARD = 384, 1536

#: Shapes of the weights of a layer: query, key, value and attention output, then the two of the feed-forward part.
SHAPES = ((HIDDEN, HIDDEN),) * 4 + ((HIDDEN, FORWARD), (FORWARD, HIDDEN))

#: How often the shapes of one layer are chained, so that the conversions to and from 8 bits take little of the time.
LAYERS = 6


def chain(rows: int, shapes: tuple[tuple[int, int], ...]) -> Any:
    """Build a chain of products (rows, in) x (in, out) with fake quantisations, so that the plugin computes them in 8 bits."""
    import openvino as ov
    from openvino import opset13 as ops

    draw = np.random.default_rng(0)
    given = ops.parameter([rows, shapes[0][0]], np.float32)
    value = given
    for inner, outer in shapes:
        bounds = [np.float32(-4), np.float32(4 * 127 / 128)]
        quantised = ops.fake_quantize(value, *(ops.constant(b) for b in bounds * 2), 256)
        weight = ops.constant(draw.integers(-127, 128, (outer, inner), np.int8))
        scaled = ops.multiply(ops.convert(weight, np.float32), ops.constant(np.float32(0.05 / inner**0.5)))
        value = ops.matmul(quantised, scaled, False, True)
    return ov.Model([ops.result(value)], [given])


def operations(rows: int, shapes: tuple[tuple[int, int], ...]) -> int:
    """Return the number of multiplications and additions."""
    return sum(2 * rows * inner * outer for inner, outer in shapes)


def rate(rows: int, shapes: tuple[tuple[int, int], ...], threads: int, turns: int) -> tuple[float, set[str]]:
    """Return the median operations per second over turns, with as many streams as threads, and the types of the kernels."""
    import openvino as ov

    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": threads}
    compiled = ov.Core().compile_model(chain(rows, shapes), "CPU", settings)
    requests = [compiled.create_infer_request() for _ in range(threads)]
    data = np.random.default_rng(1).normal(size=(rows, shapes[0][0])).astype(np.float32)
    repeats = max(1, round(4e10 / operations(rows, shapes)))

    def run() -> None:
        for request in requests:
            request.start_async({0: data})
        for request in requests:
            request.wait()

    run()
    seconds = []
    for _ in range(turns):
        start = time.perf_counter()
        for _ in range(repeats):
            run()
        seconds.append(time.perf_counter() - start)
    kernels = {
        str(node.get_rt_info()["primitiveType"].value)
        for node in compiled.get_runtime_model().get_ops()
        if "FullyConnected" in str(node.get_rt_info()["layerType"].value)
    }
    return threads * repeats * operations(rows, shapes) / statistics.median(seconds), kernels


def limits(threads: int, turns: int = 5) -> dict[str, Any]:
    """Measure both limits in 8-bit operations per second (multiplications and additions)."""
    own, kernels = rate(TOKENS, SHAPES * LAYERS, threads, turns)
    square, more = rate(4096, ((4096, 4096),), threads, turns)
    return {"model_shapes": own, "square_4096": square, "kernels": sorted(kernels | more)}


def operations_a_token(layers: int = 12) -> int:
    """Return the number of 8-bit operations of the shipped model per token.

    The last layer computes keys and values for all tokens, and everything else for the first token only. The operations for the
    first token only are not counted.
    """
    return (layers - 1) * operations(1, SHAPES) + operations(1, SHAPES[1:3])


def main() -> None:
    """Print the limits, with one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    found = limits(parser.parse_args().threads)
    for name in ("model_shapes", "square_4096"):
        print(f"{name:<14} {found[name] / 1e12:6.2f} tera-operations per second")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
