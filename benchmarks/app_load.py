"""Measure the web app on loopback: coding requests at a fixed rate, the time of every page, memory, and kills during coding.

::

    python benchmarks/app_load.py --write

The project has 100,000 generated sentences. Simulated coders send 50 requests per second for a minute: half of them the form of the
page *Code*, which records an answer and returns the next sentence, and the others the API. The time of a request counts from the
moment at which it was due, so that a server that falls behind does not look fast. The processor time of the server does not depend
on what else runs on the machine. With `--write`, the result is stored in `results/app-load.json`.
"""

from __future__ import annotations

import argparse
import html
import json
import platform
import random
import re
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from app_kills import kill_while_coding
from app_project import create, labels_of
from app_server import ROOT, AppServer, Connection

import communique
from communique.project import Project

RESULT = ROOT / "benchmarks" / "results" / "app-load.json"

#: What the app should reach: seconds at the 95th percentile and per page, and bytes of memory.
TARGETS = {"errors": 0, "p95_seconds": 0.2, "page_seconds": 0.3, "memory_bytes": 1_500_000_000, "lost_answers": 0}

#: Number of simulated coders. Each sends requests at the same distance.
CODERS = 20

#: The pages, with what the project must contain for them.
PAGES = {
    "start": "/",
    "status": "/status",
    "label": "/label",
    "labelled table": "/label/tables/{table}",
    "codebook": "/codebook",
    "codebook: versions": "/codebook/versions",
    "codebook: edit a label": "/codebook/label?name=criticism",
    "sample": "/sample",
    "code: all sentences": "/code?coder=Anna&queue=all",
    "code: sample": "/code?coder=Anna&queue=sample-1",
    "agreement": "/agreement?sample=sample-1",
    "agreement: all codings": "/agreement?sample=all",
    "agreement: scores": "/agreement/scores?sample=sample-1",
    "agreement: decide": "/agreement/decide?sample=sample-1",
    "train": "/train",
    "train: state": "/train/state",
    "evaluate": "/evaluate",
    "estimate": "/estimate",
    "corpus": "/corpus",
    "jobs": "/jobs",
    "API": "/api/v1/",
}

_HIDDEN = re.compile(rb'name="(id|sha256)" value="([^"]*)"')


@dataclass
class Timed:
    """Durations of requests in seconds, and errors in words."""

    page: list[float] = field(default_factory=list)
    api: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class _Coder(threading.Thread):
    """A simulated coder, who sends requests at fixed moments.

    Args:
        connection: A connection of its own.
        name: Name of the coder.
        queue: What is coded.
        moments: When a request is due.
        found: Receives the durations and errors.
        through_page: Whether the form of the page is sent. Otherwise, answers and requests for the next sentence alternate.
    """

    def __init__(
        self, connection: Connection, name: str, queue: str, moments: list[float], found: Timed, *, through_page: bool
    ) -> None:
        super().__init__(daemon=True)
        self._connection, self._name, self._queue, self._moments = connection, name, queue, moments
        self._found, self._through_page = found, through_page
        self._draw = random.Random(name)

    def run(self) -> None:
        """Send the requests."""
        sentence = self._next()
        for number, due in enumerate(self._moments):
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                if self._through_page:
                    sentence = self._answer_on_page(sentence)
                elif number % 2:
                    sentence = self._next()
                else:
                    self._connection.json("POST", "/codings", {**self._given(sentence), "none": not sentence["labels"]})
            except Exception as error:
                self._found.errors.append(f"{self._name}: {error!r}")
                self._connection.close()
            durations = self._found.page if self._through_page else self._found.api
            durations.append(time.monotonic() - due)

    def _next(self) -> dict[str, Any]:
        found: dict[str, Any] = self._connection.json("GET", f"/next?coder={self._name}&queue={self._queue}")[
            "sentence"
        ]
        return found | {"labels": labels_of(found["text"], self._draw, 0.05)}

    def _given(self, sentence: dict[str, Any]) -> dict[str, Any]:
        return {
            "coder": self._name,
            "queue": self._queue,
            **{name: sentence[name] for name in ("id", "sha256", "labels")},
        }

    def _answer_on_page(self, sentence: dict[str, Any]) -> dict[str, Any]:
        form = self._given(sentence) | {"action": "next", "model": "hidden"}
        status, body = self._connection.post("/code", form | {"labels": sentence["labels"] or ["none"]})
        if status != 200:
            raise RuntimeError(f"{status} {body[:300]!r}")
        hidden = {name.decode(): html.unescape(value.decode()) for name, value in _HIDDEN.findall(body)}
        return {**hidden, "labels": labels_of(body.decode(), self._draw, 0.05)}


class _Memory(threading.Thread):
    """Follow the memory of a process until it is stopped.

    Args:
        process: The process.
    """

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self._process, self._stopped = process, threading.Event()
        self.peak = 0

    def run(self) -> None:
        """Look at the memory four times per second."""
        while not self._stopped.wait(0.25):
            self.peak = max(self.peak, self._process.memory_info().rss)

    def stop(self) -> int:
        """Stop, and return the peak in bytes."""
        self._stopped.set()
        self.join()
        return max(self.peak, self._process.memory_info().rss)


def processor_seconds(process: psutil.Process) -> float:
    """Return the processor time of a process so far."""
    used = process.cpu_times()
    return float(used.user + used.system)


def measure_coding(server: AppServer, process: psutil.Process, rate: int, seconds: int) -> dict[str, Any]:
    """Send coding requests at a fixed rate, and return how long they took."""
    found = Timed()
    begin = time.monotonic() + 3
    coders = []
    for number in range(CODERS):
        moments = [begin + i / rate for i in range(number, rate * seconds, CODERS)]
        queue = ("all", "sample-1")[number // 2 % 2]
        coders.append(_Coder(server.connect(), f"load{number}", queue, moments, found, through_page=number % 2 == 0))
    for coder in coders:
        coder.start()
    time.sleep(max(0.0, begin - time.monotonic()))
    before = processor_seconds(process)
    for coder in coders:
        coder.join()
    used, elapsed = processor_seconds(process) - before, time.monotonic() - begin
    durations = [*found.page, *found.api]
    return {
        "requests": len(durations),
        "requests_per_second": round(len(durations) / elapsed, 1),
        "errors": len(found.errors),
        "first_errors": found.errors[:5],
        "seconds": percentiles(durations),
        "page_seconds": percentiles(found.page),
        "api_seconds": percentiles(found.api),
        "server_processor_seconds_per_request": round(used / max(1, len(durations)), 5),
    }


def percentiles(values: list[float]) -> dict[str, float]:
    """Return the median, the 95th and the 99th percentile, and the maximum."""
    ordered = sorted(values)
    at = {
        name: ordered[min(len(ordered) - 1, int(q * len(ordered)))]
        for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    }
    return {name: round(value, 4) for name, value in (at | {"max": ordered[-1]}).items()}


def measure_pages(server: AppServer, process: psutil.Process, project: Project, repeats: int) -> dict[str, Any]:
    """Open every page several times, and return the first time, the median and the processor time of the server."""
    connection, found = server.connect(), {}
    for name, path in PAGES.items():
        path = path.format(table=project.documents()[0].name)
        walls, before = [], 0.0
        for number in range(repeats + 1):
            if number == 1:
                before = processor_seconds(process)
            begin = time.perf_counter()
            status, _ = connection.get(path)
            walls.append(time.perf_counter() - begin)
            if status != 200:
                raise RuntimeError(f"{path}: {status}")
        found[name] = {
            "first_seconds": round(walls[0], 4),
            "median_seconds": round(statistics.median(walls[1:]), 4),
            "processor_seconds": round((processor_seconds(process) - before) / repeats, 4),
        }
    connection.close()
    return found


def wait_for_index(connection: Connection) -> None:
    """Wait until no job is running."""
    while any(job["state"] == "running" for job in connection.json("GET", "/jobs")):
        time.sleep(0.5)


def main() -> None:
    """Run the measurements, print them as JSON, and exit with 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=int, default=100_000)
    parser.add_argument("--rate", type=int, default=50, help="coding requests per second")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=7, help="how often each page is opened, after the first time")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help=f"store the result in {RESULT.name}")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sample = min(2000, given.sentences // 4)
        project = create(folder / "study", given.sentences, sample=sample, coded=sample // 2, seed=given.seed)
        server = AppServer(project.folder, folder / "log.txt")
        process = psutil.Process(server.process.pid)
        memory = _Memory(process)
        memory.start()
        wait_for_index(server.connect())
        start = process.memory_info().rss
        pages = measure_pages(server, process, project, given.repeats)
        coding = measure_coding(server, process, given.rate, given.seconds)
        after = measure_pages(server, process, project, given.repeats)
        peak = memory.stop()
        server.stop()
        kills = kill_while_coding(project, given.kills, random.Random(given.seed), folder / "log.txt")
    slowest = max((one["median_seconds"], name) for name, one in [*pages.items(), *after.items()])
    reached = {
        "errors": coding["errors"],
        "p95_seconds": coding["seconds"]["p95"],
        "page_seconds": slowest[0],
        "memory_bytes": peak,
        "lost_answers": kills["lost"] + len(kills["failures"]),
    }
    result = {
        "version": communique.__version__,
        "machine": {"processor": platform.machine(), "cores": psutil.cpu_count(), "load": psutil.getloadavg()[0]},
        "settings": {
            name: getattr(given, name) for name in ("sentences", "rate", "seconds", "repeats", "kills", "seed")
        },
        "targets": TARGETS,
        "reached": reached,
        "slowest_page": slowest[1],
        "memory_bytes_at_start": start,
        "coding": coding,
        "pages": pages,
        "pages_after_coding": after,
        "kills": kills,
    }
    print(json.dumps(result, indent=1))
    if given.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    missed = [name for name, target in TARGETS.items() if reached[name] > target]
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
