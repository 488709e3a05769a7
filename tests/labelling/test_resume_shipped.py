"""A run with the shipped model that is killed at random points and resumed writes the bytes of an uninterrupted run."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import ROOT

from communique.labelling.shard_folder import shards_folder

pytestmark = pytest.mark.slow

#: Rows per language, rows per shard, and number of kills. With these numbers, a kill finds some shards finished and some not.
ROWS, SHARD_ROWS, KILLS = 150, 20, 4


def command(source: Path, out: Path, *options: str) -> list[str]:
    arguments = ["label", str(source), "-o", str(out), "--model", str(ROOT / "models/communique-small")]
    return [
        *(sys.executable, "-m", "communique", *arguments),
        *("--shard-rows", str(SHARD_ROWS), "--threads", "2", *options),
    ]


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_killed_run_that_is_resumed_writes_the_same_bytes(form: str, tmp_path: Path) -> None:
    draw = random.Random(form)
    rows = [
        row
        for language in ("en", "fr", "ru", "zh")
        for line in (ROOT / f"data/authored/{language}.jsonl").read_text(encoding="utf-8").splitlines()[:ROWS]
        if (row := json.loads(line))
    ]
    draw.shuffle(rows)
    source, whole, out = tmp_path / "in.jsonl", tmp_path / f"whole.{form}", tmp_path / f"out.{form}"
    source.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    subprocess.run(command(source, whole), check=True, capture_output=True)
    shards = shards_folder(out)
    done = 0
    for _ in range(KILLS):
        process = subprocess.Popen(command(source, out, "--resume"), stderr=subprocess.DEVNULL)
        while process.poll() is None and len(list(shards.glob("*.arrow"))) <= done:
            time.sleep(0.01)
        time.sleep(draw.random() * 0.1)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "the process ended before it was killed. Increase ROWS"
        done = len(list(shards.glob("*.arrow")))
        assert not out.exists()
    assert 0 < done < len(rows) / SHARD_ROWS
    subprocess.run(command(source, out, "--resume"), check=True, capture_output=True)
    assert out.read_bytes() == whole.read_bytes()
