"""The options of `communique label --labeler chat`, and what this labeler needs in addition to a trained model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import CommuniqueError, DataError, LimitReachedError, OutputError
from ..reporting.format import counted
from .common import UsageError, note

if TYPE_CHECKING:
    from ..baselines.budget import Budget
    from ..baselines.chat_labelling import ChatLabeler, ChatSettings
    from ..data.codebook import Codebook
    from ..labelling.summary import Summary
    from ..models.info import ModelInfo

#: Title of the panel of options.
CHAT = "Chat model"

#: Default number of rows per shard. The answers of an interrupted shard are stored, so this is only the interval of the reports.
SHARD_ROWS = 256

Labeler = Literal["model", "chat"]

LabelerOption = Annotated[
    Labeler,
    typer.Option(
        help="model: a trained model. chat: a language model behind an OpenAI-compatible endpoint that you name, which receives "
        "every text.",
        rich_help_panel=CHAT,
    ),
]
CodebookOption = Annotated[
    Path | None,
    typer.Option(help="Codebook that the language model is prompted with.", rich_help_panel=CHAT),
]
EndpointOption = Annotated[
    str | None,
    typer.Option(help="Address of the endpoint, such as http://localhost:8000/v1.", rich_help_panel=CHAT),
]
ModelOption = Annotated[
    str | None, typer.Option(help="Name of the language model at the endpoint.", rich_help_panel=CHAT)
]
KeyOption = Annotated[
    str,
    typer.Option(
        help="Environment variable that contains the API key. If it is not set, no key is sent.", rich_help_panel=CHAT
    ),
]
TemperatureOption = Annotated[
    float, typer.Option(min=0, max=2, help="Sampling temperature.", rich_help_panel=CHAT, show_default=True)
]
OwnTemperature = Annotated[
    bool,
    typer.Option(
        "--no-temperature",
        help="Send no temperature. Some language models only accept their own.",
        rich_help_panel=CHAT,
    ),
]
AnswerTokens = Annotated[
    int,
    typer.Option(
        min=1,
        help="Maximum number of tokens per answer. Language models that reason before they answer need thousands.",
        rich_help_panel=CHAT,
    ),
]
ParallelOption = Annotated[
    int, typer.Option(min=1, max=64, help="Maximum number of simultaneous requests.", rich_help_panel=CHAT)
]
PriceIn = Annotated[
    float | None,
    typer.Option(min=0, help="Price per million tokens sent, to report the cost.", rich_help_panel=CHAT),
]
PriceOut = Annotated[
    float | None,
    typer.Option(min=0, help="Price per million tokens received, to report the cost.", rich_help_panel=CHAT),
]
MaxCost = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="Stop before the cost exceeds this amount. The run can be resumed. Needs both prices.",
        rich_help_panel=CHAT,
    ),
]
MaxTokens = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Stop before more tokens are sent and received than this number. The run can be resumed.",
        rich_help_panel=CHAT,
    ),
]


@dataclass(frozen=True)
class ChatOptions:
    """The values of the options, as the user wrote them."""

    codebook: Path | None
    endpoint: str | None
    chat_model: str | None
    api_key_variable: str
    temperature: float
    no_temperature: bool
    answer_tokens: int
    parallel: int
    price_in: float | None
    price_out: float | None
    max_cost: float | None
    max_tokens: int | None

    def check_unused(self) -> None:
        """Check that no option is used without `--labeler chat`.

        Raises:
            BadParameter: One is.
        """
        for option in ("codebook", "endpoint", "chat_model", "price_in", "price_out", "max_cost", "max_tokens"):
            if getattr(self, option) is not None:
                raise typer.BadParameter(
                    "this option requires --labeler chat", param_hint=f"--{option.replace('_', '-')}"
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

    def describe(self) -> dict[str, Any]:
        """Return everything that affects the labels."""
        return self.settings.describe(self.codebook)

    @property
    def files(self) -> list[Path]:
        """The file that is written in addition to the output and the stored answers."""
        from ..baselines.chat_record import record_path

        return [record_path(self.out)]

    def is_finished(self, run_sha256: str, *, overwrite: bool) -> bool:
        """Check whether the existing output is already complete. Otherwise it will be replaced.

        Raises:
            OutputError: The output is something else, and may not be replaced.
            DataError: Rows have to be asked about again, but the stored answers of the other rows are missing.
        """
        from ..baselines.chat_record import answers_path, state

        found = state(self.out, run_sha256)
        if found == "complete":
            note(f"{self.out}: already complete, nothing to do")
            return True
        if found == "failures":
            if not (stored := answers_path(self.out)).exists():
                raise DataError(
                    f"{stored}: the file with the stored answers is missing, so all rows would be asked about again. Copy it "
                    "back, or label the texts again with --restart --overwrite"
                )
            note(f"{self.out}: asking again about the rows without a usable answer")
        elif not overwrite:
            raise OutputError(
                f"{self.out}: already exists and is not the output of this run. Choose another output, or replace it with "
                "--overwrite"
            )
        return False

    @contextmanager
    def labeler(self, *, restart: bool) -> Iterator[ChatLabeler]:
        """Open the stored answers and the language model. No request is sent yet.

        Args:
            restart: Whether to delete answers of an earlier run.

        Raises:
            CommuniqueError: The run stopped. The message says how to resume it.
        """
        from ..baselines.answers import AnswerCache
        from ..baselines.asking import estimated_tokens
        from ..baselines.chat_labelling import ChatLabeler
        from ..baselines.chat_record import answers_path

        path = answers_path(self.out)
        cache = AnswerCache(path)
        try:
            if restart:
                cache.clear()
            labeler = ChatLabeler(self.codebook, self.settings, cache, budget=self.budget)
            note(
                f"every text is sent to {labeler.info.version}, each with a prompt of about "
                f"{estimated_tokens(labeler.prompt)} tokens. Answers are stored in {path}"
            )
            yield labeler
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

    def finish(self, labeler: ChatLabeler, summary: Summary, run_sha256: str) -> None:
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
