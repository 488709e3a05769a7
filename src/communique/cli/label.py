"""`communique label`: label text."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import DataError, require_extra
from .common import cli_errors, note

if TYPE_CHECKING:
    import pyarrow as pa

    from ..labelling.reader import Reader
    from ..labelling.shards import ShardFolder
    from ..labelling.summary import Summary
    from ..models.classifier import Classifier
    from ..reporting.progress import ProgressReporter


@cli_errors
def label(
    paths: Annotated[
        list[str],
        typer.Argument(help="Text or Markdown files, tables, folders, globs, saved datasets; - is standard input."),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", help="Write .parquet, or .jsonl, .csv, .tsv, also with .gz or .zst; - is standard output."
        ),
    ] = None,
    model: Annotated[Path | None, typer.Option(help="Folder of a model; the shipped one without it.")] = None,
    text_column: Annotated[str | None, typer.Option(help="A table's column of texts.")] = None,
    split: Annotated[bool, typer.Option("--split", help="Split the rows of tables into sentences.")] = False,
    language: Annotated[
        str | None, typer.Option(help="Language of all texts (BCP 47 code); identified without it.")
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", help="What standard input and files of other endings hold, such as jsonl or csv."),
    ] = None,
    out_format: Annotated[
        str, typer.Option(help="How standard output is written: jsonl, csv, tsv or parquet.")
    ] = "jsonl",
    resume: Annotated[
        bool | None, typer.Option("--resume/--restart", help="Go on with a run that stopped, or throw it away.")
    ] = None,
    shard_rows: Annotated[
        int | None, typer.Option(min=1, help="Rows of a shard: what a stopped run loses at most.")
    ] = None,
    memory_limit: Annotated[str | None, typer.Option(help="Such as 1200MB or 2GB: chooses the size of shards.")] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="CPU threads, an actor with --engine ray: all cores without it, 1 an actor."),
    ] = None,
    engine: Annotated[Literal["local", "ray"], typer.Option(help="This machine, or a Ray cluster.")] = "local",
    ray_address: Annotated[
        str | None,
        typer.Option(help="A cluster's address, such as auto or host:6379; RAY_ADDRESS, or one's own without."),
    ] = None,
    actors: Annotated[
        int | None,
        typer.Option(min=1, help="Models on the cluster, each with --threads CPUs; as many as fit without it."),
    ] = None,
) -> None:
    """Label text. Without -o a table is printed."""
    from ..io import paths as inputs
    from ..labelling import run as batch
    from ..labelling.columns import Options
    from ..labelling.reader import Reader
    from ..labelling.write import OUTPUT_SUFFIXES, output_form
    from ..models.folder import read_info
    from ..models.predictor import default_model

    written = None if out is None else output_form(f"-.{out_format}" if out == inputs.STANDARD else out)
    if out is not None and written is None:
        allowed = ", ".join(OUTPUT_SUFFIXES)
        raise typer.BadParameter(f"{out}: an output ends in {allowed}; text also in .gz or .zst", param_hint="--out")
    if form is not None and form not in inputs.FORMATS:
        raise typer.BadParameter(f"{form!r}; allowed: {', '.join(inputs.FORMATS)}", param_hint="--format")
    if resume is not None and out in (None, inputs.STANDARD):
        raise typer.BadParameter("needs an output file, beside which the shards wait", param_hint="--resume")
    if engine == "ray":
        if out in (None, inputs.STANDARD):
            raise typer.BadParameter("ray needs an output file, beside which the shards wait", param_hint="--engine")
        # Both are read when Ray is imported. It reports its use to its makers, and tells as errors what are none, unless they
        # are set.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        require_extra("ray", "--engine ray", extra="ray")
    elif ray_address is not None or actors is not None:
        raise typer.BadParameter("goes with --engine ray", param_hint="--actors" if actors else "--ray-address")
    rows = shard_rows or batch.shard_rows(None if memory_limit is None else _megabytes(memory_limit))
    options = Options(text_column, language, split, as_json=written in (None, ".jsonl"), shard_rows=rows)
    with tempfile.TemporaryDirectory(prefix="communique-") as spool:
        reader = Reader(inputs.find(paths, form=form, spool=Path(spool)), options)
        folder = model or default_model()
        if out is None or (out == inputs.STANDARD and written == ".jsonl"):
            summary = _streamed(reader, folder, threads, as_table=out is None)
        else:
            info = read_info(folder)
            run = batch.describe(folder, info, reader, str(written), threads)
            target = Path(spool, f"output{written}") if out == inputs.STANDARD else Path(out)
            cluster = partial(_on_ray, ray_address, actors) if engine == "ray" else None
            summary = _filed(
                reader, folder, threads, target, run, resume, to_file=out != inputs.STANDARD, cluster=cluster
            )
    for line in (*reader.told.lines(), *summary.lines()):
        note(line)
    if summary.unreadable:
        raise typer.Exit(1)


@lru_cache(1)
def _load(folder: Path, threads: int | None) -> Classifier:
    """Open the model and keep it until the process ends: to free it piece by piece takes a fifth of a second."""
    from ..load import load_model

    return load_model(folder, threads=threads)


def _streamed(reader: Reader, folder: Path, threads: int | None, *, as_table: bool) -> Summary:
    """Label to the terminal or to standard output, each shard as soon as it is done."""
    from rich.console import Console

    from ..labelling import run as batch
    from ..labelling.label import rows
    from ..labelling.summary import Summary, print_table
    from ..labelling.write import jsonl
    from ..models.folder import read_info
    from ..reporting.progress import ProgressReporter

    # Where output goes to a file or a pipe, rich would take 80 columns and cut words in two.
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    summary = Summary(read_info(folder).labels)
    with ProgressReporter(reader.bytes, note) as progress:
        for table in batch.labelled(reader, lambda: _load(folder, threads), progress):
            summary.add(table)
            if as_table:
                print_table(console, rows(table), summary.names)
            else:
                with stdout_errors():
                    sys.stdout.buffer.write(jsonl(table))
                    sys.stdout.buffer.flush()
    batch.refuse_if_unreadable(summary, reader)
    return summary


def _filed(
    reader: Reader,
    model: Path,
    threads: int | None,
    out: Path,
    run: dict[str, object],
    resume: bool | None,
    *,
    to_file: bool,
    cluster: Callable[..., Iterator[pa.Table]] | None,
) -> Summary:
    """Label into a file by way of shards, or to standard output where its form needs all shards first."""
    from ..labelling import run as batch
    from ..labelling.shards import ShardFolder
    from ..models.folder import read_info
    from ..reporting.progress import ProgressReporter

    shards = ShardFolder(out, run, resume=resume)
    try:
        with ProgressReporter(reader.bytes, note) as progress, nullcontext() if to_file else stdout_errors():
            load = partial(_load, model, threads)
            tables = (
                cluster(reader, model, threads, shards, progress)
                if cluster
                else batch.labelled(reader, load, progress, shards)
            )
            return batch.label_to_file(
                tables, reader, load, read_info(model).labels, shards, out=None if to_file else sys.stdout.buffer
            )
    except KeyboardInterrupt:
        if to_file:
            note(f"{shards.path}: finished shards stay there; the same command with --resume goes on")
        raise
    finally:
        shards.close()


def _on_ray(
    address: str | None,
    actors: int | None,
    reader: Reader,
    model: Path,
    threads: int | None,
    shards: ShardFolder,
    progress: ProgressReporter,
) -> Iterator[pa.Table]:
    """Label shards on a cluster, to which this process is connected as long as it takes."""
    import logging

    from ..labelling import ray as ray_engine

    # Progress and errors are told here; Ray Data keeps the rest in the log files of its session.
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    with ray_engine.connected(address):
        yield from ray_engine.labelled(reader, model, _load, shards, progress, threads=threads, actors=actors)


@contextmanager
def stdout_errors() -> Iterator[None]:
    """Turn what standard output refuses into an error of one line; a reader that has gone is typer's to answer."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        # What is still in the buffer cannot be written either, and Python would try once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise DataError(f"standard output: {error.strerror or error}; make room, or write to a file with -o") from error


def _megabytes(text: str) -> float:
    """Read a size such as 1200MB or 2GB."""
    import re

    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([MG])(?:i?B)?\s*", text, re.IGNORECASE)
    if match is None:
        raise typer.BadParameter(f"{text!r}; write 1200MB or 2GB", param_hint="--memory-limit")
    return float(match[1]) * (1000 if match[2].upper() == "G" else 1)
