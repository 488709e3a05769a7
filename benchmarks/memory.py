"""Measure the peak memory of `communique label` for inputs of different sizes. It must not grow with the number of rows.

python benchmarks/memory.py [--model DIR] [--rows 1000 10000 100000 1000000] [--shard-rows N] [--distinct]
                            [-o benchmarks/results/memory.json]

By default, the rows are drawn from a small set of sentences. The network, whose memory depends only on its batches, then has little
to do, and a million rows take minutes. With --distinct all texts differ, and their lengths are those of official sentences: 3 to 90
words, most of them 10 to 35. Each size runs in a separate process. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from usage import measured

from communique.models.folder import read_info
from communique.models.predictor import default_model

SENTENCES = [
    f"{who} {what} {whom} in the {n} meeting of the {place} on the use of the river and the port."
    for n, place in (("first", "council"), ("second", "assembly"))
    for who in ("The minister", "Our delegation", "The government", "The committee")
    for what in ("condemned", "will support", "called on", "described")
    for whom in ("the neighbouring state", "all parties")
]

#: Number of rows that are generated and written at a time.
BLOCK = 100_000


#: Words of generated texts.
WORDS = sorted({word for sentence in SENTENCES for word in sentence.rstrip(".").split()})


def made_text(draw: random.Random) -> str:
    """Generate a unique text with the length of a sentence."""
    words = min(90, max(3, round(draw.lognormvariate(3.0, 0.5))))
    return " ".join(draw.choices(WORDS, k=words)) + f" {draw.getrandbits(40)}."


def write_rows(path: Path, n: int, *, distinct: bool = False) -> None:
    """Write n rows to a Parquet file, in row groups of `BLOCK`."""
    draw = random.Random(0)
    schema = pa.schema([("id", pa.string()), ("text", pa.string()), ("language", pa.string()), ("year", pa.int16())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, n, BLOCK):
            rows = range(start, min(n, start + BLOCK))
            columns = {
                "id": [f"row-{i}" for i in rows],
                "text": [made_text(draw) for _ in rows] if distinct else draw.choices(SENTENCES, k=len(rows)),
                "language": ["en"] * len(rows),
                "year": [1950 + i % 70 for i in rows],
            }
            writer.write_table(pa.table(columns, schema))


def measure(n: int, arguments: list[str], *, distinct: bool = False) -> dict[str, float]:
    """Label n rows, and return the peak resident memory in MB and the duration in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "in.parquet"), Path(folder, "out.parquet")
        write_rows(source, n, distinct=distinct)
        used = measured(["label", str(source), "-o", str(out), *arguments], Path(folder, "log"))
        return {"rows": n, "peak_mb": round(used.peak_mb, 1), "seconds": round(used.seconds, 1)}


def main() -> None:
    """Measure each size, and print one line per size and the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--model")
    parser.add_argument("--shard-rows", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--distinct", action="store_true", help="Use unique texts with realistic lengths.")
    parser.add_argument("-o", "--out", type=Path, help="Also write the last line's object to a file.")
    options = parser.parse_args()
    arguments = [
        text
        for name in ("model", "shard_rows", "threads")
        if (value := getattr(options, name)) is not None
        for text in (f"--{name.replace('_', '-')}", str(value))
    ]
    results = [measure(n, arguments, distinct=options.distinct) for n in options.rows]
    for result in results:
        print(f"{result['rows']:>10,.0f} rows: {result['peak_mb']:,.0f} MB, {result['seconds']:,.0f} s")
    version = read_info(options.model or default_model()).version
    found = {"version": version, "options": arguments, "distinct": options.distinct, "results": results}
    if options.out is not None:
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
