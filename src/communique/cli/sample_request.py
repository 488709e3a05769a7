"""What the options of `communique sample` ask for: check it, plan, draw, warn and write."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from ..reporting.format import counted
from .common import UsageError, advise, checked, note, show
from .sample_input import Labels, documents_for_estimates

if TYPE_CHECKING:
    from ..labelling.reading import TextReading
    from ..sampling.design import Design
    from ..sampling.frame import Frame
    from ..sampling.planning import Plan
    from ..sampling.population import Population

Form = Literal["sheet", "label-studio", "doccano", "prodigy"]


@dataclass(frozen=True)
class Request:
    """The options that decide what is drawn and written. See the help of `communique sample` for their meaning."""

    n: int | None
    width: float | None
    out: Path | None
    form: Form
    purpose: Literal["estimate", "training"]
    design: Literal["simple", "stratified", "two-stage"] | None
    by: list[str]
    strata: list[str]
    allocation: Literal["proportional", "optimal", "equal"]
    per_document: int
    by_size: bool
    exclude: list[Path]
    coded: list[Path]
    trained_documents: bool
    prevalence: list[str]
    show_model: bool
    coders: list[str]
    report: Path | None
    seed: int

    def check(self) -> None:
        """Check that the options go together.

        Raises:
            UsageError: They do not.
        """
        if self.n is None and self.width is None:
            raise UsageError(
                "the number of sentences is missing. Add -n NUMBER, or --width WIDTH to plan for an interval"
            )
        if self.out is None and self.width is None:
            raise UsageError("the output file is missing. Add -o FILE")
        self._check_plan()
        self._check_purpose()
        self._check_coders()

    def _check_plan(self) -> None:
        for option, given in (("--report", self.report), ("--prevalence", self.prevalence)):
            if given and self.width is None:
                raise typer.BadParameter("this is only used to plan for a width. Add --width", param_hint=option)
        if self.report is not None and self.prevalence:
            raise typer.BadParameter(
                "the report already contains proportions. Omit one of --prevalence and --report",
                param_hint="--prevalence",
            )

    def _check_purpose(self) -> None:
        if self.purpose == "training":
            if self.width is not None:
                raise typer.BadParameter(
                    "a sample for training cannot be used for estimates. Omit --width", param_hint="--width"
                )
            return
        if self.trained_documents:
            raise typer.BadParameter(
                "estimates need documents on which the model was not trained. Use this option only with --for training",
                param_hint="--trained-documents",
            )
        for option, paths in (("--exclude", self.exclude), ("--coded", self.coded)):
            if paths:
                raise typer.BadParameter(
                    "sentences that are left out would change the population. Use this option only with --for training",
                    param_hint=option,
                )

    def _check_coders(self) -> None:
        from ..annotation.tasks import is_coder_name, similar_coders

        for name in self.coders:
            allowed = all(unicodedata.category(c)[0] in "LMN" or c in "_ .@+-\u200c\u200d" for c in name)
            if not name.strip() or name[0] == "." or len(name) > 60 or not allowed or not is_coder_name(name):
                raise typer.BadParameter(
                    f"{name!r} cannot be part of a file name. Use up to 60 letters, digits, spaces and . - _ @ +",
                    param_hint="--coder",
                )
        if same := similar_coders(self.coders):
            raise typer.BadParameter(same[0], param_hint="--coder")
        if self.coders and self.form != "sheet":
            raise typer.BadParameter(
                f"{self.form} manages coders itself. Use this option only with --format sheet", param_hint="--coder"
            )

    def check_outputs(self, inputs: Sequence[str | Path | None], *, overwrite: bool) -> None:
        """Check that no file of the user would be overwritten. `inputs` are the files that no other option names."""
        from ..annotation.assignments import planned_files
        from ..io.output import check_outputs

        if self.out is not None:
            named = (*inputs, self.report, *self.exclude, *self.coded)
            check_outputs(planned_files(self.out, self.form, self.coders), inputs=named, overwrite=overwrite)

    def rates(self) -> dict[str, tuple[float, float]]:
        """Return the measured precision and recall by label, if there is a report."""
        from ..sampling.size import read_rates

        return read_rates(self.report) if self.report else {}

    def proportions(self, population: Population) -> dict[str, float] | None:
        """Return the expected proportion of each label, if the user names any."""
        from ..sampling.planning import as_proportions

        if not self.prevalence:
            return None
        return checked(lambda texts: as_proportions(texts, population.names), self.prevalence, "--prevalence")


def plan_and_draw(
    request: Request, frame: Frame, labels: Labels, texts: Sequence[tuple[str, str]], reading: TextReading
) -> Design | None:
    """Print the plan, draw the sample, and print warnings about it. Return None if nothing is drawn."""
    if request.purpose == "training":
        return _draw_for_training(request, frame, labels)
    expected = request.proportions(frame.population)
    plan = None if request.width is None else _show_plan(request, frame.population, request.width, expected)
    drawn = _draw(request, frame, plan, labels, texts, reading)
    if drawn is not None:
        _foresee(request, frame.population, drawn, expected)
    return drawn


def _draw_for_training(request: Request, frame: Frame, labels: Labels) -> Design | None:
    from ..sampling.design import Design, training_sample

    if request.n is None:
        return None
    # Texts that are not labelled yet have no predictions, whatever the codebook.
    frame.population.require_predictions("--for training")
    untrained = documents_for_estimates(frame.population, labels)
    exclude = {row.document for path in request.exclude for row in Design.load(path).rows}
    drawn = training_sample(
        frame,
        request.n,
        labels.of(frame.population),
        by=request.by,
        exclude=exclude | (untrained if request.trained_documents else set()),
        model_shown=request.show_model,
        seed=request.seed,
    )
    if len(drawn.rows) < request.n:
        note(f"only {counted(len(drawn.rows), 'different text')} could be chosen instead of {request.n}")
    _show_used_documents(drawn, untrained, len(set(frame.population.document_names)))
    return drawn


def _show_used_documents(drawn: Design, untrained: set[str], documents: int) -> None:
    """Print how many documents can no longer be used for estimates after a model is trained on a sample."""
    used = {row.document for row in drawn.rows} & untrained
    if not used:
        return
    hint = ". To choose only from documents on which the model was trained, add --trained-documents"
    note(
        f"{counted(len(used), 'document')} of this sample did not train the model before. A model that is trained on the sample "
        f"cannot be used for estimates of these documents; {len(untrained - used)} of {documents} remain"
        f"{hint if len(untrained) < documents else ''}"
    )


def _draw(
    request: Request,
    frame: Frame,
    plan: Plan | None,
    labels: Labels,
    texts: Sequence[tuple[str, str]],
    reading: TextReading,
) -> Design | None:
    """Draw the wanted number of sentences or, without a number, as many as were planned."""
    from ..sampling.design import draw_sample

    n = request.n or (plan.n if plan else None)
    if n is None:
        return None
    return draw_sample(
        frame,
        n,
        # A plan without a sample does not use the codebook.
        labels.of(frame.population) if request.out is not None else labels.any(),
        design=request.design,
        by=request.by,
        strata=request.strata,
        allocation=request.allocation,
        per_group=plan.per_group if plan and request.n is None else None,
        texts=texts,
        reading=reading.arguments() if texts else (),
        per_document=request.per_document,
        documents_by_size=request.by_size,
        model_shown=request.show_model,
        seed=request.seed,
    )


def _show_plan(request: Request, population: Population, width: float, expected: dict[str, float] | None) -> Plan:
    """Print how many sentences are required, and return the plan."""
    from ..sampling.planning import plan_sample

    rates = request.rates()
    plan = plan_sample(
        population,
        width,
        design=request.design,
        by=request.by,
        strata=request.strata,
        allocation=request.allocation,
        per_document=request.per_document,
        rates=rates,
        proportions=expected,
    )
    show(
        f"Sentences required for 95 % intervals of width {width:g} (proportions in these sentences, "
        "`communique estimate --target finite-population`):"
    )
    *parts, total = plan.lines
    for line in parts:
        show(line)
    if rates:
        used = "; ".join(
            f"{label} precision {rates[label][0]:.2f}, recall {rates[label][1]:.2f}"
            if label in rates
            else f"{label} not measured, from the model's probabilities"
            for label in population.names
        )
        show(f"{total}, if the model makes as many errors here as in {request.report} ({used}).")
    elif expected or not population.has_predictions:
        show(f"{total}. With predictions, fewer sentences are needed: run `communique label` first to plan with them.")
    else:
        show(
            f"{total}. This number relies on the model's probabilities. To check them, use measured "
            "error rates (--report) or code a pilot sample of 100 sentences."
        )
    return plan


def _foresee(request: Request, population: Population, drawn: Design, expected: dict[str, float] | None) -> None:
    """Print warnings about groups that `communique estimate` would refuse or call doubtful."""
    from ..estimation.foresight import foresee

    for line in foresee(population, drawn, rates=request.rates(), proportions=expected):
        note(line)


def write(request: Request, out: Path, population: Population, frame: Frame, drawn: Design) -> None:
    """Write the files for the coders, the design file, and the list of rows that were left out of the population."""
    from ..annotation.assignments import write_assignments
    from ..annotation.tasks import companion
    from ..sampling.design import SUFFIX
    from ..sampling.frame import LEFT_OUT, write_left_out

    if not population.has_index and population.previous.null_count == len(population):
        note(
            f"{population.path}: no row has a position in its document, so coders cannot see the preceding sentence. To show it, "
            "add a column 'index' (1, 2, 3, ...) or a column 'previous' to the table that was labelled, and label it again"
        )
    written = write_assignments(
        out, request.form, frame.population, drawn, drawn.codebook, coders=request.coders, seed=request.seed
    )
    left_out = companion(out, LEFT_OUT)
    if frame.left_out:
        write_left_out(left_out, population, frame.left_out)
        written.append(left_out)
    else:
        # With --overwrite, there may be a list that belongs to an earlier sample.
        left_out.unlink(missing_ok=True)
    design = companion(out, SUFFIX)
    drawn.dump(design)
    for line in drawn.describe():
        note(line)
    note(
        f"written: {', '.join(map(str, written))}. Keep {design} for `communique agree`, but do not show it to the coders"
    )


def note_next_steps(paths: Sequence[str], reading: TextReading, labels: Labels, out: Path) -> None:
    """Print how to label texts that were drawn before they were labelled."""
    from ..annotation.tasks import companion
    from ..sampling.design import SUFFIX

    model = [] if labels.model is None and labels.known else ["--model", str(labels.model or "FOLDER")]
    command = shlex.join(["communique", "label", *paths, *reading.arguments(), *model, "-o", "labelled.parquet"])
    which = (
        "" if labels.known else f" FOLDER is a model for the labels of {labels.codebook}; `communique train` makes one."
    )
    advise(
        f"After coding, label the same texts with the same options: {command}.{which} Then name {companion(out, SUFFIX)} with "
        "`communique estimate --design`"
    )
