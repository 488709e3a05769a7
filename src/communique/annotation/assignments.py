"""Write a drawn sample for the coders: one sheet per coder, or the tasks of a coding tool."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from ..data.codebook import Codebook
from ..sampling.design import SUFFIX, Design
from ..sampling.frame import LEFT_OUT
from ..sampling.population import Population
from . import doccano, label_studio, prodigy
from .sheets import write_sheet
from .tasks import COMPANIONS, CodingTask, companion, need_suffix

Form = Literal["sheet", "label-studio", "doccano", "prodigy"]

#: Suffixes of each format, and who reads the file.
_FILES = {
    "sheet": ((".xlsx", ".csv"), "coders"),
    "label-studio": ((".json",), "Label Studio"),
    "doccano": ((".jsonl",), "doccano"),
    "prodigy": ((".jsonl",), "Prodigy"),
}


def planned_files(out: Path, form: Form, coders: Sequence[str] = ()) -> list[Path]:
    """List the files that will be written: the sheets or tasks, their companions, and the files about the sample.

    Raises:
        DataError: The suffix is not allowed, or the folder does not exist.
    """
    need_suffix(out, *_FILES[form])
    sheets = [_of(out, name) for name in coders] or [out]
    ending = COMPANIONS.get((form, out.suffix.lower()))
    return [
        *sheets,
        *(companion(sheet, ending) for sheet in sheets if ending),
        companion(out, SUFFIX),
        companion(out, LEFT_OUT),
    ]


def write_assignments(
    out: Path,
    form: Form,
    population: Population,
    design: Design,
    codebook: Codebook,
    *,
    coders: Sequence[str] = (),
    seed: int = 0,
) -> list[Path]:
    """Write the sentences of a sample for the coders, in random order.

    Args:
        out: The sheet or the file of tasks. If there are coders, their names are added to its name.
        form: The format.
        population: The rows that the sample was drawn from.
        design: The design of the sample.
        codebook: The codebook.
        coders: Names of the coders. Each gets a sheet in a different order.
        seed: Seed of the order.

    Returns:
        The paths of the files written.

    Raises:
        DataError: The suffix is not allowed, the folder does not exist, a text is too long for a cell, or a label has the name
            of a column.
    """
    if form == "sheet":
        if not coders:
            return write_sheet(out, _tasks(population, design, seed, 0), codebook)
        # Each coder gets a different order, so that coders grow tired at different sentences.
        return [
            path
            for number, name in enumerate(coders)
            for path in write_sheet(_of(out, name), _tasks(population, design, seed, number), codebook, coder=name)
        ]
    writers = {
        "label-studio": label_studio.write_tasks,
        "doccano": doccano.write_tasks,
        "prodigy": prodigy.write_tasks,
    }
    return writers[form](out, _tasks(population, design, seed, 0), codebook)


def _of(out: Path, coder: str) -> Path:
    return out.with_name(f"{out.stem}-{coder}{out.suffix}")


def _tasks(population: Population, design: Design, seed: int, number: int) -> list[CodingTask]:
    """Return the drawn sentences as coding tasks, in the random order of one coder."""
    place = {identity: row for row, identity in enumerate(population.ids.to_pylist())}
    tasks = []
    for row in design.rows:
        sentence = population.sentence(place[row.id])
        shown = row.labels if design.model_shown else None
        tasks.append(CodingTask(row.id, sentence.text, row.document, row.language, sentence.previous or "", shown))
    order = np.random.default_rng([seed, number]).permutation(len(tasks))
    return [tasks[i] for i in order]
