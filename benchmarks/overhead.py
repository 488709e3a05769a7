"""Measure how much time `communique label` spends on everything except the network.

    python benchmarks/overhead.py --texts DIR [--rows 3000] [--turns 5] [-o benchmarks/results/overhead.json]

This includes reading, identifying languages, tokenizing, storing shards and writing. The same real sentences are labelled from a
JSON Lines file to a Parquet file, and run through the network alone after tokenizing. Both alternate in one process in which the
model is open. The results are medians of wall time and of the processor time of all threads. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from speed import sentences

from communique import Predictor
from communique.io.paths import find_files
from communique.io.write import write_jsonl
from communique.labelling.options import Options
from communique.labelling.reader import ShardReader
from communique.labelling.run import SHARD_ROWS, FileSink, LocalEngine, label_files
from communique.labelling.shard_folder import ShardFolder
from communique.labelling.write import OutputForm
from communique.models.outputs import NetworkOutputs
from communique.reporting.progress import ProgressReporter


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Run a function once. Return the seconds of wall time, and of processor time of all threads."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def label(predictor: Predictor, source: Path, out: Path) -> None:
    """Label an input file to an output file, as the command does."""
    reader = ShardReader(find_files([source]), Options(shard_rows=SHARD_ROWS))
    engine, folder = LocalEngine(predictor), ShardFolder(out, {}, resume=False)
    try:
        label_files(
            reader,
            engine,
            FileSink(folder, OutputForm(out.name, out.suffix, None, predictor.info, predictor.codebook)),
            ProgressReporter(reader.bytes, lambda _: None),
        )
    finally:
        folder.close()


def run_network(predictor: Predictor, parts: list[Any]) -> None:
    """Compute the logits of tokenized texts, one part after the other."""
    network = predictor._open(acts=False)[1]
    for encodings in parts:
        outputs = NetworkOutputs.empty(len(encodings), len(predictor.codebook.names), None)
        predictor._run(network, outputs, [], encodings)


def main() -> None:
    """Measure in alternating turns and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("-o", "--out", type=Path)
    given = parser.parse_args()
    texts, data = sentences(given.texts, given.rows)
    predictor = Predictor.load(threads=given.threads)
    predictor.predict(texts)
    # Batches have the size of the command's shards.
    size = SHARD_ROWS
    encodings = [predictor.tokenizer.encode_batch(texts[i : i + size]) for i in range(0, len(texts), size)]
    shares: dict[str, list[float]] = {"wall": [], "processor": []}
    rates = []
    with tempfile.TemporaryDirectory() as name:
        source, out = Path(name, "in.jsonl"), Path(name, "out.parquet")
        write_jsonl(source, ({"id": str(i), "text": text} for i, text in enumerate(texts)))
        for _ in range(given.turns):
            network = timed(lambda: run_network(predictor, encodings))
            out.unlink(missing_ok=True)
            whole = timed(lambda: label(predictor, source, out))
            rates.append(len(texts) / whole[0])
            for share, alone, all_ in zip(shares.values(), network, whole, strict=True):
                share.append(1 - alone / all_)
    result = {
        "benchmark": "overhead",
        "data": data,
        "rows": len(texts),
        "threads": given.threads,
        "turns": given.turns,
        "rows_per_second": round(statistics.median(rates), 1),
        **{
            f"besides_the_network_{name}": {
                "median": round(statistics.median(values), 4),
                "range": [round(min(values), 4), round(max(values), 4)],
            }
            for name, values in shares.items()
        },
    }
    if given.out:
        given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
