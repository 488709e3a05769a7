"""Run a grid of labelers, seeds and splits. What is finished is kept: the same command goes on where it stopped."""

from __future__ import annotations

import multiprocessing
import shutil
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from ..codebook import Codebook
from ..errors import CommuniqueError, DataError, RecipeError
from . import results
from .recipe import BenchmarkRecipe, LabelerSettings
from .splits import BenchmarkData, Task, tasks
from .worker import Job, work


@dataclass(frozen=True)
class Cell:
    """One run of the grid."""

    task: Task
    labeler: LabelerSettings
    seed: int


@dataclass(frozen=True)
class Grid:
    """The finished runs of a recipe: contents of their JSONs with their places, and those that could not run, with reasons."""

    recipe: BenchmarkRecipe
    codebook: Codebook
    runs: tuple[tuple[results.Place, dict[str, Any]], ...]
    left_out: tuple[str, ...]


def run(
    recipe_path: str | Path,
    out: Path,
    work_folder: Path,
    *,
    data: Path | None = None,
    texts: Path | None = None,
    say: Callable[[str], None],
) -> Grid:
    """Run what is not finished of a benchmark's grid.

    Args:
        recipe_path: The recipe.
        out: Folder of results; a folder of the recipe's name is made in it.
        work_folder: Folder for what interrupted runs resume from, and for caches.
        data: Stands for `{data}` in the recipe's paths.
        texts: A file or folder of texts for reference labels.
        say: Told one line at a time.

    Raises:
        CommuniqueError: The recipe, the codebook or the data are at fault. A labeler that cannot run is left out and told.
    """
    recipe_path = Path(recipe_path)
    recipe = BenchmarkRecipe.load(recipe_path, data=data)
    codebook = Codebook.load(recipe.codebook)
    corpora = BenchmarkData.read(recipe, codebook, texts)
    for line in corpora.told:
        say(line)
    folder = out / recipe.name
    folder.mkdir(parents=True, exist_ok=True)
    cells = _cells(recipe, corpora, codebook)
    say(f"{recipe.name}: {len(cells)} runs of {len(recipe.labelers)} labelers; results in {folder}")
    progress = _Progress(cells, say)
    runs, left_out = [], []
    for number, cell in enumerate(cells, 1):
        head = f"run {number}/{len(cells)}  {cell.task.name}  {cell.labeler.name}  seed {cell.seed}"
        try:
            place, content = _run_cell(cell, recipe_path.parent, folder, work_folder, codebook, head, progress)
        except RecipeError:
            raise
        except CommuniqueError as error:
            left_out.append(f"{cell.task.name}, {cell.labeler.name}, seed {cell.seed}: {error}")
            say(f"{head}: left out: {error}")
            progress.skip(cell)
            continue
        runs.append((place, content))
    return Grid(recipe, codebook, tuple(runs), tuple(left_out))


def _cells(recipe: BenchmarkRecipe, data: BenchmarkData, codebook: Codebook) -> list[Cell]:
    cells = []
    for split in recipe.splits:
        found = tasks(split, data, codebook)
        for labeler in recipe.labelers:
            if split.labelers is None or labeler.name in split.labelers:
                cells += [Cell(task, labeler, seed) for task in found for seed in recipe.seeds[: labeler.seeds]]
    return cells


def _run_cell(
    cell: Cell, recipe_folder: Path, folder: Path, work_folder: Path, codebook: Codebook, head: str, progress: _Progress
) -> tuple[results.Place, dict[str, Any]]:
    sets = cell.task.draw(cell.seed)
    settings = cell.labeler.identity(cell.seed, recipe_folder)
    place = results.Place(
        folder, cell.task.name, cell.labeler.name, cell.seed, results.identify(settings, sets, codebook)
    )
    if place.done:
        progress.skip(cell)
        return place, results.read(place.json)
    if others := place.others():
        progress.say(
            f"{head}: settings or data differ from those of {others[-1].name}; run anew, the old result is kept"
        )
    steps = work_folder / f"{place.json.stem}.steps"
    job = Job(cell.labeler, cell.seed, sets, codebook, recipe_folder, work_folder, steps)
    progress.say(
        f"{head}: {len(sets.train)} rows train, {len(sets.tuning)} tune, {len(sets.test)} test"
        + (f"; {sets.left_out} left out of training for shared documents or texts" if sets.left_out else "")
    )
    start = time.monotonic()
    outcome = _in_a_process(job)
    content = results.record(place, job, outcome, settings)
    shutil.rmtree(steps, ignore_errors=True)
    progress.done(cell, time.monotonic() - start, head, content)
    return place, content


def _in_a_process(job: Job) -> Any:
    # Spawned, not forked: a fork would count the parent's memory, and torch does not survive one.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(work, job).result()
        except BrokenProcessPool:
            raise DataError(
                "its process was killed, as a rule for want of memory; take a smaller batch_size or max_tokens, or free memory"
            ) from None


class _Progress:
    """Lines with what was found, the rate, and the time that remains."""

    def __init__(self, cells: list[Cell], say: Callable[[str], None]) -> None:
        self.say = say
        self.left = list(cells)
        self.seconds: dict[str, list[float]] = defaultdict(list)

    def skip(self, cell: Cell) -> None:
        """Take a run off the list: it had finished before, or cannot run."""
        self.left.remove(cell)

    def done(self, cell: Cell, seconds: float, head: str, content: dict[str, Any]) -> None:
        """Tell a run."""
        self.left.remove(cell)
        self.seconds[cell.labeler.name].append(seconds)
        value, low, high = content["scores"]["macro_f1"]
        score = "not defined" if value is None else f"{value:.3f} [{low:.3f}, {high:.3f}]"
        rate = content["scores"]["n"] / max(content["inference_seconds"], 1e-9)
        self.say(
            f"{head}: macro-F1 {score}; {seconds:.0f} s, {rate:.0f} sentences/s; "
            f"{len(self.left)} runs left, about {self.remaining() / 60:.0f} min"
        )

    def remaining(self) -> float:
        """Estimate the seconds that the runs left will take: as those of the same labeler took, or of all."""
        known = {name: mean(times) for name, times in self.seconds.items()}
        return sum(known.get(cell.labeler.name, mean(known.values())) for cell in self.left)
