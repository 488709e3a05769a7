"""Measure sentences a second of `communique` against the stock pipeline, side by side in one run.

Both run the same architecture on the same number of threads over the same sentences in their given order. Contestants take
turns; the median of the turns counts. Last line: one JSON object.

    python benchmarks/speed.py [--texts DIR] [--checkpoint DIR] [-o benchmarks/results/speed.json]

Without `--texts` the sentences are those of data/authored; with it those of the reference sources, as they come.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from communique import Codebook, Corpus, Predictor
from communique.predictor import default_model
from communique.reference import read_corpora

ROOT = Path(__file__).parents[1]

#: Batch sizes of the pipeline; the fastest one is what `communique` is held against.
PIPELINE_BATCHES = (1, 8, 32)


def sentences(texts: Path | None, n: int) -> tuple[list[str], str]:
    """Give the first n different sentences in their given order, and say what they are."""
    if texts is None:
        corpus, data = Corpus.read(ROOT / "data/authored"), "data/authored"
    else:
        codebook = Codebook.load(ROOT / "data/codebook.yaml")
        corpus, _ = read_corpora([ROOT / "data/reference/train.jsonl"], codebook, texts)
        data = "data/reference/train.jsonl"
    # Every k-th sentence, so that all sources and languages are among them.
    different = list(dict.fromkeys(s.text for s in corpus))
    step = max(1, len(different) // n)
    return different[::step][:n], data


def contestants(bundle: Path, checkpoint: Path, threads: int) -> dict[str, Callable[[list[str]], Any]]:
    """Build what is measured: name to a function that labels texts."""
    import torch
    from transformers import pipeline

    torch.set_num_threads(threads)
    stock = pipeline("text-classification", str(checkpoint), device="cpu", top_k=None)
    predictor = Predictor(bundle, threads=threads)
    functions: dict[str, Callable[[list[str]], Any]] = {
        f"pipeline fp32, batch {size}": partial(stock, batch_size=size, truncation=True) for size in PIPELINE_BATCHES
    }
    return functions | {"communique": predictor.predict}


def measure(functions: dict[str, Callable[[list[str]], Any]], texts: list[str], turns: int) -> dict[str, list[float]]:
    """Time each function in turns; give seconds by name. A first turn on few texts warms up and does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function(texts[:64])
    for turn in range(turns):
        for name, function in functions.items():
            start = time.perf_counter()
            function(texts)
            seconds[name].append(time.perf_counter() - start)
            print(f"turn {turn + 1}/{turns}  {name}: {len(texts) / seconds[name][-1]:.1f} sentences/s", file=sys.stderr)
    return seconds


def main() -> None:
    """Run the benchmark and print a table and one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--checkpoint", type=Path, default=ROOT / "runs/communique-small")
    parser.add_argument("--sentences", type=int, default=600)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("-o", "--out", type=Path)
    arguments = parser.parse_args()
    if not arguments.checkpoint.is_dir():
        parser.error(f"{arguments.checkpoint}: no checkpoint; `make train` leaves one, or name one with --checkpoint")

    texts, data = sentences(arguments.texts, arguments.sentences)
    functions = contestants(arguments.bundle or default_model(), arguments.checkpoint, arguments.threads)
    seconds = measure(functions, texts, arguments.turns)
    rates = {name: len(texts) / statistics.median(times) for name, times in seconds.items()}
    best = max((name for name in rates if name != "communique"), key=lambda name: rates[name])
    # Ratios of the same turn, so that a slow spell of the machine hits both sides.
    ratios = [a / b for a, b in zip(seconds[best], seconds["communique"], strict=True)]
    result = {
        "benchmark": "speed",
        "data": data,
        "sentences": len(texts),
        "threads": arguments.threads,
        "turns": arguments.turns,
        "sentences_per_second": {name: round(rate, 1) for name, rate in rates.items()},
        "best_pipeline": best,
        "ratio": round(statistics.median(ratios), 2),
        "ratio_range": [round(min(ratios), 2), round(max(ratios), 2)],
        "cpu": cpu(),
        "versions": {name: metadata.version(name) for name in ("openvino", "tokenizers", "torch", "transformers")},
    }
    for name, rate in rates.items():
        print(f"{name:<24} {rate:8.1f} sentences/s")
    line = json.dumps(result)
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(line)


def cpu() -> dict[str, Any]:
    """Name the processor and those of its abilities on which 8-bit and bf16 speed depend."""
    import torch

    found = torch.cpu.get_capabilities()
    names = ("avx2", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
    return {
        "name": found.get("cpu_name", platform.processor()),
        "cores": found.get("num_physical_cores"),
        **{name: bool(found.get(name)) for name in names},
    }


if __name__ == "__main__":
    main()
