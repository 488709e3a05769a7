"""`communique agree`: how far coders agree, and the gold that they make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .common import Overwrite, cli_errors, default_codebook, note, show

if TYPE_CHECKING:
    from ..data.codebook import Codebook
    from ..sampling.design import Design


@cli_errors
def agree(
    coded: Annotated[
        list[Path],
        typer.Argument(help="Sheets, and exports of Label Studio, doccano or Prodigy; adjudicated sheets too."),
    ],
    design: Annotated[
        Path | None, typer.Option(help="Design file of the sample; the one beside the first file without it.")
    ] = None,
    codebook: Annotated[Path | None, typer.Option(help="Codebook, where there is no design file.")] = None,
    model: Annotated[
        Path | None, typer.Option(help="What `communique label -o` wrote: sets the model beside the coders.")
    ] = None,
    adjudicate: Annotated[
        Path | None, typer.Option(help="Write a sheet (.xlsx, .csv) of the sentences on which coders differ.")
    ] = None,
    gold: Annotated[
        Path | None, typer.Option(help="Write the agreed and adjudicated labels (.csv, .jsonl, .parquet).")
    ] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the report as JSON.")] = None,
    markdown_out: Annotated[Path | None, typer.Option("--markdown", help="Write the report as Markdown.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Measure how far coders agree, list what they differ on, and write gold."""
    from ..annotation.agreement_report import AgreementReport, write_adjudication
    from ..annotation.detect import read_coded
    from ..annotation.matching import gold_rows, match, write_gold
    from ..annotation.tasks import COMPANIONS, companion
    from ..io.atomic import replacing
    from ..io.output import check_outputs
    from ..sampling.population import read_population

    beside = COMPANIONS.get(("sheet", adjudicate.suffix.lower())) if adjudicate else None
    check_outputs(
        [json_out, markdown_out, gold, adjudicate, companion(adjudicate, beside) if adjudicate and beside else None],
        inputs=(*coded, design, codebook, model),
        overwrite=overwrite,
    )
    plan, labels = _design(coded, design, codebook)
    if gold is not None and plan is None:
        raise typer.BadParameter("gold needs the design file of the sample (--design)", param_hint="--gold")
    codings = match([read_coded(path, labels) for path in coded], plan)
    for line in codings.messages:
        note(line)
    predicted = None
    if model is not None:
        # Of the model's file the ids and labels are needed, and no text.
        population = read_population(model, keep=())
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
        n = write_adjudication(adjudicate, codings, labels)
        note(f"{adjudicate}: {n} sentences to adjudicate. Fill it in, and name it along with the coded files")
    if gold is not None and plan is not None:
        rows, lines = gold_rows(codings, plan)
        write_gold(gold, rows)
        for line in lines:
            note(line)
        note(f"{gold}: {len(rows)} sentences of gold")


def _design(coded: list[Path], given: Path | None, codebook: Path | None) -> tuple[Design | None, Codebook]:
    from ..data.codebook import Codebook
    from ..errors import DataError
    from ..sampling.design import SUFFIX, Design

    if given is None:
        beside = sorted(coded[0].parent.glob(f"*{SUFFIX}"))
        if len(beside) > 1 and codebook is None:
            names = ", ".join(path.name for path in beside)
            raise DataError(
                f"{coded[0].parent}: several design files ({names}); name the one of this sample with --design"
            )
        if len(beside) == 1:
            given = beside[0]
            note(f"design: {given}")
    if given is not None:
        plan = Design.load(given)
        if codebook is not None:
            for line in plan.codebook.warning(Codebook.load(codebook), f"the sample {given}", str(codebook)):
                note(f"{line}. The sample's codebook is used")
        return plan, plan.codebook
    note("no design file: rows are joined with each other by id and text, and make no gold")
    return None, Codebook.load(codebook or default_codebook())
