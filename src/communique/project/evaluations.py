"""Evaluate a model of a project on the gold of one of its samples: the arguments, and the results that exist."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import NotFoundError
from .layout import MODELS
from .project import Project


@dataclass(frozen=True)
class EvaluationFiles:
    """The evaluation of a model on a sample: the result as JSON, and the report as HTML. They are next to the model."""

    model: str
    sample: str
    result: Path
    report: Path

    @property
    def exists(self) -> bool:
        """Whether the evaluation has been written."""
        return self.result.is_file()


def evaluation_files(project: Project, model: str, sample: str) -> EvaluationFiles:
    """Return the files of the evaluation of a model on a sample.

    Raises:
        NotFoundError: The project has no such model or no such sample.
    """
    models = [folder.name for folder in project.models().infos]
    if model not in models:
        raise NotFoundError(f"There is no model {model!r} in this project. Models: {', '.join(models) or 'none'}")
    project.design(sample)
    return _files(project, model, sample)


def evaluations(project: Project) -> list[EvaluationFiles]:
    """Return the evaluations of models on samples that exist, from the newest to the oldest."""
    samples = list(project.design_paths())
    found = [_files(project, folder.name, sample) for folder in project.models().infos for sample in samples]
    return sorted((one for one in found if one.exists), key=lambda one: one.result.stat().st_mtime, reverse=True)


def evaluation_arguments(project: Project, files: EvaluationFiles) -> tuple[list[str], list[str]]:
    """Write the gold of the sample, and return the arguments of `communique evaluate` in the folder of the project, and notes.

    Rows that share a document or a text with the training data are left out, because the model has seen them. An earlier
    evaluation of the same model on the same sample is replaced.

    Raises:
        DataError: Nothing of the sample has been coded, or coders disagree on sentences that nobody adjudicated.
    """
    gold, notes = project.write_gold(files.sample)

    def inside(path: Path) -> str:
        return path.relative_to(project.folder).as_posix()

    model = f"{MODELS}/{files.model}"
    outputs = [f"--json={inside(files.result)}", f"--html={inside(files.report)}", "--overwrite"]
    return ["--drop-shared", *outputs, "--", model, inside(gold)], notes


def _files(project: Project, model: str, sample: str) -> EvaluationFiles:
    stem = project.folder / MODELS / f"{model}.{sample}.evaluation"
    return EvaluationFiles(model, sample, *(stem.with_name(f"{stem.name}.{ending}") for ending in ("json", "html")))
