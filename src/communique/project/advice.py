"""Decide what to do next in a project."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..reporting.format import counted, signed_score

if TYPE_CHECKING:
    from .curve import Curve

#: Minimum number of sentences of a further sample for training.
MIN_TRAINING_SAMPLE = 50

_UNKNOWN = "How much more coding would help is not known"

#: Training again, or another learning curve, is advised when the coded rows have grown by this proportion since the last one.
GROWTH = 0.15


#: What a step is about. The web app has a page for each of them.
Action = Literal[
    "codebook", "documents", "sample", "code", "adjudicate", "train", "label", "curve", "estimate", "read_estimates"
]


@dataclass(frozen=True)
class SampleRequest:
    """A sample to draw. Each field is an option of `communique sample`.

    Attributes:
        n: Number of sentences.
        purpose: What the sample is for.
        design: The sampling design, or nothing for the default of the command.
        trained_documents: Whether to draw only from documents on which the model was trained.
    """

    n: int
    purpose: Literal["estimate", "training"] = "estimate"
    design: Literal["", "two-stage"] = ""
    trained_documents: bool = False

    @property
    def command(self) -> str:
        """The command that draws the sample."""
        options = [f"--for {self.purpose}"] if self.purpose != "estimate" else []
        options.append(f"-n {self.n}")
        options += [f"--design {self.design}"] if self.design else []
        options += ["--trained-documents"] if self.trained_documents else []
        return " ".join(["communique sample", *options, "--coder NAME"])


#: The first sample. With fewer sentences, a comparison of classifiers is mostly chance. Two stages draw from few documents, because
#: documents that train a model cannot be used for estimates.
FIRST_SAMPLE = SampleRequest(200, design="two-stage")

#: A sample for estimates. Without a model, the interval of a proportion of 0.1 is then about 0.07 wide.
ESTIMATE_SAMPLE = SampleRequest(300)


@dataclass(frozen=True)
class Step:
    """What to do next.

    Attributes:
        action: What it is about.
        command: The command, or what to do without a command.
        reason: Why.
        sample: The sample to draw, if that is what the step is about.
    """

    action: Action
    command: str
    reason: str
    sample: SampleRequest | None = None


@dataclass(frozen=True)
class Facts:
    """What the next step depends on.

    Attributes:
        starter: Whether the codebook is still the example that `communique init` wrote.
        documents: Number of documents and tables, or of folders with them.
        sample: Name of the newest sample, if there is one.
        missing: Number of its sentences that nobody coded.
        sheets: Its sheets and tasks.
        differing: Number of sentences on which coders differ and which nobody adjudicated.
        adjudication: The newest sheet for adjudication, unless something was coded since it was written.
        outdated: Number of codings that must be made again because the codebook changed.
        rows: Number of coded rows that may train a model.
        trained_rows: Number of rows of the newest model, or None if there is no model for the present codebook.
        labelled: Whether the newest model has labelled the documents.
        unlabelled: Number of files of the documents that the newest labels do not contain.
        reserved: Whether there is a sample that is reserved for estimates.
        estimated: Whether there are estimates that are newer than that sample.
        curve: The learning curve, if there is one.
    """

    starter: bool
    documents: int
    sample: str | None
    missing: int
    sheets: Sequence[str]
    differing: int
    adjudication: str | None
    outdated: int
    rows: int
    trained_rows: int | None
    labelled: bool
    unlabelled: int
    reserved: bool
    estimated: bool
    curve: Curve | None


def next_step(facts: Facts) -> Step:
    """Return the next step. The first reason that applies decides."""
    return _prepare(facts) or _code(facts) or _train(facts) or _after_training(facts)


def training_sample_size(rows: int) -> int:
    """Return the number of sentences of the next sample for training: about a quarter of the coded rows."""
    return max(MIN_TRAINING_SAMPLE, round(rows / 4 / 50) * 50)


def describe_projection(curve: Curve | None) -> str:
    """Return one or two sentences on how much more coding is likely to help."""
    if curve is None:
        return f"{_UNKNOWN}, because there is no learning curve. To compute one, run `communique status --curve`."
    if curve.projection is None:
        return f"{_UNKNOWN}: {curve.reason}."
    p = curve.projection
    gain = signed_score(p.gain, p.gain_low, p.gain_high)
    about = f"With {p.rows} coded rows, macro-F1 would change by about {gain}, if the learning curve continues as a power law."
    verdict = {
        "stop": "More coding is unlikely to improve the model noticeably.",
        "code": "More coding is likely to improve the model.",
        "unclear": "The scores are too uncertain to say whether more coding would improve the model.",
    }
    return f"{about} {verdict[p.advice]}"


def _prepare(facts: Facts) -> Step | None:
    if facts.starter:
        return Step(
            "codebook",
            "edit codebook.yaml, then run: communique status",
            "The codebook is still the example. Describe the labels of your own question",
        )
    if not facts.documents:
        return Step(
            "documents",
            "copy texts or tables into documents/, or list them in project.yaml, then run: communique status",
            "The project has no documents",
        )
    return None


def _code(facts: Facts) -> Step | None:
    if facts.sample is None:
        if facts.rows:
            return None
        return _draw(FIRST_SAMPLE, "Nothing has been drawn for coding yet")
    if facts.missing:
        files = shlex.join(facts.sheets) or "CODED_FILE"
        return Step(
            "code",
            f"communique merge {files}",
            f"Nobody has coded {counted(facts.missing, 'sentence')} of {facts.sample}. Have them coded, then add the coded files",
        )
    if facts.differing:
        differ = f"Coders differ on {counted(facts.differing, 'sentence')}"
        if facts.adjudication is None:
            return Step("adjudicate", "communique agree", f"{differ}. Decide which labels are right")
        return Step(
            "adjudicate",
            f"communique merge {shlex.quote(facts.adjudication)}",
            f"{differ}. Decide between them in the sheet for adjudication, then add it",
        )
    return None


def _train(facts: Facts) -> Step | None:
    if facts.outdated and facts.trained_rows is None and facts.rows < MIN_TRAINING_SAMPLE:
        return _draw(
            FIRST_SAMPLE,
            f"{counted(facts.outdated, 'coding')} cannot be used since the codebook changed. Code sentences with the new codebook",
        )
    if facts.rows and (facts.trained_rows is None or facts.rows >= (1 + GROWTH) * facts.trained_rows):
        before = (
            "there is no model for this codebook"
            if facts.trained_rows is None
            else f"the model has {facts.trained_rows}"
        )
        return Step("train", "communique train", f"{counted(facts.rows, 'coded row')} can train a model, and {before}")
    if facts.trained_rows is not None and not facts.labelled:
        return Step("label", "communique label", "The newest model has not labelled the documents yet")
    if facts.trained_rows is not None and facts.unlabelled:
        reason = f"The labels do not contain {counted(facts.unlabelled, 'file')} of the documents yet"
        return Step("label", "communique label", reason)
    return None


def _after_training(facts: Facts) -> Step:
    if facts.reserved:
        if facts.estimated:
            return Step(
                "read_estimates", "read the report in estimates/", "The newest sample for estimates has been used"
            )
        return Step("estimate", "communique estimate", "The sample for estimates is coded")
    if facts.curve is None or facts.rows >= (1 + GROWTH) * facts.curve.coded:
        return Step(
            "curve", "communique status --curve", "A learning curve shows whether more coding would improve the model"
        )
    if facts.curve.projection is None or facts.curve.projection.advice != "stop":
        further = SampleRequest(training_sample_size(facts.rows), "training", trained_documents=True)
        return _draw(further, describe_projection(facts.curve))
    return _draw(ESTIMATE_SAMPLE, describe_projection(facts.curve))


def _draw(request: SampleRequest, reason: str) -> Step:
    return Step("sample", request.command, reason, request)
