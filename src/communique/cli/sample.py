"""`communique sample`: draw the sentences that people are to read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .common import EncodingOption, Overwrite, SheetOption, cli_errors, default_codebook, note, show

if TYPE_CHECKING:
    from ..annotation.tasks import CodingTask
    from ..data.codebook import Codebook
    from ..sampling.design import Design
    from ..sampling.population import Population

Form = Literal["sheet", "label-studio", "doccano", "prodigy"]


@cli_errors
def sample(
    predictions: Annotated[Path, typer.Argument(help="What `communique label -o` wrote.")],
    n: Annotated[int | None, typer.Option("-n", min=1, help="Sentences to draw.")] = None,
    width: Annotated[
        float | None,
        typer.Option(help="Say what n a 95 % interval of this width needs, such as 0.05; drawn without -n."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Sheet (.xlsx, .csv) or tasks (.json, .jsonl).")
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="For whom the output is.")] = "sheet",
    purpose: Annotated[
        Literal["estimate", "training"],
        typer.Option("--for", help="estimate: known inclusion probabilities; training: what teaches most."),
    ] = "estimate",
    design: Annotated[
        Literal["simple", "stratified", "two-stage"] | None,
        typer.Option(help="stratified where groups or strata are given, else simple."),
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Columns of groups, such as country,year; each becomes a stratum.")
    ] = None,
    strata: Annotated[str | None, typer.Option(help="predicted, uncertainty or columns, separated by commas.")] = None,
    allocation: Annotated[
        Literal["proportional", "optimal", "equal"], typer.Option(help="How strata share the sentences.")
    ] = "proportional",
    per_document: Annotated[int, typer.Option(min=1, help="Sentences of a document, in a two-stage design.")] = 5,
    first_stage: Annotated[
        Literal["size", "equal"], typer.Option(help="Draw documents by their size, or all alike.")
    ] = "size",
    exclude: Annotated[
        list[Path] | None, typer.Option(help="For training: design files whose documents are left out; repeatable.")
    ] = None,
    show_model: Annotated[bool, typer.Option("--show-model", help="Let coders see the model's labels.")] = False,
    coder: Annotated[list[str] | None, typer.Option(help="One sheet for each coder of this name; repeatable.")] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the model that labelled: its codebook, and what it was trained on; the shipped one without it."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="What `communique evaluate --json` wrote: --width then plans with measured precision and recall."
        ),
    ] = None,
    codebook: Annotated[Path | None, typer.Option(help="The labels' codebook; that of the model without it.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw and of the order of rows.")] = 0,
    encoding: EncodingOption = None,
    sheet: SheetOption = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw sentences for people to read, with the probability with which each was to be drawn."""
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
        note(f"{predictions}: {population.unlabelled} rows were not labelled and are no part of the population")
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
            note(f"{n} wanted, but only {len(plan.rows)} different texts are left to pick")
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
            f"{predictions}: no row says its place in its document, so coders are shown no sentence before theirs; give the table "
            "that was labelled a column 'index' (1, 2, 3, ... in order), or one 'previous', and label it again"
        )
    written = _write(out, form, population, plan, labels, coder or [], seed)
    plan.dump(companion(out, SUFFIX))
    for line in plan.describe():
        note(line)
    note(
        f"written: {', '.join(map(str, written))}; keep {companion(out, SUFFIX)} to yourself, `communique agree` needs it"
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
    if n is None and width is None:
        raise typer.BadParameter("give the number of sentences (-n), or the width of an interval (--width)")
    if out is None and width is None:
        raise typer.BadParameter("give a file to write", param_hint="--out")
    if width is not None and not 0 < width < 1:
        raise typer.BadParameter(f"{width}; allowed: between 0 and 1, such as 0.05", param_hint="--width")
    if report is not None and width is None:
        raise typer.BadParameter("serves to plan for a width; give --width", param_hint="--report")
    if purpose == "training" and width is not None:
        raise typer.BadParameter("a sample for training estimates nothing; leave --width out", param_hint="--width")
    if exclude and purpose != "training":
        raise typer.BadParameter(
            "leaving documents out would change the population; only for --for training", param_hint="--exclude"
        )
    for name in coder or ():
        if not name.strip() or name.startswith(".") or len(name) > 60 or not re.fullmatch(r"[\w .@+-]+", name):
            raise typer.BadParameter(
                f"{name!r}; it becomes part of a file's name: use letters, digits, spaces and . - _ @ +",
                param_hint="--coder",
            )
    if coder and form != "sheet":
        raise typer.BadParameter(f"{form} has users of its own; only for sheets", param_hint="--coder")


def _split(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _check_labels(labels: Codebook, population: Population, given: Path | None) -> None:
    from ..errors import DataError

    if set(labels.names) != set(population.names):
        raise DataError(
            f"{population.path}: labels {', '.join(population.names)}, codebook {labels.name}: {', '.join(labels.names)}; "
            f"give the codebook of the model that labelled them with --codebook{'' if given is None else ' (another one)'}"
        )


def _warn_of_trained(population: Population, model: Path | None) -> None:
    """Warn of sentences that `communique estimate` would refuse as gold, before people code them."""
    from ..models.folder import read_info
    from ..models.predictor import default_model

    trained_on = read_info(model or default_model()).training.fingerprint
    which, doubt = (str(model), "") if model else ("the shipped model", "if it labelled them, ")
    sentences = (population.sentence(row) for row in range(len(population)))
    shared = [sentence.id for sentence in sentences if trained_on.overlap(sentence)]
    if shared:
        note(
            f"warning: {population.path}: {which} was trained or tuned on {len(shared)} of {len(population)} sentences "
            f"or their documents (first: id {shared[0]!r}); {doubt}`communique estimate` refuses them as gold: leave "
            "them out of the predictions before a sample is drawn"
        )


def _files(out: Path, form: str, coders: list[str]) -> list[Path]:
    """List the files that are written: the sheets or tasks, what goes with them, and the design."""
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
        f"for 95 % intervals of width {width} of the shares in these sentences (`estimate --target finite-population`):"
    )
    for need in needs:
        show(str(need))
    n = max(need.n for need in needs)
    if rates:
        believed = "; ".join(
            f"{label} precision {rates[label][0]:.2f}, recall {rates[label][1]:.2f}"
            if label in rates
            else f"{label} not measured, by the model's probabilities"
            for label in population.names
        )
        show(f"all labels: {n} sentences, if the model errs here as in {report} ({believed}).")
    else:
        show(
            f"all labels: {n} sentences. This trusts the model's probabilities; measured error rates (--report) or a pilot of 100 "
            "show whether it may."
        )
    return n


def _documents(paths: list[Path] | None) -> set[str]:
    from ..sampling.design import Design

    return {row.document for path in paths or () for row in Design.load(path).rows}


def _write(
    out: Path, form: str, population: Population, plan: Design, labels: Codebook, coders: list[str], seed: int
) -> list[Path]:
    from ..annotation import doccano, label_studio, prodigy
    from ..annotation.sheets import write_sheet

    if form == "sheet":
        if not coders:
            return write_sheet(out, _tasks(population, plan, seed, 0), labels)
        # Each coder reads in an order of their own: who tires, tires of different sentences.
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
