"""`communique label`: label text."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import DataError, OutputError, require_extra
from .common import EncodingOption, Overwrite, SheetOption, checked, cli_errors, note

if TYPE_CHECKING:
    from ..labelling.label import LabelledShard
    from ..labelling.options import InputNotes
    from ..labelling.ray import RayEngine
    from ..labelling.reader import ShardReader
    from ..labelling.run import Engine, FileSink, LocalEngine
    from ..labelling.shard_folder import ShardFolder
    from ..labelling.summary import Summary
    from ..labelling.write import OutputForm
    from ..models.classifier import Classifier
    from ..models.info import ModelInfo


@cli_errors
def label(
    paths: Annotated[
        list[str],
        typer.Argument(help="Documents, tables, folders, globs or saved datasets. - is standard input."),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            help="Output: .html (a page with the marked text), .xlsx (a workbook), .parquet, or .jsonl, .csv, .tsv, also with .gz "
            "or .zst. - is standard output.",
        ),
    ] = None,
    model: Annotated[Path | None, typer.Option(help="Model folder. Default: the shipped model.")] = None,
    text_column: Annotated[
        str | None, typer.Option(help="Column of a table that holds the text. Default: found by its name.")
    ] = None,
    document_column: Annotated[
        str | None, typer.Option(help="Column of a table that names the document of a row. Default: found by its name.")
    ] = None,
    columns_from_filename: Annotated[
        str | None,
        typer.Option(help="Columns in the names of files, such as '{country}_{session}_{year}' for USA_77_2022.txt."),
    ] = None,
    sheet: SheetOption = None,
    encoding: EncodingOption = None,
    split: Annotated[
        bool | None,
        typer.Option(
            "--split/--no-split",
            help="Split the rows of tables into sentences, or not. Default: not; refused if many rows hold whole texts.",
        ),
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="Language of all texts (BCP 47 code). Default: identified for each.")
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", help="Format of standard input and of named files, such as jsonl or csv. Default: by suffix."
        ),
    ] = None,
    out_format: Annotated[
        str, typer.Option(help="Format of standard output: jsonl, csv, tsv, parquet, xlsx or html.")
    ] = "jsonl",
    escape_formulas: Annotated[
        bool,
        typer.Option(
            "--escape-formulas",
            help="In CSV, put an apostrophe in front of cells that a spreadsheet would run as a formula.",
        ),
    ] = False,
    overwrite: Overwrite = False,
    resume: Annotated[
        bool | None,
        typer.Option("--resume/--restart", help="Resume an interrupted run, or discard it and begin again."),
    ] = None,
    shard_rows: Annotated[
        int | None, typer.Option(min=1, help="Rows per shard: an interrupted run loses at most one shard.")
    ] = None,
    memory_limit: Annotated[
        str | None, typer.Option(help="Memory limit, such as 1200MB or 2GB. It decides the size of shards.")
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of CPU threads (per actor with --engine ray). Default: all cores, or 1 per actor."
        ),
    ] = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="Where to label: on this machine, or on a Ray cluster.")
    ] = "local",
    ray_address: Annotated[
        str | None,
        typer.Option(
            help="Ray cluster address, such as auto or host:6379. Default: $RAY_ADDRESS, otherwise a local cluster."
        ),
    ] = None,
    actors: Annotated[
        int | None,
        typer.Option(
            min=1, help="Largest number of models on the cluster, each with --threads CPUs. Default: as many as fit."
        ),
    ] = None,
) -> None:
    """Label text. Without -o, a table is printed."""
    from .. import load
    from ..io.output import check_outputs, is_stream
    from ..io.paths import FORMATS, find_files
    from ..labelling.options import Options
    from ..labelling.reader import ShardReader
    from ..labelling.run import describe_run
    from ..labelling.run import shard_rows as rows_for
    from ..labelling.shard_folder import ShardFolder
    from ..labelling.spreadsheet import check_known_rows
    from ..labelling.units import rows_of_texts
    from ..labelling.write import DELIMITED
    from ..models.folder import read_info
    from ..models.predictor import default_model
    from ..text.language_codes import normalize_language

    to_file = out is not None and not is_stream(out)
    suffix = None if out is None else _suffix(out, out_format, to_file=to_file)
    if escape_formulas and suffix not in DELIMITED:
        raise typer.BadParameter(
            "goes with .csv or .tsv; the other formats hold no formulas", param_hint="--escape-formulas"
        )
    if form is not None and form not in FORMATS:
        raise typer.BadParameter(f"{form!r}; allowed: {', '.join(FORMATS)}", param_hint="--format")
    if resume is not None and not to_file:
        raise typer.BadParameter(
            "requires -o FILE: finished shards are stored next to the output file", param_hint="--resume"
        )
    _check_engine(engine, ray_address, actors, to_file=to_file)
    rows = shard_rows or rows_for(None if memory_limit is None else _megabytes(memory_limit))
    # With --resume the output may exist: it may be complete.
    outputs = check_outputs([out], inputs=paths, overwrite=overwrite or bool(resume))
    folder = model or default_model()
    info = read_info(folder)
    options = Options(
        text_column=text_column,
        document_column=document_column,
        sheet=sheet,
        filename_columns=columns_from_filename,
        language=language and checked(normalize_language, language, "--language"),
        encoding=encoding,
        split=bool(split),
        as_json=suffix in (None, ".jsonl"),
        shard_rows=rows,
        labels=info.labels,
    )
    opened = cache(lambda: load.load_model(folder, threads=threads, info=info))
    make_engine = partial(_engine, engine, folder, opened, threads, ray_address, actors)
    with tempfile.TemporaryDirectory(prefix="communique-") as spool:
        found = find_files(
            paths,
            file_format=form,
            spool=Path(spool),
            encoding=options.encoding,
            language=options.language,
            outputs=outputs,
        )
        reader = ShardReader(found, options)
        if split is None and (found_texts := rows_of_texts(reader.files, options)):
            raise typer.BadParameter(
                f"{found_texts}. Split them into sentences with --split, or label each row as one sentence with --no-split",
                param_hint="--split",
            )
        if suffix == ".xlsx":
            check_known_rows(str(out), reader.files)
        if not to_file and suffix in (None, ".jsonl"):
            summary, notes = _stream(reader, make_engine(), info.labels, out)
        else:
            run = describe_run(info, reader, threads)
            output = _output_form(str(out), str(suffix), folder, info, run, escape_formulas)
            path = Path(str(out)) if to_file else Path(spool, f"output{suffix}")
            if (
                path.exists()
                and resume
                and _is_finished(path, ShardReader(found, options), output, opened(), run, overwrite)
            ):
                return
            # The model is opened last, so that a problem with the output is reported at once.
            with closing(ShardFolder(path, run, resume=resume)) as shards:
                summary, notes = _label(reader, make_engine, shards, output, None if to_file else out)
    for line in (*notes.lines(), *summary.lines()):
        note(line)
    if to_file:
        note(f"output: {out}")
    if summary.unreadable:
        raise typer.Exit(1)


def _suffix(out: str, out_format: str, *, to_file: bool) -> str:
    """Return the suffix that decides how the output is written."""
    from ..labelling.write import OUTPUT_SUFFIXES, output_suffix

    suffix = output_suffix(out)
    if suffix is None and not to_file:
        # A pipe can have a name that ends in a format; standard output has none.
        suffix = output_suffix(f"-.{out_format}")
    if suffix is None:
        allowed = ", ".join(OUTPUT_SUFFIXES)
        raise typer.BadParameter(f"{out}: an output ends in {allowed}; text also in .gz or .zst", param_hint="--out")
    return suffix


def _check_engine(name: str, address: str | None, actors: int | None, *, to_file: bool) -> None:
    """Check the options of the engine, and that Ray is installed if it is used."""
    if name == "ray":
        if not to_file:
            raise typer.BadParameter(
                "ray requires -o FILE: finished shards are stored next to the output file", param_hint="--engine"
            )
        # Ray reads both on import. They disable its usage telemetry and silence messages that it wrongly logs as errors.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        require_extra("ray", "--engine ray", extra="ray")
    elif address is not None or actors is not None:
        raise typer.BadParameter("goes with --engine ray", param_hint="--actors" if actors else "--ray-address")


def _engine(
    name: str,
    folder: Path,
    opened: Callable[[], Classifier],
    threads: int | None,
    address: str | None,
    actors: int | None,
) -> LocalEngine | RayEngine:
    from .. import load
    from ..labelling.run import LocalEngine

    if name == "local":
        return LocalEngine(opened())
    import logging

    from ..labelling.ray import RayEngine

    # Progress and errors are reported here; Ray Data keeps the rest in the log files of its session.
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    return RayEngine(folder, load.load_model, address=address, threads=threads, actors=actors)


def _output_form(
    out: str, suffix: str, folder: Path, info: ModelInfo, run: dict[str, Any], escape_formulas: bool
) -> OutputForm:
    """Describe how the output is written."""
    from ..io.suffixes import ending
    from ..labelling.run import run_sha256
    from ..labelling.write import OutputForm
    from ..models.folder import read_codebook

    return OutputForm(
        name=out,
        suffix=suffix,
        codec=ending(out)[1],
        info=info,
        codebook=read_codebook(folder, info),
        run=run_sha256(run),
        escape_formulas=escape_formulas,
    )


def _stream(
    reader: ShardReader, engine: Engine[Any], names: tuple[str, ...], out: str | None
) -> tuple[Summary, InputNotes]:
    """Label to standard output or a pipe, each shard as soon as it is done: as JSON Lines, or as a table if `out` is None."""
    from rich.console import Console

    from ..io.atomic import replacing
    from ..labelling.run import StreamSink, label_files
    from ..labelling.summary import print_table
    from ..labelling.write import jsonl
    from ..reporting.progress import ProgressReporter

    # When output goes to a file or a pipe, rich would assume 80 columns and cut words in two.
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    with _stream_errors(), nullcontext() if out is None else replacing(out, "wb") as handle:

        def show(shard: LabelledShard) -> None:
            if handle is None:
                print_table(console, shard.to_rows(), names)
            else:
                handle.write(jsonl(shard))
                handle.flush()

        return label_files(reader, engine, StreamSink(show, names), ProgressReporter(reader.bytes, note))


def _label(
    reader: ShardReader,
    make_engine: Callable[[], Engine[FileSink]],
    shards: ShardFolder,
    output: OutputForm,
    stream: str | None,
) -> tuple[Summary, InputNotes]:
    """Label into a file, or into a stream in a format that needs all shards before its first byte."""
    from ..io.atomic import replacing
    from ..labelling.run import FileSink, label_files
    from ..reporting.progress import ProgressReporter

    try:
        with ExitStack() as stack:
            handle = None
            if stream is not None:
                stack.enter_context(_stream_errors())
                handle = stack.enter_context(replacing(stream, "wb"))
            sink = FileSink(shards, output, handle=handle)
            for number in shards.damaged:
                note(
                    f"{shards.path}: shard {number} is damaged: its bytes do not have its SHA-256. It is labelled again"
                )
            return label_files(reader, make_engine(), sink, ProgressReporter(reader.bytes, note))
    except KeyboardInterrupt as stopped:
        if stream is None and (finished := len(shards.numbers())):
            stopped.args = (
                f"{shards.path} keeps {finished} finished shards. Run the same command with --resume to continue",
            )
        raise


def _is_finished(
    out: Path, reader: ShardReader, output: OutputForm, model: Classifier, run: dict[str, Any], overwrite: bool
) -> bool:
    """Report whether an output that exists is already what this run would write.

    Raises:
        OutputError: It is something else, and may not be replaced.
        Exit: It is complete, and rows of it could not be read.
    """
    from ..labelling.finished import is_complete
    from ..labelling.shard_folder import ShardFolder, shards_folder

    note(f"{out}: exists. Checking whether it is complete")
    if not is_complete(reader, out, output, model):
        if not overwrite:
            raise OutputError(
                f"{out}: already exists, and is not the output of this run. Choose another output, or replace it with --overwrite"
            )
        return False
    if shards_folder(out).exists():
        # The run was killed between writing the output and deleting the shards. Shards of another run stay.
        with suppress(DataError, OutputError):
            ShardFolder(out, run, resume=True).remove()
    for line in reader.notes.lines():
        note(line)
    note(f"{out}: already complete")
    if reader.notes.counts["unreadable"]:
        raise typer.Exit(1)
    return True


@contextmanager
def _stream_errors() -> Iterator[None]:
    """Turn an `OSError` of standard output into an error of one line; typer handles a reader that has gone."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        # What is still in the buffer cannot be written either, and Python would try once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise DataError(f"standard output: {error.strerror or error}. Make room, or write to a file with -o") from error


def _megabytes(text: str) -> float:
    """Read a size such as 1200MB or 2GB."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([MG])(?:i?B)?\s*", text, re.IGNORECASE)
    if match is None:
        raise typer.BadParameter(f"{text!r}; write 1200MB or 2GB", param_hint="--memory-limit")
    return float(match[1]) * (1000 if match[2].upper() == "G" else 1)
