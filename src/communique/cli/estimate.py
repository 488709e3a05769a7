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
from .common import OUTPUT, Overwrite, cli_errors, note

if TYPE_CHECKING:
    from ..estimation.analysis import Analysis


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
        Path | None, typer.Option(help="Folder of the model that assigned the labels. Default: the shipped model.")
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
        Method, typer.Option(help="Estimator for contrasts and figures.", rich_help_panel=METHOD)
    ] = Method.PPI,
    contrast: Annotated[
        list[str] | None,
        typer.Option(
            help="Compare two groups, such as 'country=FR,year=2021 vs country=DE,year=2021'. Can be repeated.",
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
            help="Folder in which to save tables, figures and a methods paragraph. Default: only print tables.",
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
        communique estimate labels.parquet gold.csv --by country --design sheet.design.json -o results
    """
    require_extra("scipy", "communique estimate", extra="analysis")
    from ..data.codebook import Codebook
    from ..estimation import outputs
    from ..estimation.analysis import analyse
    from ..estimation.inputs import read
    from ..io.atomic import replacing
    from ..io.encoding import read_text
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
        target="superpopulation" if target is Target.SUPERPOPULATION else "finite-population",
        corrected=method.value,
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
    if out is None:
        return
    require_extra("matplotlib", "communique estimate -o, which draws figures,", extra="analysis")
    from ..estimation import plots
    from ..estimation.report import Provenance, methods

    out.mkdir(parents=True, exist_ok=True)
    provenance = Provenance(
        model=info,
        sampling=plan.describe() if plan else (),
        agreement=read_text(agreement)[0] if agreement else None,
    )
    written = outputs.write(out, analysis) + plots.write(out, analysis)
    with replacing(out / "methods.md") as handle:
        handle.write(methods(analysis, book, provenance))
    note(f"{out}: {', '.join(path.name for path in (*written, out / 'methods.md'))}")


def _print(analysis: Analysis) -> None:
    """Print the proportions by group, and the contrasts. A naive proportion is never printed without the corrected one."""
    import sys

    from ..reporting.format import one_line, p_value, signed

    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    for label in analysis.coded.labels:
        table = Table(
            title=Text(f"{one_line(label)}: proportion and 95 % interval, {analysis.target}"), title_justify="left"
        )
        for name in ("group", "model's labels (naive)", "gold only", "PPI++", "DSL", "sentences", "gold", ""):
            table.add_column(name, justify="right" if name in ("sentences", "gold") else "left")
        for s in (s for s in analysis.shares if s.label == label):
            table.add_row(
                Text(one_line(s.group)),
                *(str(s.methods[m]) for m in ("naive", "gold", "ppi", "dsl")),
                str(s.n),
                f"{s.gold} ({s.positives})",
                "doubtful" if s.warnings else "",
            )
        console.print(table)
    if analysis.contrasts:
        table = Table(title=f"comparisons ({analysis.corrected})", title_justify="left")
        for name in ("label", "comparison", "estimate", "p (Holm)", "naive", ""):
            table.add_column(name)
        for c in analysis.contrasts:
            table.add_row(
                Text(one_line(c.label)),
                Text(one_line(c.name)),
                c.estimate.signed,
                p_value(c.p_holm),
                signed(c.naive),
                "doubtful" if c.doubtful else "",
            )
        console.print(table)
