"""Draw samples into a project and fill in their sheets, as coders would."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Literal

import numpy as np

from communique.annotation.sheets import write_sheet
from communique.annotation.tasks import CodingTask
from communique.data.codebook import Codebook
from communique.io.write import write_csv
from communique.project import Project
from communique.sampling.design import draw_sample, training_sample
from communique.sampling.population import read_population


def draw(
    project: Project,
    n: int = 60,
    *,
    coders: tuple[str, ...] = ("anna",),
    purpose: Literal["estimate", "training"] = "estimate",
    shown: bool = False,
    seed: int = 0,
    table: Path | None = None,
) -> Path:
    """Draw a sample from a table or the first documents of a project. Return the path without the name of a coder."""
    population = read_population(table or project.documents()[0])
    make = training_sample if purpose == "training" else draw_sample
    plan = make(population, n, project.codebook, model_shown=shown, seed=seed)
    path = project.next_sample_path(".csv")
    plan.dump(project.design_path(path.stem))
    texts = dict(zip(population.ids.to_pylist(), range(len(population)), strict=True))
    for coder in coders:
        tasks = [
            CodingTask(row.id, population.sentence(texts[row.id]).text, row.document, row.language) for row in plan.rows
        ]
        write_sheet(path.with_name(f"{path.stem}-{coder}.csv"), tasks, project.codebook, coder=coder)
    return path


def code(sheet: Path, codebook: Codebook, *, wrong: float = 0.0, seed: int = 0, rows: int | None = None) -> None:
    """Fill in the first rows of a sheet by the number of the sentence, with a proportion `wrong` of the labels flipped."""
    with sheet.open(encoding="utf-8-sig", newline="") as handle:
        table = list(csv.DictReader(handle))
    flips = np.random.default_rng(seed)
    for row in table[:rows]:
        number = int(row["id"].split(":")[1])
        row.update(
            {
                name: "yes" if (number % (i + 2) == 0) ^ bool(flips.random() < wrong) else "no"
                for i, name in enumerate(codebook.names)
            }
        )
    write_csv(sheet, list(table[0]), table)


def age(path: Path, seconds: float) -> None:
    """Set the time at which a file was last changed to some seconds earlier."""
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))
