"""Fixtures: a project with documents and a drawn sample, and a way to code its sheets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import TINY, predictions
from project_helpers import draw

from communique.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Create a project whose documents are predictions, because they also serve as a population."""
    table = predictions(tmp_path / "labelled.jsonl")
    TINY.dump(tmp_path / "tiny.yaml")
    return Project.create(tmp_path / "study", codebook=tmp_path / "tiny.yaml", documents=[table])


@pytest.fixture
def sampled(project: Project) -> Callable[..., Path]:
    """Return a function that draws a sample into the project and returns the path of its sheet."""
    return lambda **options: draw(project, **options)
