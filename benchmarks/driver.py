"""Measure the work that one machine does for a whole cluster: read and cut the input, store finished shards, write the output.

The script also measures the work of an actor other than running the network: identify languages and pack shards. It runs on any
table of texts:

    python benchmarks/driver.py TABLE [--text-column NAME] [--rows 30000]

The last line is one JSON object with rates in rows per second per core and sizes in bytes per row. The plan in
docs/guides/clusters.md is computed from these numbers.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import ray.cloudpickle as cloudpickle

from communique.cli.common import default_codebook
from communique.data.codebook import Codebook
from communique.errors import CommuniqueError
from communique.io.paths import find_files
from communique.labelling.label import label_shard
from communique.labelling.options import Options
from communique.labelling.reader import ShardReader
from communique.labelling.shard import Shard
from communique.labelling.shard_folder import ShardFolder, pack
from communique.labelling.summary import Summary
from communique.labelling.write import OutputForm, write_shards
from communique.models.folder import read_info
from communique.models.predictions import Predictions
from communique.models.predictor import default_model


class RandomModel:
    """A model that costs no time: it returns random probabilities, which compress worse than those of a real model."""

    def __init__(self, codebook: Codebook) -> None:
        self.codebook, self._draw = codebook, np.random.default_rng(0)

    def predict(self, texts: Sequence[str], *, languages: Sequence[str] | None = None) -> Predictions:
        """Return random probabilities for texts."""
        p = self._draw.random((len(texts), len(self.codebook.names)), np.float32)
        return Predictions(self.codebook.names, p, p > 0.5, np.zeros(len(texts), np.bool_))


def timed(n: int, work: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """Run a function once. Return the rows per second of processor time, and the result of the function."""
    start = time.process_time()
    result = work(*arguments)
    return n / (time.process_time() - start), result


def measure(source: Path, text_column: str | None, rows: int) -> dict[str, float]:
    """Measure each stage on the first rows of a table."""
    options = Options(text_column=text_column)
    reader = ShardReader(find_files([source]), options)
    shards: list[Shard] = []

    def read() -> None:
        for shard in reader.shards():
            shards.append(shard)
            if sum(len(s.records) for s in shards) >= rows:
                return

    start = time.process_time()
    read()
    n = sum(len(shard.records) for shard in shards)
    found = {"rows": float(n), "read and cut": n / (time.process_time() - start)}
    found["send"], sent = timed(n, lambda: [cloudpickle.dumps(shard) for shard in shards])
    found["bytes sent"] = sum(map(len, sent)) / n
    found["identify language"], _ = timed(n, lambda: [shard.rows for shard in shards])
    named = [replace(shard, records=[replace(record, language="en") for record in shard.records]) for shard in shards]
    found["rows with a known language"], _ = timed(n, lambda: [shard.rows for shard in named])
    model = RandomModel(Codebook.load(default_codebook()))
    found["pack"], packed = timed(n, lambda: [pack(label_shard(shard, model)) for shard in named])  # type: ignore[arg-type]
    found["bytes kept"] = sum(map(len, packed)) / n
    with tempfile.TemporaryDirectory() as place:
        folder = ShardFolder(Path(place, "out.parquet"), {}, resume=None)

        def keep() -> None:
            for i, shard in enumerate(packed):
                folder.write(i, shard)

        found["keep"], _ = timed(n, keep)
        numbers = range(len(packed))
        info, summary = read_info(default_model()), Summary(model.codebook.names)
        headers = []
        for labelled in map(folder.read, numbers):
            summary.add(labelled)
            headers.append((labelled.table.schema, labelled.counts))
        for suffix in (".jsonl", ".csv", ".parquet"):
            out, form = io.BytesIO(), OutputForm("out", suffix, None, info, model.codebook)
            kept = map(folder.read, numbers)
            found[f"write {suffix}"], _ = timed(n, write_shards, out, form, headers, kept, summary, Path(place))
            found[f"bytes in {suffix}"] = out.tell() / n
        folder.remove()
    return found


def main() -> None:
    """Measure all stages and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--text-column")
    parser.add_argument("--rows", type=int, default=30_000)
    arguments = parser.parse_args()
    try:
        found = measure(arguments.table, arguments.text_column, arguments.rows)
    except CommuniqueError as error:
        parser.error(str(error))
    for name, value in found.items():
        print(f"{name:28} {value:12,.0f}")
    print(json.dumps({"benchmark": "driver", "table": arguments.table.name, **{k: round(v) for k, v in found.items()}}))


if __name__ == "__main__":
    main()
