"""Report the state of a project: what is coded, how far coders agree, how good the models are, and what to do next."""

from __future__ import annotations

import glob
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..annotation.agreement_report import AgreementReport
from ..annotation.tasks import ADJUDICATION, COMPANIONS
from ..data.codebook import Codebook
from ..errors import DataError
from ..labelling.made_by import read_model_sha256, unlabelled_files
from ..metrics.bootstrap import RESAMPLES
from ..models.folder import read_sha256
from ..models.info import ModelInfo
from ..reporting.format import counted, without_nan
from ..reporting.render import render
from ..sampling.design import SUFFIX, Design
from ..sampling.frame import LEFT_OUT
from .advice import Facts, Step, describe_projection, next_step
from .codebooks import OtherCodebook, changed_codebooks
from .curve import Curve, Point, compute_curve, curve_of_models
from .documents import document_files, has_texts
from .layout import (
    ADJUDICATION_SHEET,
    AGREEMENT_FILE,
    CODINGS,
    CODINGS_TABLE,
    ESTIMATES,
    GOLD_TABLE,
    MODELS,
    SAMPLES,
    starter,
)
from .project import Project
from .rows import ByCoder, Coded, final_labels, is_reserved, labels_by_sentence, member_keys, use_of

#: File with the quick learning curve, in the folder of the models.
CURVE = "learning-curve.json"


@dataclass(frozen=True)
class SampleStatus:
    """How much of a sample is coded.

    `coded` counts the sentences with at least one coding, `coders` the codings by coder, and `labels` the sentences by final
    label. `differing` counts the sentences on which coders differ and which nobody adjudicated. `use` says what the sample is used
    for (see `rows.use_of`).
    """

    name: str
    purpose: str
    use: str
    sampling: str
    drawn: int
    coded: int
    coders: Mapping[str, int]
    labels: Mapping[str, int]
    differing: int
    model_shown: bool
    reserved: bool


@dataclass(frozen=True)
class ModelStatus:
    """A trained model, with the score and the interval that its training recorded."""

    name: str
    classifier: str
    rows: int
    metric: str
    value: float | None
    low: float | None
    high: float | None
    other_codebook: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Status:
    """The state of a project.

    `sentences` counts the coded sentences, `labels` those with each final label (`none` for no label), and `coders` the codings
    by coder. `training_rows` counts the rows that `communique train` would use. `agreement` is None if fewer than two coders coded
    the same sentences, or if it was not measured. `unlabelled` counts the files of the documents that the newest labels do not
    contain.
    """

    name: str
    codebook: str
    documents: int
    sentences: int
    training_rows: int
    labels: Mapping[str, int]
    coders: Mapping[str, int]
    differing: int
    unlabelled: int
    samples: tuple[SampleStatus, ...]
    agreement: AgreementReport | None
    changes: tuple[OtherCodebook, ...]
    models: tuple[ModelStatus, ...]
    curve: Curve | None
    outlook: str
    next: Step
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the status as plain values for JSON. Values that are not defined are None."""
        plain: dict[str, Any] = without_nan(asdict(self))
        return plain

    def to_markdown(self) -> str:
        """Return the status as Markdown."""
        return render("status.md.jinja", status=self)


def has_example_codebook(project: Project) -> bool:
    """Return whether the codebook is still the example that `communique init` wrote."""
    return project.codebook_path.read_bytes() == starter().encode()


def project_status(project: Project, *, agreement: bool = True, seed: int = 0, resamples: int = RESAMPLES) -> Status:
    """Return the state of a project.

    Args:
        project: The project.
        agreement: Whether to measure the agreement of coders, which takes longer than everything else.
        seed: Seed of the bootstrap.
        resamples: Number of bootstrap samples for agreement.

    Raises:
        CodebookError: The codebook is invalid.
        DataError: A design file is invalid.
    """
    coded = project.coded()
    codebook, rows, training = coded.codebook, coded.rows, coded.training
    labelled = {
        name: labels_by_sentence(coded.of_sample(design, codebook)[0].codings) for name, design in coded.designs.items()
    }
    samples = tuple(_sample(name, design, coded, labelled[name]) for name, design in coded.designs.items())
    changes = changed_codebooks(project, coded.latest)
    found = project.models()
    models = tuple(_model(folder, info, codebook) for folder, info in found.infos.items())
    curve = Curve.load(project.folder / MODELS / CURVE) or model_curve(models, len(training.corpus))
    notes = [*coded.read.notes, *found.problems]
    if curve is not None and curve.classifier and curve.coded != len(training.corpus):
        notes.append(
            f"the learning curve was computed on {curve.coded} of now {len(training.corpus)} coded rows. To compute it again, run "
            "communique status --curve"
        )
    differing = _differing(coded, labelled)
    unlabelled = _unlabelled(project)
    if unlabelled:
        notes.append(
            f"the newest labels do not contain {counted(unlabelled, 'file')} of the documents, which were added or changed later. "
            "To label all documents again, run communique label"
        )
    facts = _facts(project, samples, models, changes, differing, len(training.corpus), curve, unlabelled)
    return Status(
        name=project.name,
        codebook=codebook.title,
        documents=len(project.documents()),
        sentences=len(coded.given),
        training_rows=len(training.corpus),
        labels=_count_labels([s.labels or () for s in rows.corpus], codebook),
        coders=dict(Counter(coding.coder for coding in coded.latest)),
        differing=differing,
        unlabelled=unlabelled,
        samples=samples,
        agreement=_agreement(project, coded, seed, resamples) if agreement else None,
        changes=changes,
        models=models,
        curve=curve,
        outlook=describe_projection(curve),
        next=next_step(facts),
        notes=tuple(notes),
    )


def quick_curve(project: Project, kind: str = "tfidf", **options: Any) -> Curve:
    """Compute a learning curve on the coded rows that may train a model, and store it for `project_status`.

    Args:
        project: The project.
        kind: See `compute_curve`.
        options: Further arguments of `compute_curve`.

    Raises:
        DataError: There are too few documents.
    """
    curve = compute_curve(project.coded_corpus().corpus, project.codebook, kind=kind, **options)
    curve.dump(project.folder / MODELS / CURVE)
    return curve


def _sample(name: str, design: Design, coded: Coded, labelled: ByCoder) -> SampleStatus:
    answers = [coded.given[key] for key in member_keys(design) if key in coded.given]
    final = [final_labels(given) for given in labelled.values()]
    return SampleStatus(
        name=name,
        purpose=design.purpose,
        use=use_of(design),
        sampling=design.sampling,
        drawn=len(design.rows),
        coded=len(answers),
        coders=dict(Counter(coder for given in answers for coder in given)),
        labels=_count_labels([labels for labels in final if labels is not None], coded.codebook),
        differing=final.count(None),
        model_shown=design.model_shown,
        reserved=is_reserved(design),
    )


def _differing(coded: Coded, labelled: Mapping[str, ByCoder]) -> int:
    """Return the number of sentences on which coders differ and which nobody adjudicated.

    Args:
        coded: The codings. All latest ones of sentences outside samples count.
        labelled: The labels that count for the gold of each sample.
    """
    members = {key for design in coded.designs.values() for key in member_keys(design)}
    loose = {key: given for key, given in coded.labelled.items() if key not in members}
    parts = [*labelled.values(), loose]
    return len({key for part in parts for key, given in part.items() if final_labels(given) is None})


def _count_labels(labels: Sequence[Sequence[str]], codebook: Codebook) -> dict[str, int]:
    counts = Counter(name for given in labels for name in given)
    found = {name: counts[name] for name in codebook.names}
    return found | ({"none": sum(not given for given in labels)} if codebook.multilabel else {})


def _agreement(project: Project, coded: Coded, seed: int, resamples: int) -> AgreementReport | None:
    if not any(len(given.keys() - {ADJUDICATION}) > 1 for given in coded.labelled.values()):
        return None
    return AgreementReport.compare(project.codings(), coded.codebook, seed=seed, resamples=resamples)


def _model(folder: Path, info: ModelInfo, codebook: Codebook) -> ModelStatus:
    score = info.scores[0] if info.scores else None
    return ModelStatus(
        name=folder.name,
        classifier=info.classifier,
        rows=info.training.sentences,
        metric=score.metric if score else "macro_f1",
        value=score.value if score else None,
        low=score.low if score else None,
        high=score.high if score else None,
        other_codebook=info.codebook_sha256 != codebook.sha256,
        warnings=info.warnings,
    )


def model_curve(models: Sequence[ModelStatus], coded: int) -> Curve | None:
    """Return the learning curve of the models of a project, or None if it has fewer than two numbers of rows.

    Only models with the classifier of the newest one count. A step from one classifier to a better one is no effect of more rows.

    Args:
        models: The models, from the oldest to the newest.
        coded: Number of coded rows now.
    """
    usable = [m for m in models if not m.other_codebook]
    same = [m for m in usable if (m.classifier, m.metric) == (usable[-1].classifier, usable[-1].metric)]
    points = [Point(m.rows, m.value, m.low, m.high, m.name) for m in same]
    return curve_of_models(points, coded) if len({point.rows for point in points}) > 1 else None


def _facts(
    project: Project,
    samples: Sequence[SampleStatus],
    models: Sequence[ModelStatus],
    changes: Sequence[OtherCodebook],
    differing: int,
    rows: int,
    curve: Curve | None,
    unlabelled: int,
) -> Facts:
    newest = samples[-1] if samples else None
    reserved = [s for s in samples if s.reserved and s.coded]
    usable = [m for m in models if not m.other_codebook]
    sheets = _sheets(project, newest.name) if newest else []
    return Facts(
        starter=has_example_codebook(project),
        documents=len(project.documents()),
        sample=newest.name if newest else None,
        missing=newest.drawn - newest.coded if newest else 0,
        sheets=[path.relative_to(project.folder).as_posix() for path in sheets],
        differing=differing,
        adjudication=_adjudication(project, newest.name) if newest and differing else None,
        outdated=sum(change.outdated for change in changes),
        rows=rows,
        trained_rows=usable[-1].rows if usable else None,
        labelled=bool(usable) and _has_labelled(project, usable[-1].name),
        unlabelled=unlabelled,
        reserved=bool(reserved),
        estimated=bool(reserved) and _newer(project.folder / ESTIMATES, project.design_path(reserved[-1].name)),
        curve=curve,
    )


def _unlabelled(project: Project) -> int:
    """Return the number of files of the documents that the newest labels do not contain. It is 0 if that is not known."""
    tables = project.labelled()
    try:
        return len(unlabelled_files(tables[-1], document_files(project).values()) or ()) if tables else 0
    except DataError:
        return 0  # whoever reads the documents reports the reason


def _has_labelled(project: Project, model: str) -> bool:
    return any(used_to_label(path, project.folder / MODELS / model) for path in project.labelled())


def _sheets(project: Project, sample: str) -> list[Path]:
    """Return the sheets and tasks of a sample."""
    other = (SUFFIX, LEFT_OUT, AGREEMENT_FILE, CODINGS_TABLE, GOLD_TABLE, *COMPANIONS.values())
    found = [*(project.folder / SAMPLES).glob(f"{sample}.*"), *(project.folder / SAMPLES).glob(f"{sample}-*.*")]
    longer = {name for name in project.designs() if name.startswith(f"{sample}-")}
    return sorted(
        path
        for path in found
        if not path.name.endswith(other) and ADJUDICATION_SHEET not in path.name and path.stem not in longer
    )


def _adjudication(project: Project, sample: str) -> str | None:
    """Return the newest sheet for adjudication of a sample, or None if there is none or something was coded since then."""
    sheets = (project.folder / SAMPLES).glob(f"{glob.escape(sample + ADJUDICATION_SHEET)}*.xlsx")
    newest = max(sheets, key=_written, default=None)
    if newest is None or any(_written(path) > _written(newest) for path in (project.folder / CODINGS).glob("*.jsonl")):
        return None
    return newest.relative_to(project.folder).as_posix()


def _written(path: Path) -> float:
    return path.stat().st_mtime


def used_to_label(path: Path, model: Path) -> bool:
    """Return whether a model labelled a table.

    A Parquet table contains the hash of its model, because a model that is trained again can have the name of an older one. Of
    tables in other formats, only the name is known that `Project.next_labelled_path` chooses.

    Args:
        path: The table.
        model: Folder of the model.

    Raises:
        BundleError: The model cannot be read.
    """
    if (sha256 := read_model_sha256(path)) is not None:
        return sha256 == read_sha256(model)
    return re.fullmatch(rf"{re.escape(model.name)}(-\d+)?", path.name.split(".")[0]) is not None


def labels_of_own_model(project: Project) -> bool:
    """Return whether a model of the project made the newest labels. It was trained on all samples that are not reserved."""
    labelled = project.labelled()
    return bool(labelled) and any(used_to_label(labelled[-1], path) for path in project.models().infos)


def is_labelled(project: Project) -> bool:
    """Return whether there are labels that a sample can correct, from `communique label` or in a document.

    A document that cannot be read counts as texts. Pages that read the documents report it.
    """
    if project.labelled():
        return True
    try:
        return not has_texts(project)
    except DataError:
        return False


def _newer(folder: Path, path: Path) -> bool:
    written = [_written(one) for one in folder.glob("*/*")]
    return bool(written) and max(written) > _written(path)
