"""`communique label`: label the sentences of documents and tables."""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .common import (
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
from .label_chat import ChatOptions, ChatRun
from .label_model import ModelRun
from .label_options import (
    AbstainOption,
    ActorsOption,
    AnswerTokens,
    CodebookOption,
    EndpointOption,
    EngineOption,
    EscapeFormulas,
    FilenameColumns,
    FormatOption,
    KeyOption,
    LabelerOption,
    LanguageOption,
    MaxCost,
    MaxTokens,
    MemoryLimit,
    ModelFolder,
    ModelOption,
    OutFormat,
    OutOfDomainOption,
    OutOption,
    OwnTemperature,
    ParallelOption,
    Paths,
    PriceIn,
    PriceOut,
    RayAddress,
    ResumeOption,
    ShardRows,
    SplitOption,
    TemperatureOption,
    ThreadsOption,
)
from .label_output import Output, label_to_file, label_to_stream

if TYPE_CHECKING:
    from ..labelling.options import InputNotes, Options
    from ..labelling.reading import TextReading
    from ..labelling.summary import Summary
    from ..models.info import ModelInfo


@cli_errors
def label(
    paths: Paths,
    out: OutOption = None,
    model: ModelFolder = None,
    text_column: TextColumn = None,
    document_column: DocumentColumn = None,
    columns_from_filename: FilenameColumns = None,
    sheet: SheetOption = None,
    encoding: EncodingOption = None,
    split: SplitOption = None,
    language: LanguageOption = None,
    form: FormatOption = None,
    out_format: OutFormat = "jsonl",
    escape_formulas: EscapeFormulas = False,
    abstain: AbstainOption = None,
    out_of_domain: OutOfDomainOption = False,
    overwrite: Overwrite = False,
    resume: ResumeOption = None,
    shard_rows: ShardRows = None,
    memory_limit: MemoryLimit = None,
    threads: ThreadsOption = None,
    engine: EngineOption = "local",
    ray_address: RayAddress = None,
    actors: ActorsOption = None,
    labeler: LabelerOption = "model",
    codebook: CodebookOption = None,
    endpoint: EndpointOption = None,
    chat_model: ModelOption = None,
    api_key_variable: KeyOption = ChatOptions.api_key_variable,
    temperature: TemperatureOption = ChatOptions.temperature,
    no_temperature: OwnTemperature = ChatOptions.no_temperature,
    answer_tokens: AnswerTokens = ChatOptions.answer_tokens,
    parallel: ParallelOption = ChatOptions.parallel,
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
    from ..labelling.reading import TextReading
    from ..metrics.calibration import check_abstention
    from ..models.predictor import default_model
    from ..text.language_codes import normalize_language

    output = Output.checked(out, out_format, resume=resume, overwrite=overwrite, escape_formulas=escape_formulas)
    _check_format(form)
    chat = ChatOptions(
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
    run: ModelRun | ChatRun
    if labeler == "chat":
        others = {
            "--model": model,
            "--threads": threads,
            "--engine": engine if engine != "local" else None,
            "--ray-address": ray_address,
            "--actors": actors,
            "--abstain": abstain,
            "--out-of-domain": out_of_domain,
        }
        run = chat.run(out, others=others)
    else:
        chat.check_unused()
        run = ModelRun(model or default_model(), threads, engine, ray_address, actors)
        run.check(to_file=output.to_file)
    reading = TextReading(
        text_column=text_column,
        document_column=document_column,
        columns_from_filename=columns_from_filename,
        language=language and checked(normalize_language, language, "--language"),
        form=form,
        encoding=encoding,
        sheet=sheet,
        split=split,
    )
    options = replace(
        reading.options(),
        as_json=output.suffix in (None, ".jsonl"),
        shard_rows=shard_rows or min(_rows(memory_limit), run.max_shard_rows),
        abstain=None if abstain is None else checked(check_abstention, abstain, "--abstain"),
        out_of_domain=out_of_domain,
    )
    _run(paths, reading, codebook, options, run, output)


def _run(
    paths: list[str],
    reading: TextReading,
    codebook: Path | None,
    options: Options,
    run: ModelRun | ChatRun,
    output: Output,
) -> None:
    """Read the input, label it, and print the notes and counts."""
    from ..io.output import check_outputs
    from ..io.paths import find_files
    from ..labelling.reader import ShardReader
    from ..labelling.spreadsheet import check_known_rows
    from ..labelling.units import rows_of_texts

    # With --resume, the output may exist, because an earlier run may have completed it.
    overwrite = output.overwrite or bool(output.resume)
    outputs = check_outputs([output.out, *run.files], inputs=[*paths, codebook], overwrite=overwrite)
    options = replace(options, labels=run.info.labels)
    if options.out_of_domain and isinstance(run, ModelRun):
        run.require_domain()
    with tempfile.TemporaryDirectory(prefix="communique-") as spool:
        found = find_files(
            paths,
            file_format=reading.form,
            spool=Path(spool),
            encoding=options.encoding,
            language=options.language,
            outputs=outputs,
        )
        reader = ShardReader(found, options)
        if reading.split is None and (found_texts := rows_of_texts(reader.files, options)):
            raise UsageError(
                f"{found_texts}. Split them into sentences with --split, or label each row as one sentence with --no-split"
            )
        if output.suffix == ".xlsx":
            check_known_rows(str(output.out), reader.files)
        if output.is_streamed and isinstance(run, ModelRun):
            done = label_to_stream(reader, run.make_engine(), run.info.labels, output.out)
        elif (labelled := label_to_file(run, output, lambda: ShardReader(found, options), Path(spool))) is None:
            return
        else:
            done = labelled
    _report(*done, run.info, output, scored=options.out_of_domain)


def _report(summary: Summary, notes: InputNotes, info: ModelInfo, output: Output, *, scored: bool) -> None:
    """Print the notes, the counts, and warnings about unusual texts. Exit with 1 if some rows have no labels."""
    from ..labelling.limits import limit_lines

    for line in (*notes.lines(), *summary.lines(), *limit_lines(summary, info, scored=scored)):
        note(line)
    if output.to_file:
        note(f"output: {output.out}")
    elif output.out is None:
        note("Nothing was saved. To save the labels, use -o FILE")
    if summary.unreadable or summary.failed:
        raise typer.Exit(1)


def _check_format(form: str | None) -> None:
    from ..io.paths import FORMATS

    if form is not None and form not in FORMATS:
        raise typer.BadParameter(f"{form!r} is not a format. Use one of: {', '.join(FORMATS)}", param_hint="--format")


def _rows(memory_limit: str | None) -> int:
    """Return the number of rows per shard that fits a memory limit such as 1200MB."""
    from ..labelling.run import shard_rows

    return shard_rows(None if memory_limit is None else _megabytes(memory_limit))


def _megabytes(text: str) -> float:
    """Return a size such as 1200MB or 2GB in megabytes."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([MG])(?:i?B)?\s*", text, re.IGNORECASE)
    if match is None:
        raise typer.BadParameter(
            f"{text!r} is not a size. Write for example 1200MB or 2GB", param_hint="--memory-limit"
        )
    return float(match[1]) * (1000 if match[2].upper() == "G" else 1)
