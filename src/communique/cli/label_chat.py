"""Labelling with a language model: its options, its limits, and how a run is continued."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import CommuniqueError, DataError, LimitReachedError, OutputError
from ..reporting.format import counted
from .common import UsageError, note
from .label_model import Labelling

if TYPE_CHECKING:
    from ..baselines.budget import Budget
    from ..baselines.chat_labelling import ChatLabeler, ChatSettings
    from ..data.codebook import Codebook
    from ..labelling.reader import ShardReader
    from ..labelling.shard_folder import ShardFolder
    from ..labelling.summary import Summary
    from ..labelling.write import OutputForm
    from ..models.info import ModelInfo

#: Default number of rows per shard. The answers of an interrupted shard are stored, so this is only the interval of the reports.
SHARD_ROWS = 256


@dataclass(frozen=True)
class ChatOptions:
    """The values of the options, as the user wrote them, with the defaults of the command."""

    codebook: Path | None = None
    endpoint: str | None = None
    chat_model: str | None = None
    api_key_variable: str = "OPENAI_API_KEY"
    temperature: float = 0.0
    no_temperature: bool = False
    answer_tokens: int = 200
    parallel: int = 4
    price_in: float | None = None
    price_out: float | None = None
    max_cost: float | None = None
    max_tokens: int | None = None

    def check_unused(self) -> None:
        """Check that no option is used without `--labeler chat`.

        Raises:
            BadParameter: One is.
        """
        for option in fields(self):
            if getattr(self, option.name) != option.default:
                raise typer.BadParameter(
                    "this option requires --labeler chat", param_hint=f"--{option.name.replace('_', '-')}"
                )

    def run(self, out: str | None, *, others: dict[str, Any]) -> ChatRun:
        """Check the options and return the run.

        Args:
            out: The output.
            others: Options of a trained model. None of them may be used.

        Raises:
            UsageError: An option is missing.
            BadParameter: An option is invalid, or does not go together with the others.
            CodebookError: The codebook is invalid.
        """
        from ..baselines.budget import Budget
        from ..baselines.chat_labelling import ChatSettings
        from ..data.codebook import Codebook
        from ..errors import RecipeError
        from ..io.output import is_stream

        for option, value in others.items():
            if value:
                raise typer.BadParameter("this option does not work with --labeler chat. Omit it", param_hint=option)
        if self.codebook is None or self.endpoint is None or self.chat_model is None:
            needed = {
                "--codebook": self.codebook,
                "--endpoint": self.endpoint,
                "--chat-model": self.chat_model,
            }
            missing = [option for option, value in needed.items() if value is None]
            raise UsageError(
                f"--labeler chat also needs {', '.join(missing)}. Add {'it' if len(missing) == 1 else 'them'}"
            )
        if out is None or is_stream(out):
            raise UsageError("--labeler chat needs an output file, because answers are stored next to it. Add -o FILE")
        if out.lower().endswith(".html"):
            raise typer.BadParameter(
                "a page shows probabilities, and a language model has none. Use .xlsx, .parquet, .csv or .jsonl",
                param_hint="--out",
            )
        if (self.price_in is None) != (self.price_out is None):
            raise typer.BadParameter("the cost needs both --price-in and --price-out", param_hint="--price-in")
        if self.max_cost is not None and self.price_in is None:
            raise typer.BadParameter("a cost needs --price-in and --price-out. Add them", param_hint="--max-cost")
        settings = ChatSettings(
            self.endpoint,
            self.chat_model,
            temperature=None if self.no_temperature else self.temperature,
            answer_tokens=self.answer_tokens,
            key_variable=self.api_key_variable,
            parallel=self.parallel,
            option="--endpoint",
        )
        try:
            settings.endpoint()
        except RecipeError as error:
            raise typer.BadParameter(str(error), param_hint="--endpoint") from None
        budget = Budget(self.price_in, self.price_out, self.max_cost, self.max_tokens)
        return ChatRun(Path(out), Codebook.load(self.codebook), settings, budget)


@dataclass(frozen=True)
class ChatRun:
    """A run with a language model."""

    out: Path
    codebook: Codebook
    settings: ChatSettings
    budget: Budget

    @property
    def info(self) -> ModelInfo:
        """The language model, described as a model."""
        from ..baselines.chat_labelling import chat_info

        return chat_info(self.codebook, self.settings)

    @property
    def max_shard_rows(self) -> int:
        """Maximum number of rows per shard, unless the user names it."""
        return SHARD_ROWS

    def describe(self, reader: ShardReader) -> dict[str, Any]:
        """Return everything that the output depends on."""
        from ..labelling.run import describe_run

        return describe_run(self.info, reader, None) | {"chat": self.settings.describe(self.codebook)}

    @property
    def files(self) -> list[Path]:
        """The file that is written in addition to the output and the stored answers."""
        from ..baselines.chat_record import record_path

        return [record_path(self.out)]

    def is_finished(self, path: Path, reader: ShardReader, form: OutputForm, *, overwrite: bool) -> bool:
        """Check whether the existing output is already complete. Otherwise it will be replaced.

        Args:
            path: The output.
            reader: Not used: the record next to the output describes the input.
            form: The format of the output, with the hash of the run.
            overwrite: Whether another output may be replaced.

        Raises:
            OutputError: The output is something else, and may not be replaced.
            DataError: Rows have to be asked about again, but the stored answers of the other rows are missing.
        """
        from ..baselines.chat_record import answers_path, state

        found = state(path, form.run)
        if found == "complete":
            note(f"{path}: already complete, nothing to do")
            return True
        if found == "failures":
            if not (stored := answers_path(path)).exists():
                raise DataError(
                    f"{stored}: the file with the stored answers is missing, so all rows would be asked about again. Copy it "
                    "back, or label the texts again with --restart --overwrite"
                )
            note(f"{path}: asking again about the rows without a usable answer")
        elif not overwrite:
            raise OutputError(
                f"{path}: already exists and is not the output of this run. Choose another output, or replace it with "
                "--overwrite"
            )
        return False

    @contextmanager
    def labelling(self, reader: ShardReader, shards: ShardFolder, *, restart: bool) -> Iterator[Labelling]:
        """Open the stored answers and the language model. No request is sent yet.

        Args:
            reader: The input.
            shards: The finished shards of an interrupted run.
            restart: Whether to delete answers of an earlier run.

        Raises:
            CommuniqueError: The run stopped. The message says how to resume it.
        """
        from ..baselines.answers import AnswerCache
        from ..baselines.asking import estimated_tokens
        from ..baselines.chat_labelling import ChatLabeler
        from ..baselines.chat_record import answers_path
        from ..labelling.run import LocalEngine
        from ..reporting.progress import ProgressReporter

        path = answers_path(self.out)
        cache = AnswerCache(path)
        try:
            if restart:
                cache.clear()
            earlier = len(shards.numbers()) * reader.options.shard_rows
            labeler = ChatLabeler(self.codebook, self.settings, cache, budget=self.budget, earlier=earlier)
            progress = ProgressReporter(reader.bytes, note, detail=labeler.progress)
            labeler.report = progress.state
            note(
                f"every text is sent to {labeler.info.version}, each with a prompt of about "
                f"{estimated_tokens(labeler.prompt)} tokens. Answers are stored in {path}"
            )
            yield Labelling(lambda: LocalEngine(labeler), progress, partial(self._finish, labeler))
        except KeyboardInterrupt as stopped:
            stopped.args = (f"Answers received so far are stored in {path}. To continue, add --resume",)
            raise
        except LimitReachedError as error:
            raise LimitReachedError(
                f"stopped: {error}. Answers received so far are stored. To continue, run the same command with --resume and a "
                "higher limit"
            ) from error
        except CommuniqueError:
            if cache.usage.requests:
                note(f"answers received so far are stored in {path}. To continue, run the same command with --resume")
            raise
        finally:
            cache.close()

    def _finish(self, labeler: ChatLabeler, summary: Summary, run_sha256: str) -> None:
        """Write the record, and print what was asked and which rows have no answer."""
        from ..baselines.chat_record import ChatRecord

        record = ChatRecord.of(
            labeler, self.out, run_sha256=run_sha256, labelled=summary.labelled, failed=summary.failed
        )
        record.dump(self.files[0])
        for line in labeler.summary():
            note(line)
        note(f"record: {self.files[0]}")
        if summary.failed:
            note(
                f"{counted(summary.failed, 'row')} got no usable answer. The column 'error' has the reasons. To ask again about "
                "these rows only, run the same command with --resume"
            )
