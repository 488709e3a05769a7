"""Run a grid of classifiers, seeds and splits. Finished runs are kept, so an interrupted benchmark can be resumed."""

from __future__ import annotations

import multiprocessing
import shutil
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from ..baselines import make
from ..data.codebook import Codebook
from ..errors import CommuniqueError, DataError, MissingExtraError, RecipeError
from ..reporting.format import score
from ..reporting.progress import ProgressReporter
from . import results
from .held_out import held_out, log_test_use
from .recipe import BenchmarkRecipe, ClassifierSettings, split_name
from .splits import BenchmarkData, SplitTask, tasks
from .worker import NARROWER, Job, Outcome, end_with_parent, work


@dataclass(frozen=True)
class Cell:
    """One run of the grid."""

    task: SplitTask
    classifier: ClassifierSettings
    seed: int

    def __str__(self) -> str:
        return f"{self.task.name}, {self.classifier.name}, seed {self.seed}"


@dataclass(frozen=True)
class Grid:
    """The finished runs of a recipe, and information about the missing ones.

    `runs` contains the location and the JSON content of each finished run. `left_out` has a line for each run that failed, with
    the reason. `waiting` is the number of runs that were not requested.
    """

    recipe: BenchmarkRecipe
    codebook: Codebook
    runs: tuple[tuple[results.Place, dict[str, Any]], ...]
    left_out: tuple[str, ...]
    waiting: int


@dataclass(frozen=True)
class Folders:
    """The folders of a benchmark: that of the recipe, that of the results, and that of caches and the state of interrupted runs."""

    recipe: Path
    results: Path
    work: Path


def run(
    recipe_path: str | Path,
    out: Path,
    work_folder: Path,
    *,
    data: Path | None = None,
    texts: Path | None = None,
    only: Sequence[str] = (),
    test_use: str | None = None,
    progress: ProgressReporter | None = None,
) -> Grid:
    """Run the unfinished runs of a benchmark's grid.

    Args:
        recipe_path: The recipe.
        out: Folder for results. A folder with the recipe's name is created in it.
        work_folder: Folder for caches and for the state from which interrupted runs resume.
        data: Replaces `{data}` in the recipe's paths.
        texts: A file or folder with the texts for stand-off labels.
        only: Names of classifiers and splits to run. Default: all. Finished runs of others are kept in the results.
        test_use: The reason for using held-out files, which is logged.
        progress: Where each run is reported. Default: nowhere.

    Raises:
        CommuniqueError: The recipe, the codebook or the data are invalid. A run that fails does not raise an error: it is
            reported and left out, and the other runs continue.
    """
    progress = progress or ProgressReporter.silent()
    recipe_path = Path(recipe_path)
    recipe = BenchmarkRecipe.load(recipe_path, data=data)
    names = (*(classifier.name for classifier in recipe.classifiers), *map(split_name, recipe.splits))
    for name in only:
        if name not in names:
            raise RecipeError(
                f"{recipe_path}: there is no classifier or split named {name!r}; allowed: {', '.join(names)}"
            )
    codebook = Codebook.load(recipe.codebook)
    for classifier in recipe.classifiers:
        _check_options(classifier, codebook)
    test_uses = held_out(corpus.path for corpus in recipe.corpora)
    if test_uses and test_use is None:
        raise DataError(
            f"{recipe_path}: {test_uses[0][0]} is held out for finished models. Remove it from the recipe, or state the reason for "
            f"using it with --use-held-out REASON, which is logged in {test_uses[0][1].name}"
        )
    corpora = BenchmarkData.read(recipe, codebook, texts)
    for line in corpora.messages:
        progress.say(line)
    folders = Folders(recipe_path.parent, out / recipe.name, work_folder)
    folders.results.mkdir(parents=True, exist_ok=True)
    cells = _cells(recipe, corpora, codebook)
    wanted = [cell for cell in cells if _wanted(cell, recipe, only)]
    progress.say(f"{recipe.name}: {len(wanted)} of {len(cells)} runs selected; results in {folders.results}")
    if test_use is not None:
        log_test_use(test_uses, who=f"benchmark {recipe.name}", why=test_use)
    queue = _Queue(wanted)
    runs, left_out = [], []
    for cell in cells:
        try:
            job, place, settings = _prepare(cell, folders, codebook, verbose=not progress.is_silent)
            if not place.done and cell in wanted:
                _do(cell, job, place, settings, queue, progress)
        except RecipeError:
            raise
        except CommuniqueError as error:
            left_out.append(f"{cell}: {error}")
            progress.say(f"{cell}: failed: {error}")
        else:
            if place.done:
                runs.append((place, results.read(place.json)))
        queue.remove(cell)
    return Grid(recipe, codebook, tuple(runs), tuple(left_out), len(cells) - len(runs) - len(left_out))


def _cells(recipe: BenchmarkRecipe, data: BenchmarkData, codebook: Codebook) -> list[Cell]:
    cells = []
    for split in recipe.splits:
        found = tasks(split, data, codebook)
        for classifier in recipe.classifiers:
            if split.classifiers is None or classifier.name in split.classifiers:
                seeds = recipe.seeds[: classifier.seeds][: split.seeds]
                cells += [Cell(task, classifier, seed) for task in found for seed in seeds]
    return cells


def _check_options(classifier: ClassifierSettings, codebook: Codebook) -> None:
    """Check the options of a baseline before the first run. A missing package is reported only when the baseline is run."""
    if classifier.kind != "transformer":
        with suppress(MissingExtraError):
            make(classifier.kind, codebook, seed=0, **classifier.options)


def _wanted(cell: Cell, recipe: BenchmarkRecipe, only: Sequence[str]) -> bool:
    classifiers = [classifier.name for classifier in recipe.classifiers if classifier.name in only]
    splits = [name for split in recipe.splits if (name := split_name(split)) in only]
    return (not classifiers or cell.classifier.name in classifiers) and (
        not splits or split_name(cell.task.split) in splits
    )


def _prepare(
    cell: Cell, folders: Folders, codebook: Codebook, *, verbose: bool
) -> tuple[Job, results.Place, dict[str, Any]]:
    sets = cell.task.draw(cell.seed)
    settings = cell.classifier.identity(cell.seed, folders.recipe)
    identity = results.identify(settings, sets, codebook)
    place = results.Place(folders.results, cell.task.name, cell.classifier.name, cell.seed, identity)
    steps = folders.work / f"{place.json.stem}.steps"
    job = Job(cell.classifier, cell.seed, sets, codebook, folders.recipe, folders.work, steps, verbose)
    return job, place, settings


def _do(
    cell: Cell, job: Job, place: results.Place, settings: dict[str, Any], queue: _Queue, progress: ProgressReporter
) -> None:
    sets = job.sets
    if others := place.others():
        progress.say(
            f"{cell}: settings, data or format differ from those of {others[-1].name}, so it is run again; the old result is kept"
        )
    progress.say(
        f"{queue.number(cell)} {cell}: {len(sets.train)} training rows, {len(sets.tuning)} tuning rows, {len(sets.test)} test rows"
        + (f"; {sets.left_out} not used for training because they share a document or a text" if sets.left_out else "")
        + (f"; {sets.undated} not used because they have no date" if sets.undated else "")
    )
    start = time.monotonic()
    outcome = run_in_process(job)
    content = results.record(place, job, outcome, settings)
    shutil.rmtree(job.steps, ignore_errors=True)
    seconds = time.monotonic() - start
    queue.finish(cell, seconds)
    progress.say(
        f"{queue.number(cell)} {cell}: macro-F1 {score(*content['scores']['macro_f1'])}; {seconds:.0f} s, "
        f"{results.sentences_per_second(content):.0f} sentences/s; "
        f"{len(queue.left)} runs left, about {queue.seconds_left() / 60:.0f} min"
    )


def run_in_process(job: Job) -> Outcome:
    """Run a job in a separate process.

    Raises:
        DataError: The process was killed or failed before the run began.
    """
    # The process is spawned, because a forked one would count the parent's memory, and torch does not support forking.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=end_with_parent) as pool:
        try:
            return pool.submit(work, job).result()
        except BrokenProcessPool:
            raise DataError(f"its process was killed, most likely because memory ran out. {NARROWER}") from None
        except CommuniqueError:
            raise
        except Exception as error:  # `work` handles all errors in a run, so this one occurred before the run began.
            line = next(iter(str(error).splitlines()), "no message")
            raise DataError(
                f"its process failed to start with {type(error).__name__} ({line}). Repair the installation, then run it again"
            ) from None


class _Queue:
    """The remaining runs, with an estimate of their duration."""

    def __init__(self, cells: list[Cell]) -> None:
        self.cells, self.left = cells, list(cells)
        self._seconds: dict[str, list[float]] = defaultdict(list)

    def number(self, cell: Cell) -> str:
        """Return the number of a run among all requested runs, such as 2/9."""
        return f"{self.cells.index(cell) + 1}/{len(self.cells)}"

    def remove(self, cell: Cell) -> None:
        """Remove a run that is finished or has failed."""
        if cell in self.left:
            self.left.remove(cell)

    def finish(self, cell: Cell, seconds: float) -> None:
        """Remove a run and record how long it took."""
        self.remove(cell)
        self._seconds[cell.classifier.name].append(seconds)

    def seconds_left(self) -> float:
        """Estimate the remaining seconds from finished runs of the same classifiers, or of all classifiers."""
        known = {name: mean(times) for name, times in self._seconds.items()}
        return sum(known.get(cell.classifier.name, mean(known.values())) for cell in self.left)
