"""Tests of a server that is killed while people code and while a model is trained; `benchmarks/app_kills.py` does more of it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from app_kills import kill_while_coding, kill_while_training
from app_project import create

pytestmark = pytest.mark.slow


def test_killed_servers_lose_no_acknowledged_answer(tmp_path: Path) -> None:
    project = create(tmp_path / "study", 400, sample=40, coded=0)
    found = kill_while_coding(project, 3, random.Random(0), tmp_path / "log.txt")
    assert found["failures"] == []
    assert found["answers"] >= 3


def test_a_training_survives_the_server_and_can_be_resumed_after_a_crash(tmp_path: Path) -> None:
    project = create(tmp_path / "study", 400, sample=40, coded=0, outside=120)
    found = kill_while_training(project, 2, random.Random(1), tmp_path / "log.txt")
    assert found["failures"] == []
    assert (found["continued"], found["resumed"], found["models"]) == (1, 1, 2)


@pytest.mark.soak
def test_thirty_kills_lose_no_acknowledged_answer(tmp_path: Path) -> None:
    project = create(tmp_path / "study", 20_000, sample=200, coded=150)
    found = kill_while_coding(project, 30, random.Random(2), tmp_path / "log.txt")
    assert found["failures"] == []
