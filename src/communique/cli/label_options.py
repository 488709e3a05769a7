"""The options of `communique label`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from .common import INPUT, OUTPUT, SPEED, model_callback

#: Title of the panel of options.
CHAT = "Chat model"

Paths = Annotated[
    list[str],
    typer.Argument(help="Documents, tables, folders, globs or saved datasets. Use - for standard input."),
]
OutOption = Annotated[
    str | None,
    typer.Option(
        "--out",
        "-o",
        help="File in which to save the labels: .html (a page with the text and its labels), .xlsx (a workbook), .parquet, "
        ".jsonl, .csv or .tsv. The last three may also end in .gz or .zst. Use - for standard output. Default: print a table.",
    ),
]
ModelFolder = Annotated[
    Path | None,
    typer.Option(help="Model folder. Default: the shipped model, communique-small.", callback=model_callback),
]
FilenameColumns = Annotated[
    str | None,
    typer.Option(
        help="Add columns with parts of file names, such as '{country}_{session}_{year}' for USA_77_2022.txt.",
        rich_help_panel=INPUT,
    ),
]
SplitOption = Annotated[
    bool | None,
    typer.Option(
        "--split/--no-split",
        help="Split each row of a table into sentences, or label it as one sentence. "
        "Default: label each row as one sentence, but refuse a table in which many rows contain whole texts.",
        rich_help_panel=INPUT,
    ),
]
LanguageOption = Annotated[
    str | None,
    typer.Option(
        help="Language of all texts (BCP 47 code, such as fr). Default: identified for each text.",
        rich_help_panel=INPUT,
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="Format of standard input and of named files, such as jsonl or csv. Default: recognised by the suffix.",
        rich_help_panel=INPUT,
    ),
]
OutFormat = Annotated[
    str,
    typer.Option(help="Format of standard output: jsonl, csv, tsv, parquet, xlsx or html.", rich_help_panel=OUTPUT),
]
EscapeFormulas = Annotated[
    bool,
    typer.Option(
        "--escape-formulas",
        help="In CSV output, put an apostrophe in front of cells that a spreadsheet would run as formulas.",
        rich_help_panel=OUTPUT,
    ),
]
AbstainOption = Annotated[
    float | None,
    typer.Option(
        help="Write 'unsure' in place of the labels of a sentence if a decision about one of its labels is right with a lower "
        "probability than this number, such as 0.9. Default: assign labels to every sentence.",
        rich_help_panel=OUTPUT,
    ),
]
OutOfDomainOption = Annotated[
    bool,
    typer.Option(
        "--out-of-domain",
        help="Add a column that says how unusual each sentence is for the model, from 0 to 1.",
        rich_help_panel=OUTPUT,
    ),
]
ResumeOption = Annotated[
    bool | None,
    typer.Option(
        "--resume/--restart",
        help="Resume an interrupted run, or discard it and start again. Default: refuse to start if there is one.",
        rich_help_panel=OUTPUT,
    ),
]
ShardRows = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Rows per shard. A run that is interrupted loses the work on at most one shard. Default: 4096, or fewer with "
        "--memory-limit.",
        rich_help_panel=SPEED,
    ),
]
MemoryLimit = Annotated[
    str | None,
    typer.Option(
        help="Approximate memory limit, such as 1200MB or 2GB. The size of shards is chosen accordingly.",
        rich_help_panel=SPEED,
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Number of CPU threads, or of threads per actor with --engine ray. Default: all cores, or 1 per actor.",
        rich_help_panel=SPEED,
    ),
]
EngineOption = Annotated[
    Literal["local", "ray"],
    typer.Option(help="Where to label: on this machine, or on a Ray cluster.", rich_help_panel=SPEED),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        help="Ray cluster address, such as auto or host:6379. Default: $RAY_ADDRESS, otherwise a local cluster.",
        rich_help_panel=SPEED,
    ),
]
ActorsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Maximum number of actors: Ray processes that load the model and use --threads CPUs. Default: as many as fit.",
        rich_help_panel=SPEED,
    ),
]

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
