"""Measure the memory and time of `communique estimate` on simulated predictions with many rows.

    python benchmarks/estimation_memory.py [--rows 100000 1000000] [-o benchmarks/results/estimation-memory.json]

Each size runs in a separate process. The data have three labels, ten sentences per document, texts of 120 characters, 8 countries,
5 years and 500 gold sentences. All tables and figures are written. Peak memory is the maximum resident set size of the process. The
last line of the output is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from usage import measured

from communique import Codebook
from communique.io.atomic import replacing
from communique.io.write import write_jsonl

ROOT = Path(__file__).parents[1]
CODEBOOK = ROOT / "data/codebook.yaml"

#: Number of rows written at a time, and a typical size of a gold sample.
PIECE, GOLD = 50_000, 500


def make(folder: Path, rows: int) -> None:
    """Write simulated predictions and a gold sample."""
    rng = np.random.default_rng(0)
    names = Codebook.load(CODEBOOK).names
    drawn = set(rng.choice(rows, GOLD, replace=False).tolist())
    gold = []
    writer = None
    for start in range(0, rows, PIECE):
        size = min(PIECE, rows - start)
        numbers = np.arange(start, start + size)
        document = numbers // 10
        probability = rng.beta(0.4, 1.6, (size, len(names)))
        labels = [[name for name, p in zip(names, row, strict=True) if p >= 0.5] for row in probability]
        table = pa.table(
            {
                "id": [f"sentence-{i}" for i in numbers],
                "document": [f"document-{i}" for i in document],
                "text": [f"Sentence {i} ".ljust(120, "x") for i in numbers],
                "labels": pa.array(labels, pa.list_(pa.string())),
                "probabilities": pa.StructArray.from_arrays([pa.array(c) for c in probability.T], names),
                "country": [f"country-{i % 8}" for i in document],
                "year": 2016 + document % 5,
            }
        )
        gold += [
            {
                "id": f"sentence-{i}",
                "labels": labels[i - start],
                "inclusion_probability": GOLD / rows,
                "sampling": "simple",
            }
            for i in numbers.tolist()
            if i in drawn
        ]
        writer = writer or pq.ParquetWriter(folder / "predictions.parquet", table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()
    write_jsonl(folder / "gold.jsonl", gold)


def measure(rows: int) -> dict[str, float | int]:
    """Run the command on a number of rows. Return peak memory in MB (10^6 bytes) and seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, rows)
        command = ["estimate", "predictions.parquet", "gold.jsonl"]
        command += ["--codebook", str(CODEBOOK), "--by", "country,year", "--skip-unsupported", "--out", "out"]
        used = measured(command, folder / "log", folder)
        size = (folder / "predictions.parquet").stat().st_size
    return {
        "rows": rows,
        "peak_mb": round(used.peak_mb),
        "seconds": round(used.seconds, 1),
        "cpu_seconds": round(used.cpu_seconds, 1),
        "file_mb": round(size / 1e6),
    }


def main() -> None:
    """Measure each size, and write and print the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "benchmarks/results/estimation-memory.json")
    given = parser.parse_args()
    content = {"gold": GOLD, "labels": len(Codebook.load(CODEBOOK).names), "runs": [measure(n) for n in given.rows]}
    with replacing(given.out) as handle:
        handle.write(json.dumps(content, indent=1) + "\n")
    print(json.dumps(content))


if __name__ == "__main__":
    main()
