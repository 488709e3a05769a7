"""Fill in the arguments of a command in the folder of a project: its input, its output and the codebook.

Each function returns arguments as they would be typed, so that a command in a project is the same as a command on loose files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..annotation.agreement_report import AgreementReport, to_adjudicate
from ..annotation.sheets import MODEL
from ..data.codebook import Codebook
from ..data.reader import ACTS
from ..errors import BundleError, CommuniqueError, DataError, require_extra
from ..io.atomic import file_sha256, replacing
from ..io.write import write_jsonl
from ..labelling.reading import TextReading
from ..models.folder import read_info, steps_folder
from ..models.info import ModelInfo
from ..models.predictor import default_model
from ..sampling.design import Design
from .codebooks import changed_codebooks
from .coding import Coding, latest
from .documents import has_texts
from .layout import ADJUDICATION_SHEET, AGREEMENT_FILE, CODINGS_TABLE, PROJECT_FILE, SAMPLES
from .project import Project
from .rows import is_reserved, member_keys
from .status import used_to_label

#: What to do after a command, unless it is clear.
STATUS = "To see what to do next, run: communique status"


@dataclass
class Filled:
    """Arguments to add to a command, and what to print before and after it."""

    arguments: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    afterwards: list[str] = field(default_factory=list)

    def add(self, option: str, value: object) -> None:
        """Add an option with its value."""
        self.arguments += [option, str(value)]


def fill(command: str, project: Project, given: Mapping[str, object]) -> Filled:
    """Return the arguments that a command lacks.

    Args:
        command: Name of the command, one of `COMMANDS`.
        project: The project.
        given: Values of the options that the user named, by name of the parameter.

    Raises:
        DataError: The project lacks the input of the command.
        CodebookError: The codebook is invalid.
    """
    filled = COMMANDS[command](project, given)
    if command in ("agree", "train"):
        changed = changed_codebooks(project, project.log.read().codings)
        filled.notes += [f"warning: {other}" for other in changed]
    return filled


def _sample(project: Project, given: Mapping[str, object]) -> Filled:
    """Draw from the labels of the newest model, otherwise from those of another model, otherwise from the documents.

    The labels of the newest model come first, but labels of the shipped model are better than none: with them, estimates are more
    precise, and a sample for training can be drawn.
    """
    filled, model = Filled(), _newest_model(project)
    labelled, labeller = _newest_labels(project, model)
    if labelled is None:
        filled.arguments += _documents(project)
        pattern = project.file.columns_from_filename
        if pattern is not None and "columns_from_filename" not in given and has_texts(project):
            filled.arguments += TextReading(columns_from_filename=pattern).arguments()
        if given.get("purpose") == "training":
            filled.notes.append(
                "no model with the labels of the codebook has labelled the documents, but a sample for training needs labels. "
                "Run `communique label` first, in the app on the page Label"
            )
    else:
        filled.arguments.append(str(labelled))
        if model is not None and labeller != model:
            filled.notes.append(
                f"{model.name} has not labelled the documents yet, so the sample is drawn from {labelled.name}. To draw from the "
                f"labels of {model.name}, run `communique label` first"
            )
        model = labeller
    if model is not None and "model" not in given:
        filled.add("--model", model)
    if "codebook" not in given:
        filled.add("--codebook", project.codebook_path)
    if "out" not in given and "n" in given:
        filled.add("--out", out := project.next_sample_path(_suffix(given)))
        filled.afterwards.append(_when_coded(out, given))
    if "seed" not in given and (drawn := len(project.designs())):
        # With the same seed, a second sample would contain the same sentences as the first.
        filled.add("--seed", drawn)
    if given.get("purpose") == "training":
        for sample, design in project.designs().items():
            filled.add("--coded", project.design_path(sample))
            if is_reserved(design):
                # The estimate refuses gold from documents on which the model was trained.
                filled.add("--exclude", project.design_path(sample))
        if (loose := _write_loose(project)) is not None:
            filled.add("--coded", loose)
    project.keep_codebook(project.codebook)
    return filled


def _agree(project: Project, given: Mapping[str, object]) -> Filled:
    """Compare the coders of one sample, and write a sheet for adjudication if they differ."""
    filled, sample = Filled(), _chosen_sample(project, given)
    filled.arguments.append(str(write_codings(project, sample)))
    filled.notes += project.sample_codings(sample)[1]
    if "design" not in given:
        filled.add("--design", project.design_path(sample))
    differing = to_adjudicate(project.codings(sample))
    if differing and "adjudicate" not in given and "gold" not in given:
        folder = project.folder / SAMPLES
        names = (f"{sample}{ADJUDICATION_SHEET}{number}.xlsx" for number in ("", *(f"-{i}" for i in range(2, 10**6))))
        sheet = next(path for name in names if not (path := folder / name).exists())
        filled.add("--adjudicate", sheet)
        filled.afterwards.append(f"Fill in {sheet}, then run: communique merge {sheet}")
    else:
        filled.afterwards.append(STATUS)
    return filled


def _train(project: Project, given: Mapping[str, object]) -> Filled:
    """Train on all coded rows except those that are reserved for estimates.

    The rows are written next to the model once its name is known. An interrupted training of another model needs its own rows to
    resume.
    """
    filled, passed = Filled(), list[str]()
    table, notes = project.training_table()
    while not _can_train(model := project.next_model_path(without=passed), table, project, given):
        passed.append(model.name)
        if "out" not in given:
            filled.notes.append(
                f"an interrupted training of {model.name} had other rows, another codebook, other classifiers or other settings, "
                "so it cannot be resumed, and another model is trained"
            )
    with replacing(rows := model.with_name(f"{model.name}.rows.jsonl"), "wb") as handle:
        handle.write(table)
    filled.arguments.append(str(rows))
    filled.notes += notes
    if "codebook" not in given:
        filled.add("--codebook", project.codebook_path)
    if "out" not in given:
        filled.add("--out", model)
    if "name" not in given:
        filled.add("--name", model.name)
    filled.afterwards.append("To label the documents with this model, run: communique label")
    project.keep_codebook(project.codebook)
    return filled


def _can_train(model: Path, table: bytes, project: Project, given: Mapping[str, object]) -> bool:
    """Return whether a model has no interrupted training, or one that a training on these rows would resume."""
    from ..selection.steps import can_resume, identity_before_reading
    from ..training.recipe import Recipe
    from ..training.steps import has_finished_steps

    if not has_finished_steps(steps := steps_folder(model)):
        return True
    require_extra("accelerate", "training")
    from ..training.distributed import world_size

    # Several processes do not compare classifiers.
    kind = str(given.get("kind") or "auto") if world_size() == 1 else None
    path = Path(str(given.get("codebook") or project.codebook_path))
    recipe = Recipe.for_tables([model], path, str(given.get("name") or model.name))
    known = identity_before_reading(recipe, Codebook.load(path), [hashlib.sha256(table).hexdigest()], kind)
    return can_resume(steps, known)


def _label(project: Project, given: Mapping[str, object]) -> Filled:
    """Label the documents with the newest model, read as for the newest sample that was drawn from them."""
    filled, chat = Filled(_documents(project)), given.get("labeler") == "chat"
    if not TextReading.names() & given.keys():
        filled.arguments += project.reading().arguments()
    model = None if chat else given.get("model") or _newest_model(project)
    if model is None and not chat:
        raise DataError(
            f"{project.folder}: there is no model for this codebook yet. Train one with `communique train`, or name one with "
            "--model"
        )
    if chat and "codebook" not in given:
        filled.add("--codebook", project.codebook_path)
    if model is not None and "model" not in given:
        filled.add("--model", model)
    if "out" not in given:
        name = "chat" if model is None else Path(str(model)).name
        filled.add("--out", project.next_labelled_path(name, resume=given.get("resume") is True))
    filled.afterwards.append(STATUS)
    return filled


def _estimate(project: Project, given: Mapping[str, object]) -> Filled:
    """Estimate proportions from the labels that the sample was drawn from, and its gold."""
    filled, sample = Filled(), _chosen_sample(project, given)
    design = project.design(sample)
    gold, notes = project.write_gold(sample)
    groups = [name for name in str(given.get("by", "")).split(",") if name]
    labelled = _with_columns(project, _drawn_from(project, design), groups)
    filled.arguments += [str(labelled), str(gold)]
    filled.notes += notes
    if "design" not in given:
        filled.add("--design", project.design_path(sample))
    if not {"model", "codebook"} & given.keys():
        model = _labelled_by(project, labelled) or _newest_model(project)
        filled.add(*("--codebook", project.codebook_path) if model is None else ("--model", model))
    if "agreement" not in given and (agreement := _write_agreement(project, sample)) is not None:
        filled.add("--agreement", agreement)
    if "out" not in given:
        filled.add("--out", out := project.next_estimates_path())
        filled.afterwards.append(f"To read the report, open {out / 'report.html'} in a browser")
    return filled


#: The commands that find their input and output in a project.
COMMANDS: Mapping[str, Callable[[Project, Mapping[str, object]], Filled]] = {
    "sample": _sample,
    "agree": _agree,
    "train": _train,
    "label": _label,
    "estimate": _estimate,
}


def write_codings(project: Project, sample: str) -> Path:
    """Write the codings of a sample that count into `samples/`, as a table that `communique agree` reads. Return its path.

    Raises:
        DataError: Nothing of the sample has been coded.
    """
    codings, design = project.codings(sample), project.design(sample)
    project.keep_codebook(design.codebook)
    rows = [one for one in project.sample_codings(sample)[0] if one.id in codings.units]
    path = project.folder / SAMPLES / f"{sample}{CODINGS_TABLE}"
    _write_table(path, rows)
    return path


def _write_table(path: Path, codings: Sequence[Coding]) -> None:
    """Write codings as a table that `read_coded` reads.

    If a coder saw the labels of a model, the table has the column of the model's labels, as the sheet of that coder had.
    """
    # Coders who were not asked for acts have no such column.
    acts = any(coding.acts is not None for coding in codings)
    columns = (
        "id",
        "document",
        "language",
        "previous",
        "text",
        "labels",
        "coder",
        "comment",
        "codebook",
        "codebook_sha256",
        *((ACTS,) if acts else ()),
    )
    shown = {MODEL: ""} if any(coding.model_shown for coding in codings) else {}
    write_jsonl(path, ({name: getattr(coding, name) for name in columns} | shown for coding in codings))


def _write_agreement(project: Project, sample: str) -> Path | None:
    """Write the agreement on a sample, for the methods appendix. Return the path, or None if there is only one coder."""
    codings, design = project.codings(sample), project.design(sample)
    if len(codings.labels) < 2:
        return None
    path = project.folder / SAMPLES / f"{sample}{AGREEMENT_FILE}"
    with replacing(path) as handle:
        handle.write(AgreementReport.compare(codings, design.codebook, design=design).to_markdown())
    return path


def _documents(project: Project) -> list[str]:
    found = project.documents()
    if not found:
        raise DataError(
            f"{project.folder}: the project has no documents. Copy texts or tables into documents/, or list them in project.yaml"
        )
    if missing := next((path for path in found if not path.exists()), None):
        raise DataError(
            f"{project.folder / PROJECT_FILE}: the documents {missing} do not exist. If the project or the documents were moved, "
            "correct their path in this file"
        )
    return list(map(str, found))


def _suffix(given: Mapping[str, object]) -> str:
    return {"label-studio": ".json", "doccano": ".jsonl", "prodigy": ".jsonl"}.get(str(given.get("form")), ".xlsx")


def _models(project: Project) -> dict[Path, ModelInfo]:
    """Return the models, from the oldest to the newest.

    Raises:
        BundleError: A model cannot be read. Using an older one instead would be a surprise.
    """
    found = project.models()
    if found.problems:
        raise BundleError(found.problems[0])
    return found.infos


def _newest_model(project: Project) -> Path | None:
    """Return the newest model that was trained with the codebook in use, or None."""
    current = project.codebook.sha256
    return next((p for p, info in reversed(_models(project).items()) if info.codebook_sha256 == current), None)


def _newest_labels(project: Project, model: Path | None) -> tuple[Path | None, Path | None]:
    """Return the newest output of `communique label` of a model, and the model.

    Args:
        project: The project.
        model: The newest model for the codebook in use. If it has labelled nothing, other models with the same labels count.
    """
    names = project.codebook.names
    others = [path for path, info in _known_models(project).items() if info.labels == names]
    newest_first = list(reversed(project.labelled()))
    for allowed in ([] if model is None else [model], others):
        for labelled in newest_first:
            if (found := next((one for one in allowed if used_to_label(labelled, one)), None)) is not None:
                return labelled, found
    return None, None


def _known_models(project: Project) -> dict[Path, ModelInfo]:
    """Return the models of the project and the shipped one, if it is installed."""
    found = dict(_models(project))
    with suppress(CommuniqueError):
        shipped = default_model()
        found[shipped] = read_info(shipped)
    return found


def _labelled_by(project: Project, labelled: Path) -> Path | None:
    """Return the model that made an output of `communique label`, or None if it is neither in the project nor the shipped one."""
    if labelled not in project.labelled():
        return None
    return next((path for path in _known_models(project) if used_to_label(labelled, path)), None)


def _when_coded(out: Path, given: Mapping[str, object]) -> str:
    """Return what to do when a sample is coded."""
    if given.get("form") not in (None, "sheet"):
        return "When the sample is coded, add the export of the coding tool: communique merge EXPORT"
    coders = given.get("coder")
    names = list(map(str, coders)) if isinstance(coders, (list, tuple)) else []
    sheets = " ".join(str(out.with_stem(f"{out.stem}-{name}")) for name in names) or str(out)
    return f"When the sheets are coded, add them to the project: communique merge {sheets}"


def _chosen_sample(project: Project, given: Mapping[str, object]) -> str:
    """Return the sample of `--design`, otherwise the newest coded one for estimates, or the newest coded one."""
    designs = project.designs()
    if (design := given.get("design")) is not None:
        names = [name for name in designs if project.design_path(name).resolve() == Path(str(design)).resolve()]
        if not names:
            raise DataError(f"{design}: is not a design file of the project {project.folder}. Name one in {SAMPLES}/")
        return names[0]
    codings = project.log.read().codings
    reserved = {name: found for name, found in designs.items() if is_reserved(found)}
    if (found := _latest_sample(reserved, codings) or _latest_sample(designs, codings)) is None:
        raise DataError(
            f"{project.folder}: no sentence of a sample has been coded yet. Draw a sample with `communique sample`, and add the "
            "coded sheets with `communique merge FILE`"
        )
    return found


def _latest_sample(designs: Mapping[str, Design], codings: Sequence[Coding]) -> str | None:
    """Return the newest sample for estimates of which something is coded, otherwise the newest sample with codings, or None."""
    coded = {coding.sentence for coding in codings}
    with_codings = [name for name, design in designs.items() if member_keys(design) & coded]
    for_estimates = [name for name in with_codings if designs[name].purpose == "estimate"]
    return next(reversed(for_estimates or with_codings), None)


def _drawn_from(project: Project, design: Design) -> Path:
    """Return the labels that a sample was drawn from, or the newest labels if that file is not in the project.

    Labels that were made elsewhere are documents of the project.
    """
    labelled = project.labelled()
    documents = [path for path in project.documents() if path.is_file()]
    same = [path for path in (*documents, *labelled) if file_sha256(path) == design.predictions_sha256]
    if not (same or labelled):
        raise DataError(f"{project.folder}: the documents have not been labelled yet. Run `communique label` first")
    return (same or labelled)[-1]


def _with_columns(project: Project, labelled: Path, columns: Sequence[str]) -> Path:
    """Return newer labels of the same sentences by the same model if only those have the columns of groups.

    Columns from file names can be chosen after a sample was drawn, and the documents are then labelled again.
    """
    if not columns or labelled not in project.labelled() or _has(labelled, columns):
        return labelled
    model = _labelled_by(project, labelled)
    for other in reversed(project.labelled()):
        same_model = model is not None and used_to_label(other, model)
        if same_model and _has(other, columns) and _sentences(other) == _sentences(labelled):
            return other
    return labelled


def _has(labelled: Path, columns: Sequence[str]) -> bool:
    return labelled.suffix == ".parquet" and set(columns) <= set(pq.read_schema(labelled).names)


def _sentences(labelled: Path) -> pa.Table | None:
    """Return the ids and texts of the sentences in a Parquet table, or None for a table in another format."""
    return pq.read_table(labelled, columns=["id", "text"]) if labelled.suffix == ".parquet" else None


def _write_loose(project: Project) -> Path | None:
    """Write the codings that belong to no sample as a table, so that their sentences are not drawn again."""
    drawn = {key for design in project.designs().values() for key in member_keys(design)}
    rows = [one for one in latest(project.log.read().codings).values() if one.sentence not in drawn]
    if not rows:
        return None
    path = project.folder / SAMPLES / f"other{CODINGS_TABLE}"
    _write_table(path, rows)
    return path
