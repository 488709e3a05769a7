"""Labelling with a trained model: its options, its engine, and how a run is continued."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import DataError, OutputError, require_extra
from .common import note

if TYPE_CHECKING:
    from ..data.codebook import Codebook
    from ..labelling.ray import RayEngine
    from ..labelling.reader import ShardReader
    from ..labelling.run import LocalEngine
    from ..labelling.shard_folder import ShardFolder
    from ..labelling.summary import Summary
    from ..labelling.write import OutputForm
    from ..models.classifier import Classifier
    from ..models.info import ModelInfo
    from ..reporting.progress import ProgressReporter


@dataclass(frozen=True)
class Labelling:
    """A run that is about to begin.

    Attributes:
        make_engine: Creates the engine that labels shards.
        progress: Reports the progress.
        finish: Called with the counts and the hash of the run, once the output has been written.
    """

    make_engine: Callable[[], LocalEngine | RayEngine]
    progress: ProgressReporter
    finish: Callable[[Summary, str], None] = lambda summary, run_sha256: None


@dataclass(frozen=True)
class ModelRun:
    """A run with a trained model.

    Attributes:
        folder: The model folder.
        threads: Number of CPU threads, or None for the default.
        engine: `local` or `ray`.
        ray_address: Address of the Ray cluster.
        actors: Maximum number of actors.
    """

    folder: Path
    threads: int | None = None
    engine: str = "local"
    ray_address: str | None = None
    actors: int | None = None

    def check(self, *, to_file: bool) -> None:
        """Check the options of the engine, and that Ray is installed if it is used.

        Args:
            to_file: Whether the output is a file.

        Raises:
            BadParameter: The options do not go together.
            MissingExtraError: Ray is not installed.
        """
        if self.engine == "ray":
            if not to_file:
                raise typer.BadParameter(
                    "ray requires -o FILE, because finished shards are stored next to the output file",
                    param_hint="--engine",
                )
            # Ray reads both variables on import. They disable its usage telemetry and hide messages that it wrongly logs as errors.
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
            require_extra("ray", "--engine ray", extra="ray")
        elif self.ray_address is not None or self.actors is not None:
            raise typer.BadParameter(
                "this option requires --engine ray", param_hint="--actors" if self.actors else "--ray-address"
            )

    @property
    def files(self) -> list[Path]:
        """The files that are written in addition to the output: none."""
        return []

    @property
    def max_shard_rows(self) -> int:
        """Maximum number of rows per shard, unless the user names it."""
        from ..labelling.run import SHARD_ROWS

        return SHARD_ROWS

    @cached_property
    def info(self) -> ModelInfo:
        """The description of the model."""
        from ..models.folder import read_info

        return read_info(self.folder)

    @cached_property
    def codebook(self) -> Codebook:
        """The codebook of the model."""
        from ..models.folder import read_codebook

        return read_codebook(self.folder, self.info)

    @cached_property
    def opened(self) -> Classifier:
        """The model, which is opened when it is needed for the first time."""
        from .. import load

        return load.load_model(self.folder, threads=self.threads, info=self.info)

    def require_domain(self) -> None:
        """Check that the model computes out-of-domain scores.

        Raises:
            BundleError: It does not.
        """
        from ..models.folder import require_domain

        require_domain(self.folder, self.info)

    def describe(self, reader: ShardReader) -> dict[str, Any]:
        """Return everything that the output depends on."""
        from ..labelling.run import describe_run

        return describe_run(self.info, reader, self.threads)

    def is_finished(self, path: Path, reader: ShardReader, form: OutputForm, *, overwrite: bool) -> bool:
        """Check whether an existing output is already what this run would write.

        Args:
            path: The output.
            reader: A reader of the input that has not been used.
            form: The format of the output.
            overwrite: Whether another output may be replaced.

        Raises:
            OutputError: The output is something else, and may not be replaced.
            Exit: The output is complete, but some rows of the input could not be read.
        """
        from ..labelling.finished import is_complete
        from ..labelling.shard_folder import ShardFolder, shards_folder

        note(f"{path}: this file exists. Checking whether it is complete")
        run = self.describe(reader)
        if not is_complete(reader, path, form, self.opened):
            if not overwrite:
                raise OutputError(
                    f"{path}: already exists and is not the output of this run. Choose another output, or replace it with "
                    "--overwrite"
                )
            return False
        if shards_folder(path).exists():
            # The run was killed between writing the output and deleting its shards. Shards of another run are kept.
            with suppress(DataError, OutputError):
                ShardFolder(path, run, resume=True).remove()
        for line in reader.notes.lines():
            note(line)
        note(f"{path}: already complete, nothing to do")
        if reader.notes.counts["unreadable"]:
            raise typer.Exit(1)
        return True

    @contextmanager
    def labelling(self, reader: ShardReader, shards: ShardFolder, *, restart: bool) -> Iterator[Labelling]:
        """Prepare a run. The model is opened when the engine is created.

        Args:
            reader: The input.
            shards: The finished shards of an interrupted run.
            restart: Whether the run begins again.
        """
        from ..reporting.progress import ProgressReporter

        if self.info.warnings:
            note(f"WARNING: {self.folder}: this model is not fit for use. {'. '.join(self.info.warnings)}")
        yield Labelling(self.make_engine, ProgressReporter(reader.bytes, note))

    def make_engine(self) -> LocalEngine | RayEngine:
        """Create the engine that labels shards."""
        from .. import load
        from ..labelling.run import LocalEngine

        if self.engine == "local":
            return LocalEngine(self.opened)
        import logging

        from ..labelling.ray import RayEngine

        # This process reports progress and errors. Ray Data writes everything else to the log files of its session.
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        return RayEngine(
            self.folder, load.load_model, address=self.ray_address, threads=self.threads, actors=self.actors
        )
