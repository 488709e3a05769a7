"""Kill the server of the web app at random moments while people code and while a model is trained, and look for lost work.

::

    python benchmarks/app_kills.py [--kills 30] [--seed 0]

While three simulated coders code, the server is killed by SIGKILL and started again. Every answer that it had acknowledged must
be in the files of codings and in the index, and its sentence must not be asked for again. While a model is trained, the server is
killed alone or together with the training, as when the computer is switched off. Afterwards, the page must show that the training
continues, or offer *Resume*, which must lead to a model. The script exits with 1 if any of these fails.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from app_project import create, labels_of
from app_server import AppServer, Connection, finished

from communique.app.jobs import JOBS
from communique.app.run_job import PID
from communique.app.store import APP_FOLDER
from communique.load import load_model
from communique.project import Project

#: Number of people who code at the same time.
CODERS = 3

#: Errors of a client whose server was killed.
_CUT = (OSError, http.client.HTTPException)


class _Coder(threading.Thread):
    """A simulated coder, who codes until the server does not answer any more.

    Args:
        connection: A connection of its own.
        name: Name of the coder.
        acknowledged: Receives what the server has acknowledged: the id and the labels of each sentence.
    """

    def __init__(self, connection: Connection, name: str, acknowledged: dict[str, list[str]]) -> None:
        super().__init__(daemon=True)
        self._connection, self._name, self._acknowledged = connection, name, acknowledged
        self.failures: list[str] = []

    def run(self) -> None:
        """Code sentence by sentence."""
        draw = random.Random(self._name)
        with contextlib.suppress(*_CUT):
            while True:
                found = self._connection.json("GET", f"/next?coder={self._name}")["sentence"]
                if found["id"] in self._acknowledged:
                    self.failures.append(f"{self._name}: {found['id']} was asked for again")
                    return
                labels = labels_of(found["text"], draw, 0.05)
                body = {"coder": self._name, "id": found["id"], "sha256": found["sha256"]}
                self._connection.json("POST", "/codings", body | {"labels": labels, "none": not labels})
                self._acknowledged[found["id"]] = labels


def kill_while_coding(project: Project, kills: int, draw: random.Random, log: Path) -> dict[str, Any]:
    """Kill the server while people code.

    Args:
        project: A project with an index and enough sentences.
        kills: Number of kills.
        draw: Draws the moments.
        log: File for the output of the servers.

    Returns:
        The numbers of kills, of acknowledged answers and of lost answers, and the failures in words.
    """
    acknowledged: dict[str, dict[str, list[str]]] = {f"coder{number}": {} for number in range(CODERS)}
    failures: list[str] = []
    for _ in range(kills):
        server = AppServer(project.folder, log)
        before = sum(map(len, acknowledged.values()))
        coders = [_Coder(server.connect(), name, given) for name, given in acknowledged.items()]
        for coder in coders:
            coder.start()
        wanted, end = before + draw.randint(1, 30), time.monotonic() + 120
        while sum(map(len, acknowledged.values())) < wanted and time.monotonic() < end:
            time.sleep(0.002)
        time.sleep(draw.random() * 0.05)
        server.kill()
        for coder in coders:
            coder.join(120)
            failures += coder.failures
    lost = _lost(project, acknowledged)
    server = AppServer(project.folder, log)
    connection = server.connect()
    for name, given in acknowledged.items():
        coded = connection.json("GET", f"/next?coder={name}")["coded"]
        if coded < len(given):
            failures.append(f"{name}: the index contains {coded} of {len(given)} answers")
    connection.close()
    server.stop()
    n = sum(map(len, acknowledged.values()))
    return {"kills": kills, "answers": n, "lost": len(lost), "failures": [*failures, *lost]}


def _lost(project: Project, acknowledged: dict[str, dict[str, list[str]]]) -> list[str]:
    """Return the acknowledged answers that the files of codings do not contain."""
    found = {(one.coder, one.id): list(one.labels) for one in project.log.read().codings}
    return [
        f"{coder}: the answer for {id} is lost"
        for coder, given in acknowledged.items()
        for id, labels in given.items()
        if found.get((coder, id)) != labels
    ]


def kill_while_training(project: Project, kills: int, draw: random.Random, log: Path) -> dict[str, Any]:
    """Kill the server while a model is trained: in turn alone, and together with the training.

    Args:
        project: A project with codings.
        kills: Number of kills.
        draw: Draws the moments.
        log: File for the output of the servers.

    Returns:
        The number of kills, how often the training continued and was resumed, and the failures in words.
    """
    failures: list[str] = []
    counts = {"continued": 0, "resumed": 0, "models": 0}
    server = AppServer(project.folder, log)
    connection = server.connect()
    for number in range(kills):
        both = bool(number % 2)
        connection.post("/train", {"kind": "tfidf"})
        job = next(one for one in connection.json("GET", "/jobs") if one["name"] == "train")
        time.sleep(draw.random() * 6)
        server.kill()
        if both:
            _kill_job(project, job["id"])
        server = AppServer(project.folder, log)
        connection = server.connect()
        ended = finished(connection, "train")
        if ended["state"] == "interrupted":
            if not both:
                failures.append(f"{job['id']}: the training ended with the server")
            if b"Resume" not in connection.get("/train")[1]:
                failures.append(f"{job['id']}: the page does not offer to resume")
            connection.json("POST", f"/jobs/{job['id']}/resume")
            ended = finished(connection, "train")
            counts["resumed"] += 1
        elif not both:
            counts["continued"] += 1
        if ended["state"] != "done":
            failures.append(f"{job['id']}: {ended['state']}: {ended['output'][-1000:]}")
    server.stop()
    for folder in project.models().infos:
        load_model(folder)
        counts["models"] += 1
    if counts["models"] != kills:
        failures.append(f"{counts['models']} models after {kills} trainings")
    return {"kills": kills, **counts, "failures": failures}


def _kill_job(project: Project, id: str) -> None:
    path = project.folder / APP_FOLDER / JOBS / id / PID
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        os.kill(int(path.read_text(encoding="ascii")), signal.SIGKILL)


def main() -> None:
    """Kill the server, and print one line per failure and a JSON line with the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30, help="kills during coding; a third as many during training")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project = create(folder / "study", 20_000, sample=200, coded=150, outside=200)
        coding = kill_while_coding(project, arguments.kills, draw, folder / "log.txt")
        training = kill_while_training(project, max(1, arguments.kills // 3), draw, folder / "log.txt")
    for line in [*coding["failures"], *training["failures"]]:
        print(line)
    failures = len(coding.pop("failures")) + len(training.pop("failures"))
    print(json.dumps({"coding": coding, "training": training, "failures": failures}))
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
