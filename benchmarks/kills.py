"""Stop `communique label` at random moments, resume it, and compare the output with that of a run that was never stopped.

::

    python benchmarks/kills.py [--kills 60] [--seed 0]

Each run labels authored sentences with the shipped model, from a file or from standard input. It is stopped by SIGKILL, SIGINT,
SIGTERM and SIGHUP in turn, until the number of kills is reached. A stopped run must exit with the code of its signal and keep all
finished shards, and after it is resumed, the output must have the same bytes. The script exits with 1 if any of these fails.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]

#: Signals, and the exit codes of a command that they stop.
SIGNALS = {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}

#: Number of rows of the input and of a shard, so that at most moments some shards are finished and others are not.
ROWS, SHARD_ROWS = 480, 20


def write_input(path: Path) -> None:
    """Write sentences in four languages, and some lines that are not valid JSON."""
    rows = [
        json.loads(line)
        for language in ("en", "fr", "ru", "zh")
        for line in (ROOT / f"data/authored/{language}.jsonl").read_text(encoding="utf-8").splitlines()[: ROWS // 4]
    ]
    random.Random(0).shuffle(rows)
    lines = [json.dumps({"text": row["text"], "labels": "mine"}, ensure_ascii=False) for row in rows]
    lines[::50] = ["{broken"] * len(lines[::50])
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def start(source: Path, out: Path, *options: str, stdin: bool) -> subprocess.Popen[bytes]:
    """Start the command. With `stdin`, it reads the input from standard input."""
    command = [sys.executable, "-m", "communique", "label", "-" if stdin else str(source), "-o", str(out)]
    command += ["--format", "jsonl", "--shard-rows", str(SHARD_ROWS), "--threads", "1", *options]
    with source.open("rb") as handle:
        return subprocess.Popen(
            command, stdin=handle if stdin else subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )


def shards(out: Path) -> int:
    """Count the finished shards next to an output."""
    try:
        names = os.listdir(out.with_name(out.name + ".shards"))
    except FileNotFoundError:  # The folder does not exist yet, or has been deleted.
        return 0
    return sum(name.endswith(".arrow") for name in names)


def stop_at_random(process: subprocess.Popen[bytes], number: signal.Signals, out: Path, draw: random.Random) -> bool:
    """Stop a process after up to three more shards and a random delay. Return whether it was still running."""
    wanted = shards(out) + draw.randrange(4)
    while process.poll() is None and shards(out) < wanted:
        time.sleep(0.002)
    # If there is no shard to wait for, the process is stopped at any moment from the start of Python to the first shard.
    time.sleep(draw.random() * (0.2 if wanted else 3.0))
    if process.poll() is not None:
        return False
    process.send_signal(number)
    return True


def main() -> None:
    """Run all kills, and print one line per failure and a JSON line with the number of kills by signal and input."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    failures: list[str] = []
    kills: dict[str, int] = {}
    outputs = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "in.jsonl"
        write_input(source)
        whole: dict[tuple[bool, str], bytes] = {}
        while sum(kills.values()) < arguments.kills:
            stdin, form = bool(outputs % 2), ("jsonl", "csv", "parquet")[outputs // 2 % 3]
            out = folder / f"out{outputs}.{form}"
            outputs += 1
            if (stdin, form) not in whole:
                path = folder / f"whole-{stdin}.{form}"
                start(source, path, stdin=stdin).communicate()
                whole[stdin, form] = path.read_bytes()
            while True:
                number = list(SIGNALS)[sum(kills.values()) % len(SIGNALS)]
                before = shards(out)
                process = start(source, out, "--resume", stdin=stdin)
                enough = sum(kills.values()) >= arguments.kills
                stopped = not enough and stop_at_random(process, number, out, draw)
                message = process.communicate()[1].decode()
                if "runpy" in message and "communique" not in message:
                    continue  # Python itself was still starting.
                if "Traceback" in message:
                    failures.append(f"{out.name}: {message}")
                if not stopped or process.returncode == 1:
                    break
                kind = f"{number.name} {'stdin' if stdin else 'file'}"
                kills[kind] = kills.get(kind, 0) + 1
                if process.returncode not in (SIGNALS[number], -number):
                    failures.append(f"{out.name}: exit code {process.returncode} after {number.name}: {message}")
                if not out.exists() and shards(out) < before:
                    failures.append(f"{out.name}: {number.name} lost a finished shard")
                if out.exists() and out.read_bytes() != whole[stdin, form]:
                    failures.append(f"{out.name}: written although it was not complete")
            if not out.exists():
                failures.append(f"{out.name}: not written: {message}")
            elif out.read_bytes() != whole[stdin, form]:
                failures.append(f"{out.name}: the bytes differ from those of a run that was not stopped")
            if left := [path.name for path in folder.iterdir() if path.name.startswith((out.name + ".", "."))]:
                failures.append(f"{out.name}: files left behind: {', '.join(left)}")
    for line in failures:
        print(line)
    print(json.dumps({"kills": kills, "outputs": outputs, "failures": len(failures)}))
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
