"""`communique agree`: measure the agreement of coders and write gold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..reporting.format import counted
from .common import OUTPUT, JsonReport, MarkdownReport, Overwrite, advise, cli_errors, default_codebook, note, show

if TYPE_CHECKING:
    from ..annotation.matching import Codings
    from ..data.codebook import Codebook
    from ..sampling.design import Design


@cli_errors
def agree(
    coded: Annotated[
        list[Path],
        typer.Argument(help="Coded sheets, adjudicated sheets, and exports of Label Studio, doccano or Prodigy."),
    ],
    design: Annotated[
        Path | None,
        typer.Option(
            help="Design file that `communique sample` wrote. Default: the one in the folder of the first coded file."
        ),
    ] = None,
    codebook: Annotated[
        Path | None,
        typer.Option(
            help="Codebook of the labels. Default: that in the design file or, without a design file, that of the shipped model."
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help="Predictions to compare with the coders as well: output of `communique label -o`, or a table made elsewhere."
        ),
    ] = None,
    adjudicate: Annotated[
        Path | None,
        typer.Option(
            help="Write a sheet (.xlsx, .csv) of the sentences on which coders differ, for adjudication.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    gold: Annotated[
        Path | None,
        typer.Option(help="Write the agreed and adjudicated labels (.csv, .jsonl, .parquet).", rich_help_panel=OUTPUT),
    ] = None,
    json_out: JsonReport = None,
    markdown_out: MarkdownReport = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Measure how far coders agree, list the sentences on which they differ, and write the final (gold) labels.

    For example:

        communique agree sheet-anna.xlsx sheet-ben.xlsx --adjudicate differences.xlsx
        communique agree sheet-anna.xlsx sheet-ben.xlsx differences.xlsx --gold gold.csv
    """
    from ..annotation.agreement_report import AgreementReport
    from ..annotation.detect import read_coded
    from ..annotation.matching import gold_rows, match, write_gold
    from ..annotation.tasks import COMPANIONS, companion
    from ..io.atomic import replacing
    from ..io.output import check_outputs
    from ..sampling.population import read_population

    ending = COMPANIONS.get(("sheet", adjudicate.suffix.lower())) if adjudicate else None
    check_outputs(
        [json_out, markdown_out, gold, adjudicate, companion(adjudicate, ending) if adjudicate and ending else None],
        inputs=(*coded, design, codebook, model),
        overwrite=overwrite,
    )
    plan, labels, plan_file = _design(coded, design, codebook)
    if gold is not None and plan is None:
        raise typer.BadParameter("gold needs the design file of the sample. Name it with --design", param_hint="--gold")
    codings = match([read_coded(path, labels) for path in coded], plan, name=str(plan_file))
    for line in codings.messages:
        note(line)
    predicted = None
    if model is not None:
        # Only the ids and labels of this file are needed, not its texts.
        population = read_population(model, labels, columns=(), keep=())
        for line in population.notes:
            note(line)
        predicted = {identity: population.predicted(i) for i, identity in enumerate(population.ids.to_pylist())}
    report = AgreementReport.compare(codings, labels, design=plan, model=predicted, seed=seed)
    show(report.to_markdown())
    if json_out is not None:
        with replacing(json_out) as handle:
            handle.write(json.dumps(report.to_dict(), indent=1, ensure_ascii=False) + "\n")
    if markdown_out is not None:
        with replacing(markdown_out) as handle:
            handle.write(report.to_markdown())
    if adjudicate is not None:
        _adjudicate(adjudicate, codings, labels)
    if gold is not None and plan is not None:
        rows, lines = gold_rows(codings, plan)
        write_gold(gold, rows)
        for line in lines:
            note(line)
        note(f"{gold}: {counted(len(rows), 'gold sentence')}")


def _adjudicate(path: Path, codings: Codings, labels: Codebook) -> None:
    """Write the sheet for adjudication, unless there is nothing to adjudicate."""
    from ..annotation.agreement_report import to_adjudicate, write_adjudication

    if not to_adjudicate(codings):
        why = "there is only one coder" if len(codings.labels) < 2 else "no difference between coders is open"
        note(f"{path}: not written, because {why}")
        return
    n = write_adjudication(path, codings, labels)
    note(f"{path}: {counted(n, 'sentence')} to adjudicate")
    advise("Fill in the sheet, then run communique agree again with the sheet as the last of the coded files")


def _design(
    coded: list[Path], given: Path | None, codebook: Path | None
) -> tuple[Design | None, Codebook, Path | None]:
    """Return the design of the sample and its file, if there is one, and the codebook."""
    from ..data.codebook import Codebook
    from ..errors import DataError
    from ..sampling.design import SUFFIX, Design

    if given is None:
        found = sorted(coded[0].parent.glob(f"*{SUFFIX}"))
        if len(found) > 1 and codebook is None:
            names = ", ".join(path.name for path in found)
            raise DataError(
                f"{coded[0].parent}: this folder contains several design files ({names}). Name the one of this sample with --design"
            )
        if len(found) == 1:
            given = found[0]
            note(f"design: {given}")
    if given is not None:
        plan = Design.load(given)
        if codebook is not None:
            for line in plan.codebook.warning(Codebook.load(codebook), f"the sample {given}", str(codebook)):
                note(f"{line}. The codebook of the sample is used")
        return plan, plan.codebook, given
    note(
        "no design file: rows are matched by id and text, and gold cannot be written. Name the design file with --design"
    )
    return None, Codebook.load(codebook or default_codebook()), None
