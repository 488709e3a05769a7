"""`communique label`: label the sentences of documents and tables."""

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
from ..reporting.format import counted
from .common import (
    INPUT,
    OUTPUT,
    SPEED,
    DocumentColumn,
    EncodingOption,
    Overwrite,
    SheetOption,
    TextColumn,
    UsageError,
    checked,
    cli_errors,
    note,
)
from .label_chat import (
    SHARD_ROWS,
    AnswerTokens,
    ChatOptions,
    CodebookOption,
    EndpointOption,
    KeyOption,
    LabelerOption,
    MaxCost,
    MaxTokens,
    ModelOption,
    OwnTemperature,
    ParallelOption,
    PriceIn,
    PriceOut,
    TemperatureOption,
)

if TYPE_CHECKING:
    from ..data.codebook import Codebook
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
    from ..reporting.progress import ProgressReporter


@cli_errors
def label(
    paths: Annotated[
        list[str],
        typer.Argument(help="Documents, tables, folders, globs or saved datasets. Use - for standard input."),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            help="File in which to save the labels: .html (a page with the text and its labels), .xlsx (a workbook), .parquet, "
            ".jsonl, .csv or .tsv. The last three may also end in .gz or .zst. Use - for standard output. Default: print a table.",
        ),
    ] = None,
    model: Annotated[Path | None, typer.Option(help="Model folder. Default: the shipped model.")] = None,
    text_column: TextColumn = None,
    document_column: DocumentColumn = None,
    columns_from_filename: Annotated[
        str | None,
        typer.Option(
            help="Add columns with parts of file names, such as '{country}_{session}_{year}' for USA_77_2022.txt.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    sheet: SheetOption = None,
    encoding: EncodingOption = None,
    split: Annotated[
        bool | None,
        typer.Option(
            "--split/--no-split",
            help="Split each row of a table into sentences, or label it as one sentence. "
            "Default: label each row as one sentence, but refuse a table in which many rows contain whole texts.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(
            help="Language of all texts (BCP 47 code, such as fr). Default: identified for each text.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Format of standard input and of named files, such as jsonl or csv. Default: recognised by the suffix.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    out_format: Annotated[
        str,
        typer.Option(help="Format of standard output: jsonl, csv, tsv, parquet, xlsx or html.", rich_help_panel=OUTPUT),
    ] = "jsonl",
    escape_formulas: Annotated[
        bool,
        typer.Option(
            "--escape-formulas",
            help="In CSV output, put an apostrophe in front of cells that a spreadsheet would run as formulas.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    overwrite: Overwrite = False,
    resume: Annotated[
        bool | None,
        typer.Option(
            "--resume/--restart",
            help="Resume an interrupted run, or discard it and start again. Default: refuse to start if there is one.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    shard_rows: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Rows per shard. A run that is interrupted loses the work on at most one shard. Default: 4096, or fewer with "
            "--memory-limit.",
            rich_help_panel=SPEED,
        ),
    ] = None,
    memory_limit: Annotated[
        str | None,
        typer.Option(
            help="Approximate memory limit, such as 1200MB or 2GB. The size of shards is chosen accordingly.",
            rich_help_panel=SPEED,
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of CPU threads, or of threads per actor with --engine ray. Default: all cores, or 1 per actor.",
            rich_help_panel=SPEED,
        ),
    ] = None,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(help="Where to label: on this machine, or on a Ray cluster.", rich_help_panel=SPEED),
    ] = "local",
    ray_address: Annotated[
        str | None,
        typer.Option(
            help="Ray cluster address, such as auto or host:6379. Default: $RAY_ADDRESS, otherwise a local cluster.",
            rich_help_panel=SPEED,
        ),
    ] = None,
    actors: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Maximum number of actors: Ray processes that load the model and use --threads CPUs. Default: as many as fit.",
            rich_help_panel=SPEED,
        ),
    ] = None,
    labeler: LabelerOption = "model",
    codebook: CodebookOption = None,
    endpoint: EndpointOption = None,
    chat_model: ModelOption = None,
    api_key_variable: KeyOption = "OPENAI_API_KEY",
    temperature: TemperatureOption = 0.0,
    no_temperature: OwnTemperature = False,
    answer_tokens: AnswerTokens = 200,
    parallel: ParallelOption = 4,
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    max_cost: MaxCost = None,
    max_tokens: MaxTokens = None,
) -> None:
    """Label the sentences of documents and tables.

    For example:

        communique label speech.pdf
        communique label speeches/ notes.docx -o labels.html
        communique label sentences.csv --text-column statement -o labels.parquet
        communique label sentences.csv --labeler chat --codebook mine.yaml --endpoint URL --chat-model NAME -o labels.csv
    """
    from .. import load
    from ..io.output import check_outputs, is_stream
    from ..io.paths import FORMATS, find_files
    from ..labelling.options import Options
    from ..labelling.reader import ShardReader
    from ..labelling.run import LocalEngine, describe_run, run_sha256
    from ..labelling.run import shard_rows as rows_for
    from ..labelling.shard_folder import ShardFolder
    from ..labelling.spreadsheet import check_known_rows
    from ..labelling.units import rows_of_texts
    from ..labelling.write import DELIMITED
    from ..models.folder import read_codebook, read_info
    from ..models.predictor import default_model
    from ..reporting.progress import ProgressReporter
    from ..text.language_codes import normalize_language

    to_file = out is not None and not is_stream(out)
    suffix = None if out is None else _suffix(out, out_format, to_file=to_file)
    if escape_formulas and suffix not in DELIMITED:
        raise typer.BadParameter(
            "only .csv and .tsv output can contain formulas. Omit this option", param_hint="--escape-formulas"
        )
    if form is not None and form not in FORMATS:
        raise typer.BadParameter(f"{form!r} is not a format. Use one of: {', '.join(FORMATS)}", param_hint="--format")
    if resume is not None and not to_file:
        raise typer.BadParameter(
            "this option requires -o FILE, because finished shards are stored next to the output file",
            param_hint="--resume",
        )
    _check_engine(engine, ray_address, actors, to_file=to_file)
    chat_options = ChatOptions(
        codebook,
        endpoint,
        chat_model,
        api_key_variable,
        temperature,
        no_temperature,
        answer_tokens,
        parallel,
        price_in,
        price_out,
        max_cost,
        max_tokens,
    )
    chat = None
    if labeler == "chat":
        chat = chat_options.run(
            out, others={"--model": model, "--threads": threads, "--engine": engine if engine != "local" else None}
        )
    else:
        chat_options.check_unused()
    rows = shard_rows or rows_for(None if memory_limit is None else _megabytes(memory_limit))
    if chat is not None:
        rows = min(rows, shard_rows or SHARD_ROWS)
    # With --resume, the output may exist, because an earlier run may have completed it.
    written = [out] if chat is None else [out, *chat.files]
    outputs = check_outputs(written, inputs=[*paths, codebook], overwrite=overwrite or bool(resume))
    folder = model or default_model() if chat is None else Path()
    info = read_info(folder) if chat is None else chat.info
    book = read_codebook(folder, info) if chat is None else chat.codebook
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
            raise UsageError(
                f"{found_texts}. Split them into sentences with --split, or label each row as one sentence with --no-split"
            )
        if suffix == ".xlsx":
            check_known_rows(str(out), reader.files)
        if not to_file and suffix in (None, ".jsonl"):
            summary, notes = _stream(reader, make_engine(), info.labels, out)
        else:
            run = describe_run(info, reader, threads) | ({} if chat is None else {"chat": chat.describe()})
            output = _output_form(str(out), str(suffix), info, book, run, escape_formulas)
            path = Path(str(out)) if to_file else Path(spool, f"output{suffix}")
            if path.exists() and resume:
                if chat is not None:
                    finished = chat.is_finished(run_sha256(run), overwrite=overwrite)
                else:
                    finished = _is_finished(path, ShardReader(found, options), output, opened(), run, overwrite)
                if finished:
                    return
            # Open the model last, so that a problem with the output is reported at once.
            with closing(ShardFolder(path, run, resume=resume)) as shards:
                if chat is None:
                    progress = ProgressReporter(reader.bytes, note)
                    summary, notes = _label(reader, make_engine, shards, output, None if to_file else out, progress)
                else:
                    with chat.labeler(restart=resume is False) as asked:
                        progress = ProgressReporter(reader.bytes, note, detail=asked.progress)
                        asked.report = progress.state
                        summary, notes = _label(reader, lambda: LocalEngine(asked), shards, output, None, progress)
                        chat.finish(asked, summary, run_sha256(run))
    for line in (*notes.lines(), *summary.lines()):
        note(line)
    if to_file:
        note(f"output: {out}")
    elif out is None:
        note("Nothing was saved. To save the labels, use -o FILE")
    if summary.unreadable or summary.failed:
        raise typer.Exit(1)


def _suffix(out: str, out_format: str, *, to_file: bool) -> str:
    """Return the suffix that determines the format of the output."""
    from ..labelling.write import OUTPUT_SUFFIXES, output_suffix

    suffix = output_suffix(out)
    if suffix is None and not to_file:
        # A named pipe can have a suffix. Standard output has none.
        suffix = output_suffix(f"-.{out_format}")
    if suffix is None:
        allowed = ", ".join(OUTPUT_SUFFIXES)
        raise typer.BadParameter(
            f"{out}: the format is unknown. Use a name that ends in {allowed} (text formats also with .gz or .zst)",
            param_hint="--out",
        )
    return suffix


def _check_engine(name: str, address: str | None, actors: int | None, *, to_file: bool) -> None:
    """Check the options of the engine, and that Ray is installed if it is used."""
    if name == "ray":
        if not to_file:
            raise typer.BadParameter(
                "ray requires -o FILE, because finished shards are stored next to the output file",
                param_hint="--engine",
            )
        # Ray reads both variables on import. They disable its usage telemetry and hide messages that it wrongly logs as errors.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        require_extra("ray", "--engine ray", extra="ray")
    elif address is not None or actors is not None:
        raise typer.BadParameter(
            "this option requires --engine ray", param_hint="--actors" if actors else "--ray-address"
        )


def _engine(
    name: str,
    folder: Path,
    opened: Callable[[], Classifier],
    threads: int | None,
    address: str | None,
    actors: int | None,
) -> LocalEngine | RayEngine:
    """Create the engine that labels shards."""
    from .. import load
    from ..labelling.run import LocalEngine

    if name == "local":
        return LocalEngine(opened())
    import logging

    from ..labelling.ray import RayEngine

    # This process reports progress and errors. Ray Data writes everything else to the log files of its session.
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    return RayEngine(folder, load.load_model, address=address, threads=threads, actors=actors)


def _output_form(
    out: str, suffix: str, info: ModelInfo, codebook: Codebook, run: dict[str, Any], escape_formulas: bool
) -> OutputForm:
    """Describe the format of the output and what it records about the run."""
    from ..io.suffixes import ending
    from ..labelling.run import run_sha256
    from ..labelling.write import OutputForm

    return OutputForm(
        name=out,
        suffix=suffix,
        codec=ending(out)[1],
        info=info,
        codebook=codebook,
        run=run_sha256(run),
        escape_formulas=escape_formulas,
    )


def _stream(
    reader: ShardReader, engine: Engine[Any], names: tuple[str, ...], out: str | None
) -> tuple[Summary, InputNotes]:
    """Label to standard output or a pipe, and write each shard as soon as it is finished.

    The format is JSON Lines, or a table if `out` is None.
    """
    from rich.console import Console

    from ..io.atomic import replacing
    from ..labelling.run import StreamSink, label_files
    from ..labelling.summary import print_table
    from ..labelling.write import jsonl
    from ..reporting.progress import ProgressReporter

    # If the output is not a terminal, rich would assume 80 columns and split words.
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
    progress: ProgressReporter,
) -> tuple[Summary, InputNotes]:
    """Label to a file, or to a stream in a format whose first byte requires all shards."""
    from ..io.atomic import replacing
    from ..labelling.run import FileSink, label_files

    try:
        with ExitStack() as stack:
            handle = None
            if stream is not None:
                stack.enter_context(_stream_errors())
                handle = stack.enter_context(replacing(stream, "wb"))
            sink = FileSink(shards, output, handle=handle)
            for number in shards.damaged:
                note(
                    f"{shards.path}: shard {number} is damaged, because its SHA-256 differs. It will be labelled again"
                )
            return label_files(reader, make_engine(), sink, progress)
    except KeyboardInterrupt as stopped:
        if stream is None and (finished := len(shards.numbers())):
            stopped.args = (
                f"{shards.path} contains {counted(finished, 'finished shard')}. To continue, run the same command with --resume",
            )
        raise


def _is_finished(
    out: Path, reader: ShardReader, output: OutputForm, model: Classifier, run: dict[str, Any], overwrite: bool
) -> bool:
    """Check whether an existing output is already what this run would write.

    Raises:
        OutputError: The output is something else, and may not be replaced.
        Exit: The output is complete, but some rows of the input could not be read.
    """
    from ..labelling.finished import is_complete
    from ..labelling.shard_folder import ShardFolder, shards_folder

    note(f"{out}: this file exists. Checking whether it is complete")
    if not is_complete(reader, out, output, model):
        if not overwrite:
            raise OutputError(
                f"{out}: already exists and is not the output of this run. Choose another output, or replace it with --overwrite"
            )
        return False
    if shards_folder(out).exists():
        # The run was killed between writing the output and deleting its shards. Shards of another run are kept.
        with suppress(DataError, OutputError):
            ShardFolder(out, run, resume=True).remove()
    for line in reader.notes.lines():
        note(line)
    note(f"{out}: already complete, nothing to do")
    if reader.notes.counts["unreadable"]:
        raise typer.Exit(1)
    return True


@contextmanager
def _stream_errors() -> Iterator[None]:
    """Turn an `OSError` of standard output into an error of one line. The command line handles a broken pipe."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        # Discard the buffer, which cannot be written either. Python would otherwise try again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise DataError(
            f"standard output: {error.strerror or error}. Free some disk space, or write to a file with -o"
        ) from error


def _megabytes(text: str) -> float:
    """Return a size such as 1200MB or 2GB in megabytes."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([MG])(?:i?B)?\s*", text, re.IGNORECASE)
    if match is None:
        raise typer.BadParameter(
            f"{text!r} is not a size. Write for example 1200MB or 2GB", param_hint="--memory-limit"
        )
    return float(match[1]) * (1000 if match[2].upper() == "G" else 1)
