"""Writing the output of `communique label` to a file, to a pipe, or as a table to the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import DataError
from ..reporting.format import counted
from .common import note

if TYPE_CHECKING:
    from ..io.paths import InputFile
    from ..labelling.label import LabelledShard
    from ..labelling.options import InputNotes
    from ..labelling.reader import ShardReader
    from ..labelling.run import Engine
    from ..labelling.shard_folder import ShardFolder
    from ..labelling.summary import Summary
    from ..labelling.write import OutputForm
    from .label_chat import ChatRun
    from .label_model import Labelling, ModelRun


@dataclass(frozen=True)
class Output:
    """Where the labels go, and what happens to an earlier output.

    Attributes:
        out: The file, `-`, or None for a table on the terminal.
        suffix: The suffix that determines the format, or None for the table.
        to_file: Whether the output is a file that can be resumed.
        resume: Whether to continue an earlier run, or to discard it. None refuses to start if there is one.
        overwrite: Whether another output may be replaced.
        escape_formulas: Whether to escape cells that a spreadsheet would run as formulas.
    """

    out: str | None
    suffix: str | None
    to_file: bool
    resume: bool | None
    overwrite: bool
    escape_formulas: bool

    @classmethod
    def checked(
        cls, out: str | None, out_format: str, *, resume: bool | None, overwrite: bool, escape_formulas: bool
    ) -> Output:
        """Check the options of the output.

        Raises:
            BadParameter: The format is unknown, or an option does not go together with it.
        """
        from ..io.output import is_stream
        from ..labelling.write import DELIMITED

        to_file = out is not None and not is_stream(out)
        suffix = None if out is None else _suffix(out, out_format, to_file=to_file)
        if escape_formulas and suffix not in DELIMITED:
            raise typer.BadParameter(
                "only .csv and .tsv output can contain formulas. Omit this option", param_hint="--escape-formulas"
            )
        if resume is not None and not to_file:
            raise typer.BadParameter(
                "this option requires -o FILE, because finished shards are stored next to the output file",
                param_hint="--resume",
            )
        return cls(out, suffix, to_file, resume, overwrite, escape_formulas)

    @property
    def is_streamed(self) -> bool:
        """Whether each shard is printed as soon as it is finished."""
        return not self.to_file and self.suffix in (None, ".jsonl")

    def form(self, run: ModelRun | ChatRun, run_sha256: str, files: Sequence[InputFile]) -> OutputForm:
        """Describe the format of the output and what it records about the run and the files of its input."""
        from ..io.suffixes import ending
        from ..labelling.write import OutputForm

        return OutputForm(
            name=str(self.out),
            suffix=str(self.suffix),
            codec=ending(str(self.out))[1],
            info=run.info,
            codebook=run.codebook,
            run=run_sha256,
            escape_formulas=self.escape_formulas,
            files=files,
        )


def label_to_file(
    run: ModelRun | ChatRun, output: Output, new_reader: Callable[[], ShardReader], spool: Path
) -> tuple[Summary, InputNotes] | None:
    """Label to a file, or to a stream in a format that is written from all shards.

    Args:
        run: The model.
        output: The output.
        new_reader: Returns a new reader of the input.
        spool: A temporary folder.

    Returns:
        The counts and the notes about the input, or None if the output was already complete.
    """
    from ..labelling.run import run_sha256
    from ..labelling.shard_folder import ShardFolder

    reader = new_reader()
    described = run.describe(reader)
    form = output.form(run, run_sha256(described), reader.files)
    path = Path(str(output.out)) if output.to_file else spool / f"output{output.suffix}"
    if path.exists() and output.resume and run.is_finished(path, new_reader(), form, overwrite=output.overwrite):
        return None
    stream = None if output.to_file else output.out
    # Open the model last, so that a problem with the output is reported at once.
    with (
        closing(ShardFolder(path, described, resume=output.resume)) as shards,
        run.labelling(reader, shards, restart=output.resume is False) as labelling,
    ):
        summary, notes = _label(reader, labelling, shards, form, stream)
        labelling.finish(summary, form.run)
    return summary, notes


def label_to_stream(
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
                print_table(console, shard.to_rows(), names, scored=reader.options.out_of_domain)
            else:
                handle.write(jsonl(shard))
                handle.flush()

        return label_files(reader, engine, StreamSink(show, names), ProgressReporter(reader.bytes, note))


def _label(
    reader: ShardReader, labelling: Labelling, shards: ShardFolder, form: OutputForm, stream: str | None
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
            sink = FileSink(shards, form, handle=handle)
            for number in shards.damaged:
                note(
                    f"{shards.path}: shard {number} is damaged, because its SHA-256 differs. It will be labelled again"
                )
            return label_files(reader, labelling.make_engine(), sink, labelling.progress)
    except KeyboardInterrupt as stopped:
        if stream is None and (finished := len(shards.numbers())):
            stopped.args = (
                f"{shards.path} contains {counted(finished, 'finished shard')}. To continue, run the same command with --resume",
            )
        raise


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
