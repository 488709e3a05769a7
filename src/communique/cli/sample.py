"""`communique sample`: draw sentences for people to code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..reporting.format import counted
from .common import (
    OUTPUT,
    EncodingOption,
    Overwrite,
    SheetOption,
    UsageError,
    cli_errors,
    default_codebook,
    note,
    show,
)

if TYPE_CHECKING:
    from ..annotation.tasks import CodingTask
    from ..data.codebook import Codebook
    from ..sampling.design import Design
    from ..sampling.population import Population

Form = Literal["sheet", "label-studio", "doccano", "prodigy"]

#: Title of the panel of options that decide how sentences are drawn.
DESIGN = "Design"


@cli_errors
def sample(
    predictions: Annotated[Path, typer.Argument(help="Output of `communique label -o`.")],
    n: Annotated[int | None, typer.Option("-n", min=1, help="Number of sentences to draw.")] = None,
    width: Annotated[
        float | None,
        typer.Option(
            help="Print how many sentences 95 % intervals of this width require, such as 0.05. With -o and without -n, draw "
            "that many."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="File in which to save a sheet (.xlsx, .csv) or the tasks of a coding tool (.json, .jsonl).",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    form: Annotated[
        Form,
        typer.Option(
            "--format", help="Format for the coders: a sheet, or tasks for a coding tool.", rich_help_panel=OUTPUT
        ),
    ] = "sheet",
    purpose: Annotated[
        Literal["estimate", "training"],
        typer.Option(
            "--for",
            help="estimate: draw at random with known inclusion probabilities. "
            "training: choose the sentences from which the model can learn most.",
        ),
    ] = "estimate",
    design: Annotated[
        Literal["simple", "stratified", "two-stage"] | None,
        typer.Option(
            help="Sampling design. Default: stratified with --by or --strata, otherwise simple.",
            rich_help_panel=DESIGN,
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="Columns that define groups, such as country,year. Each group becomes a stratum.",
            rich_help_panel=DESIGN,
        ),
    ] = None,
    strata: Annotated[
        str | None,
        typer.Option(
            help="Further strata, separated by commas: predicted (the predicted labels), uncertainty (of the model), or columns.",
            rich_help_panel=DESIGN,
        ),
    ] = None,
    allocation: Annotated[
        Literal["proportional", "optimal", "equal"],
        typer.Option(help="How to divide the sentences among the strata.", rich_help_panel=DESIGN),
    ] = "proportional",
    per_document: Annotated[
        int,
        typer.Option(min=1, help="Number of sentences per document in a two-stage design.", rich_help_panel=DESIGN),
    ] = 5,
    first_stage: Annotated[
        Literal["size", "equal"],
        typer.Option(
            help="How to draw documents in a two-stage design: with probability proportional to size, or with equal probability.",
            rich_help_panel=DESIGN,
        ),
    ] = "size",
    exclude: Annotated[
        list[Path] | None,
        typer.Option(
            help="With --for training, leave out the documents of this design file. Can be repeated.",
            rich_help_panel=DESIGN,
        ),
    ] = None,
    show_model: Annotated[
        bool,
        typer.Option("--show-model", help="Show the predicted labels to the coders.", rich_help_panel=OUTPUT),
    ] = False,
    coder: Annotated[
        list[str] | None,
        typer.Option(
            help="Write a separate sheet for the coder of this name. Can be repeated.", rich_help_panel=OUTPUT
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the model that assigned the labels. Its codebook and the hashes of its training data are read. "
            "Default: the shipped model."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Output of `communique evaluate --json`. Its precision and recall are then used to plan for --width."
        ),
    ] = None,
    codebook: Annotated[
        Path | None, typer.Option(help="Codebook of the labels. Default: the codebook of the model.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw and of the order of the rows.")] = 0,
    encoding: EncodingOption = None,
    sheet: SheetOption = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw sentences for people to code, and record the probability with which each sentence was drawn.

    For example:

        communique sample labels.parquet --width 0.05
        communique sample labels.parquet -n 400 --by country --coder anna --coder ben -o sheet.xlsx
    """
    from ..annotation.tasks import companion
    from ..data.codebook import Codebook
    from ..io.output import check_outputs
    from ..models.folder import read_codebook, read_info
    from ..sampling.design import SUFFIX, draw_sample, training_sample
    from ..sampling.population import read_population

    _check(n, width, out, form, purpose, coder, exclude, report)
    if out is not None:
        check_outputs(
            _files(out, form, coder or []),
            inputs=(predictions, report, codebook, *(exclude or ())),
            overwrite=overwrite,
        )
    groups, kinds = _split(by), _split(strata)
    population = read_population(predictions, encoding=encoding, sheet=sheet)
    for line in population.notes:
        note(line)
    if population.unlabelled:
        note(f"{predictions}: left out of the population: {counted(population.unlabelled, 'row')} without labels")
    if purpose == "estimate" and (model is not None or codebook is None):
        _warn_of_trained(population, model)
    if width is not None:
        need = _say_need(population, width, design, groups, kinds, allocation, per_document, report)
        n = n or need
    if out is None or n is None:
        return
    of_model = None if model is None else read_codebook(model, read_info(model))
    if of_model is not None and codebook is None:
        labels = of_model
    else:
        labels = Codebook.load(codebook or default_codebook())
        for line in [] if of_model is None else of_model.warning(labels, f"the model {model}", str(codebook)):
            note(line)
    _check_labels(labels, population, codebook)
    if purpose == "training":
        plan = training_sample(
            population, n, labels, by=groups, exclude=_documents(exclude), model_shown=show_model, seed=seed
        )
        if len(plan.rows) < n:
            note(f"only {counted(len(plan.rows), 'different text')} could be chosen instead of {n}")
    else:
        plan = draw_sample(
            population,
            n,
            labels,
            design=design,
            by=groups,
            strata=kinds,
            allocation=allocation,
            per_document=per_document,
            documents_by_size=first_stage == "size",
            model_shown=show_model,
            seed=seed,
        )
    if not population.has_index and population.previous.null_count == len(population):
        note(
            f"{predictions}: no row has a position in its document, so coders cannot see the preceding sentence. To show it, add a "
            "column 'index' (1, 2, 3, ...) or a column 'previous' to the table that was labelled, and label it again"
        )
    written = _write(out, form, population, plan, labels, coder or [], seed)
    plan.dump(companion(out, SUFFIX))
    for line in plan.describe():
        note(line)
    note(
        f"written: {', '.join(map(str, written))}. Keep {companion(out, SUFFIX)} for `communique agree`, but do not "
        "show it to the coders"
    )


def _check(
    n: int | None,
    width: float | None,
    out: Path | None,
    form: str,
    purpose: str,
    coder: list[str] | None,
    exclude: list[Path] | None,
    report: Path | None,
) -> None:
    """Check that the options go together.

    Raises:
        UsageError: They do not.
    """
    if n is None and width is None:
        raise UsageError("the number of sentences is missing. Add -n NUMBER, or --width WIDTH to plan for an interval")
    if out is None and width is None:
        raise UsageError("the output file is missing. Add -o FILE")
    if width is not None and not 0 < width < 1:
        raise typer.BadParameter(
            f"{width} is not a width. Use a number between 0 and 1, such as 0.05", param_hint="--width"
        )
    if report is not None and width is None:
        raise typer.BadParameter("a report is only used to plan for a width. Add --width", param_hint="--report")
    if purpose == "training" and width is not None:
        raise typer.BadParameter(
            "a sample for training cannot be used for estimates. Omit --width", param_hint="--width"
        )
    if exclude and purpose != "training":
        raise typer.BadParameter(
            "documents that are left out would change the population. Use this option only with --for training",
            param_hint="--exclude",
        )
    for name in coder or ():
        if not name.strip() or name.startswith(".") or len(name) > 60 or not re.fullmatch(r"[\w .@+-]+", name):
            raise typer.BadParameter(
                f"{name!r} cannot be part of a file name. Use up to 60 letters, digits, spaces and . - _ @ +",
                param_hint="--coder",
            )
    if coder and form != "sheet":
        raise typer.BadParameter(
            f"{form} manages coders itself. Use this option only with --format sheet", param_hint="--coder"
        )


def _split(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _check_labels(labels: Codebook, population: Population, given: Path | None) -> None:
    """Check that the codebook has the labels of the predictions.

    Raises:
        DataError: It has other labels.
    """
    from ..errors import DataError

    if set(labels.names) != set(population.names):
        raise DataError(
            f"{population.path}: the labels are {', '.join(population.names)}, but the codebook {labels.name} has "
            f"{', '.join(labels.names)}. Name {'the' if given is None else 'a different'} codebook with --codebook: that of the "
            "model that assigned the labels"
        )


def _warn_of_trained(population: Population, model: Path | None) -> None:
    """Warn of sentences that `communique estimate` would later refuse as gold, so that nobody codes them."""
    from ..models.folder import read_info
    from ..models.predictor import default_model

    trained_on = read_info(model or default_model()).training.fingerprint
    which, condition = (str(model), "") if model else ("the shipped model", "If it labelled them, ")
    sentences = (population.sentence(row) for row in range(len(population)))
    shared = [sentence.id for sentence in sentences if trained_on.overlap(sentence)]
    if shared:
        note(
            f"warning: {population.path}: {which} was trained or tuned on {len(shared)} of {len(population)} sentences "
            f"or their documents (first: id {shared[0]!r}). {condition}`communique estimate` will refuse them as gold. "
            "Remove them from the predictions before you draw a sample"
        )


def _files(out: Path, form: str, coders: list[str]) -> list[Path]:
    """List the files that will be written: the sheets or tasks, their companions, and the design file."""
    from ..annotation.tasks import COMPANIONS, companion
    from ..sampling.design import SUFFIX

    sheets = [_of(out, name) for name in coders] or [out]
    ending = COMPANIONS.get((form, out.suffix.lower()))
    return [*sheets, *(companion(sheet, ending) for sheet in sheets if ending), companion(out, SUFFIX)]


def _say_need(
    population: Population,
    width: float,
    design: str | None,
    groups: list[str],
    kinds: list[str],
    allocation: str,
    per_document: int,
    report: Path | None,
) -> int:
    """Print how many sentences each label requires, and return the largest number."""
    from ..sampling.size import needed, read_rates
    from ..sampling.strata import make_strata

    rates = read_rates(report) if report else {}
    stratified = design != "simple" and bool(groups or kinds)
    needs = needed(
        population,
        width,
        strata=make_strata(population, groups, kinds) if stratified else None,
        allocation=allocation,
        per_document=per_document if design == "two-stage" else None,
        rates=rates,
    )
    show(
        f"Sentences required for 95 % intervals of width {width} (proportions in these sentences, "
        "`communique estimate --target finite-population`):"
    )
    for need in needs:
        show(str(need))
    n = max(need.n for need in needs)
    if rates:
        rates_used = "; ".join(
            f"{label} precision {rates[label][0]:.2f}, recall {rates[label][1]:.2f}"
            if label in rates
            else f"{label} not measured, from the model's probabilities"
            for label in population.names
        )
        show(
            f"all labels: {counted(n, 'sentence')}, if the model makes as many errors here as in {report} ({rates_used})."
        )
    else:
        show(
            f"all labels: {counted(n, 'sentence')}. This number relies on the model's probabilities. To check them, use measured "
            "error rates (--report) or code a pilot sample of 100 sentences."
        )
    return n


def _documents(paths: list[Path] | None) -> set[str]:
    """Return the documents of all sentences in some design files."""
    from ..sampling.design import Design

    return {row.document for path in paths or () for row in Design.load(path).rows}


def _write(
    out: Path, form: str, population: Population, plan: Design, labels: Codebook, coders: list[str], seed: int
) -> list[Path]:
    """Write the sheets or tasks, and return the files that were written."""
    from ..annotation import doccano, label_studio, prodigy
    from ..annotation.sheets import write_sheet

    if form == "sheet":
        if not coders:
            return write_sheet(out, _tasks(population, plan, seed, 0), labels)
        # Each coder gets a different order, so that coders grow tired at different sentences.
        return [
            path
            for number, name in enumerate(coders)
            for path in write_sheet(_of(out, name), _tasks(population, plan, seed, number), labels, coder=name)
        ]
    writers = {
        "label-studio": label_studio.write_tasks,
        "doccano": doccano.write_tasks,
        "prodigy": prodigy.write_tasks,
    }
    return writers[form](out, _tasks(population, plan, seed, 0), labels)


def _of(out: Path, coder: str) -> Path:
    return out.with_name(f"{out.stem}-{coder}{out.suffix}")


def _tasks(population: Population, plan: Design, seed: int, number: int) -> list[CodingTask]:
    """Return the drawn sentences as coding tasks, in the random order of one coder."""
    import numpy as np

    from ..annotation.tasks import CodingTask

    place = {identity: row for row, identity in enumerate(population.ids.to_pylist())}
    tasks = []
    for row in plan.rows:
        sentence = population.sentence(place[row.id])
        shown = row.labels if plan.model_shown else None
        tasks.append(CodingTask(row.id, sentence.text, row.document, row.language, sentence.previous or "", shown))
    order = np.random.default_rng([seed, number]).permutation(len(tasks))
    return [tasks[i] for i in order]
