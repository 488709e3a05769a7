"""`communique estimate`: estimate label proportions by group, with valid intervals."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import require_extra
from .common import OUTPUT, Overwrite, cli_errors, model_callback, note

if TYPE_CHECKING:
    from ..data.codebook import Codebook
    from ..estimation.analysis import Analysis
    from ..models.info import ModelInfo
    from ..sampling.design import Design


#: Title of the panel of options that decide how to estimate.
METHOD = "Method"


class Target(StrEnum):
    """What the estimates refer to."""

    SUPERPOPULATION = "superpopulation"
    FINITE_POPULATION = "finite-population"


class Missing(StrEnum):
    """What to do if drawn sentences are missing from the gold."""

    REFUSE = "refuse"
    RANDOM = "random"


class Compare(StrEnum):
    """How the values of a column are compared."""

    REFERENCE = "reference"
    PAIRS = "pairs"
    REST = "rest"
    CONSECUTIVE = "consecutive"
    TREND = "trend"
    NONE = "none"


class Method(StrEnum):
    """How proportions are corrected for the model's errors."""

    PPI = "ppi"
    DSL = "dsl"


@cli_errors
def estimate(
    predictions: Annotated[Path, typer.Argument(help="Output of `communique label -o`.")],
    gold: Annotated[
        Path, typer.Argument(help="Coded sample with inclusion probabilities, as `communique agree --gold` writes it.")
    ],
    by: Annotated[
        str,
        typer.Option(
            help="Columns that define groups, separated by commas, such as country,year. Default: no groups.",
            show_default=False,
        ),
    ] = "",
    model: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the model that assigned the labels. Default: the shipped model, communique-small.",
            callback=model_callback,
        ),
    ] = None,
    codebook: Annotated[
        Path | None, typer.Option(help="Codebook of the labels. Default: the codebook of the model.")
    ] = None,
    target: Annotated[
        Target,
        typer.Option(
            help="superpopulation: proportions in the process that produced the corpus, with documents as a random sample. "
            "finite-population: proportions in exactly these sentences.",
            rich_help_panel=METHOD,
        ),
    ] = Target.SUPERPOPULATION,
    method: Annotated[
        Method,
        typer.Option(help="Estimator of the reported proportions and comparisons.", rich_help_panel=METHOD),
    ] = Method.PPI,
    compare: Annotated[
        list[Compare] | None,
        typer.Option(
            help="Comparisons of the values of each column of --by. reference: with the value that --reference names. "
            "pairs: all pairs. rest: each value with all other sentences. consecutive: each number, such as a year, with the "
            "previous one. trend: slope over numbers. none: no comparisons. Can be repeated. Default: pairs for up to six values, "
            "otherwise rest or, for numbers, consecutive; and trend for numbers.",
            rich_help_panel=METHOD,
            show_default=False,
        ),
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=VALUE",
            help="Value with which --compare reference compares the other values, such as country=FR. Can be repeated, once per "
            "column.",
            rich_help_panel=METHOD,
        ),
    ] = None,
    contrast: Annotated[
        list[str] | None,
        typer.Option(
            help="Compare two groups in addition, such as 'country=FR,year=2021 vs country=DE,year=2021'. Can be repeated.",
            rich_help_panel=METHOD,
        ),
    ] = None,
    regress: Annotated[
        str | None,
        typer.Option(
            help="Predictors of the regressions, separated by commas. Default: all columns of --by.",
            rich_help_panel=METHOD,
        ),
    ] = None,
    skip_unsupported: Annotated[
        bool,
        typer.Option(
            "--skip-unsupported",
            help="Leave out groups without enough gold, and list them. Default: refuse to estimate.",
            rich_help_panel=METHOD,
        ),
    ] = False,
    design: Annotated[
        Path | None,
        typer.Option(
            help="Design file that `communique sample` wrote. With it, missing sentences are found by their ids."
        ),
    ] = None,
    missing: Annotated[
        Missing,
        typer.Option(
            help="What to do if drawn sentences are missing from the gold. refuse: stop. "
            "random: assume that they are missing at random, and estimate.",
            rich_help_panel=METHOD,
        ),
    ] = Missing.REFUSE,
    agreement: Annotated[
        Path | None,
        typer.Option(
            help="Text or Markdown file about the agreement of the coders, which is copied into the appendix of methods.md.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder in which to save tables, figures, a methods paragraph and a report as HTML. Default: only print tables.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the folds of the DSL estimator.", rich_help_panel=METHOD)
    ] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Estimate the proportion of each label by group, and use a coded sample to correct for the model's errors.

    For example:

        communique estimate labels.parquet gold.csv --by country,year
        communique estimate labels.parquet gold.csv --by country --compare reference --reference country=FR
        communique estimate labels.parquet gold.csv --by country,year --target finite-population --compare rest
        communique estimate labels.parquet gold.csv --by country --design sheet.design.json -o results
    """
    require_extra("scipy", "communique estimate", extra="analysis")
    from ..data.codebook import Codebook
    from ..estimation import outputs
    from ..estimation.analysis import analyse
    from ..estimation.comparisons import parse_comparisons
    from ..estimation.inputs import read
    from ..io.output import check_files_in
    from ..models.folder import read_codebook, read_info
    from ..models.predictor import default_model
    from ..sampling.design import Design

    warnings: list[str] = []
    if codebook is not None and model is None:
        # With only a codebook, the model is not known: another tool may have assigned the labels.
        info, book = None, Codebook.load(codebook)
        note("warning: without --model, it cannot be checked whether the model was trained on the gold")
    else:
        folder = model or default_model()
        info = read_info(folder)
        book = of_model = read_codebook(folder, info)
        if codebook is not None:
            book = Codebook.load(codebook)
            warnings += of_model.warning(book, f"the model {folder}", str(codebook))
    columns = [name.strip() for name in by.split(",") if name.strip()]
    kinds, references = parse_comparisons([kind.value for kind in compare or ()], reference or ())
    if out is not None:
        outputs.check_columns(columns, book.names)
        check_files_in(out, outputs.FILES, inputs=(predictions, gold, design, agreement), overwrite=overwrite)
    plan = Design.load(design) if design else None
    if plan is not None:
        warnings += book.warning(plan.codebook, str(codebook or "the model"), f"the sample {design}")
    for line in warnings:
        note(line)
    coded = read(
        predictions,
        gold,
        book,
        columns=columns,
        trained_on=info.training.fingerprint if info else None,
        design=plan,
        missing=missing.value,
    )
    analysis = analyse(
        coded,
        target=target.value,
        corrected=method.value,
        compare=kinds,
        references=references,
        contrasts=contrast or (),
        regress=None if regress is None else [name.strip() for name in regress.split(",") if name.strip()],
        skip=skip_unsupported,
        seed=seed,
    )
    for line in (*analysis.notes, *(f"warning: {line}" for line in analysis.warnings)):
        note(line)
    for name in analysis.left_out:
        note(f"left out because there is not enough gold: {name}")
    if plan is not None and plan.predictions_sha256 not in (None, coded.files[str(predictions)]):
        note(f"warning: {design}: the sample was drawn from a different file of predictions ({plan.predictions})")
    _print(analysis)
    if out is not None:
        _write(out, analysis, book, info, plan, agreement)


def _write(
    out: Path,
    analysis: Analysis,
    book: Codebook,
    info: ModelInfo | None,
    plan: Design | None,
    agreement: Path | None,
) -> None:
    """Write the tables, the figures, the methods paragraph and the report."""
    require_extra("matplotlib", "communique estimate -o, which draws figures,", extra="analysis")
    from ..estimation import outputs, plots
    from ..estimation.html import render_html
    from ..estimation.report import Provenance, methods
    from ..io.atomic import replacing
    from ..io.encoding import read_text

    out.mkdir(parents=True, exist_ok=True)
    provenance = Provenance(
        model=info,
        sampling=plan.describe() if plan else (),
        agreement=read_text(agreement)[0] if agreement else None,
    )
    written = outputs.write(out, analysis) + plots.write(out, analysis)
    for name, write in (("methods.md", methods), ("report.html", render_html)):
        with replacing(out / name) as handle:
            handle.write(write(analysis, book, provenance))
        written.append(out / name)
    note(f"{out}: {', '.join(path.name for path in written)}")


def _print(analysis: Analysis) -> None:
    """Print the reported proportion of each group, and the comparisons."""
    import sys

    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    _print_proportions(console, analysis)
    if analysis.contrasts:
        _print_comparisons(console, analysis)
    console.print(
        "The proportions are corrected for the errors of the model. The tables of --out also contain what the model's labels "
        "count (naive) and what the coded sentences alone show (gold)."
    )


def _print_proportions(console: Console, analysis: Analysis) -> None:
    from ..estimation.analysis import METHODS
    from ..reporting.format import one_line

    method = METHODS[analysis.corrected]
    for label in analysis.coded.labels:
        title = f"{one_line(label)}: proportion and 95 % interval ({method}, {analysis.target})"
        table = Table(title=Text(title), title_justify="left")
        for name in ("group", "proportion", "sentences", "gold (with label)", ""):
            table.add_column(name, justify="right" if name in ("sentences", "gold (with label)") else "left")
        for s in (s for s in analysis.shares if s.label == label):
            table.add_row(
                Text(one_line(s.group)),
                str(s.methods[analysis.corrected]),
                str(s.n),
                f"{s.gold} ({s.positives})",
                "doubtful" if s.warnings else "",
            )
        console.print(table)


def _print_comparisons(console: Console, analysis: Analysis) -> None:
    from ..reporting.format import one_line, p_value

    table = Table(title="comparisons", title_justify="left")
    for name in ("label", "comparison", "estimate", "p (Holm)", ""):
        table.add_column(name)
    for c in analysis.contrasts:
        table.add_row(
            Text(one_line(c.label)),
            Text(one_line(c.name)),
            c.estimate.signed,
            p_value(c.p_holm),
            "doubtful" if c.doubtful else "",
        )
    console.print(table)
