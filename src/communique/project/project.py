"""The project: one object that knows where everything in its folder is."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from ..annotation.matching import Codings, gold_rows, match, write_gold
from ..data.codebook import Codebook
from ..errors import CodebookError, CommuniqueError, DataError, NotFoundError
from ..io.file_state import FileState, file_state, kept_while_unchanged
from ..io.write import jsonl_lines
from ..labelling.reading import TextReading
from ..labelling.write import output_suffix
from ..models.info import INFO, ModelInfo
from ..reporting.format import counted
from ..sampling.design import SUFFIX, Design
from .coding import Coding, CodingLog
from .layout import (
    CODEBOOKS,
    CODINGS,
    DOCUMENTS,
    ESTIMATES,
    GOLD_TABLE,
    LABELLED,
    MODELS,
    PROJECT_FILE,
    SAMPLES,
    ProjectFile,
)
from .layout import create_folder as _create
from .marks import MarkLog
from .rows import Coded, CodedRows, Translated, as_reading, training_row

_load_file = kept_while_unchanged(512)(ProjectFile.load)
_load_codebook = kept_while_unchanged(512)(Codebook.load)
_load_design = kept_while_unchanged(512)(Design.load)

#: Number of hexadecimal digits of the hash in the file names of kept codebooks.
DIGITS = 12


class FoundModels(NamedTuple):
    """The models of a project.

    Attributes:
        infos: The description of each model by its folder, from the oldest to the newest.
        problems: Why other models cannot be read, one line per model.
    """

    infos: dict[Path, ModelInfo]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Project:
    """A folder with a codebook, documents, samples, codings, models and estimates.

    Use `Project.create` or `Project.open`. All paths are inside the folder, except documents that `project.yaml` lists.
    """

    folder: Path

    @classmethod
    def create(
        cls,
        folder: str | Path,
        *,
        name: str | None = None,
        codebook: str | Path | None = None,
        documents: Sequence[str | Path] = (),
        copy: bool = False,
    ) -> Project:
        """Create a project. No file is overwritten.

        Args:
            folder: The folder. It may exist and contain other files.
            name: Name of the project. Default: the name of the folder.
            codebook: YAML file to copy as the codebook. Default: the `codebook.yaml` in the folder if there is one, otherwise a
                commented example to edit.
            documents: Files and folders with texts or tables. They are referenced by their path.
            copy: Whether to copy the documents into the folder instead.

        Raises:
            OutputError: The folder is already a project, or a file would be overwritten.
            DataError: A document does not exist.
            CodebookError: The codebook is invalid.
        """
        folder = Path(folder)
        book = None if codebook is None else Path(codebook)
        _create(folder, name=name, codebook=book, documents=[Path(path) for path in documents], copy=copy)
        return cls.open(folder)

    @classmethod
    def open(cls, folder: str | Path = ".") -> Project:
        """Open a project.

        Raises:
            DataError: The folder is not a project, or its `project.yaml` is invalid.
        """
        project = cls(Path(folder))
        project.file  # noqa: B018 (reading it checks it)
        return project

    @classmethod
    def find(cls, folder: str | Path = ".") -> Project | None:
        """Open the project in a folder, or return None if the folder is not a project."""
        return cls.open(folder) if (Path(folder) / PROJECT_FILE).is_file() else None

    @property
    def file(self) -> ProjectFile:
        """The content of `project.yaml`. It is read again whenever somebody edited it.

        Raises:
            DataError: The folder is not a project, or its `project.yaml` is invalid.
        """
        return _load_file(self.folder / PROJECT_FILE)

    @property
    def name(self) -> str:
        """Name of the project."""
        return self.file.name

    @property
    def codebook_path(self) -> Path:
        """Path to the codebook in use."""
        return self.folder / self.file.codebook

    @property
    def codebook(self) -> Codebook:
        """The codebook in use. It is read again whenever somebody edited it."""
        return _load_codebook(self.codebook_path)

    @property
    def log(self) -> CodingLog:
        """The codings."""
        return CodingLog(self.folder / CODINGS)

    @property
    def marks(self) -> MarkLog:
        """What coders saw and skipped."""
        return MarkLog(self.log)

    def documents(self) -> list[Path]:
        """Return the files and folders with texts: those that `project.yaml` lists and, if it is not empty, `documents/`."""
        own = self.folder / DOCUMENTS
        listed = [self.folder / path for path in self.file.documents]
        # The system adds hidden files such as .DS_Store to folders.
        filled = own.is_dir() and any(not path.name.startswith(".") for path in own.iterdir())
        return [*listed, *([own] if filled else [])]

    def designs(self) -> dict[str, Design]:
        """Return the design of each sample by the name of the sample, in order of their numbers."""
        return {name: _load_design(path) for name, path in self.design_paths().items()}

    def design_paths(self) -> dict[str, Path]:
        """Return the design file of each sample by the name of the sample, in order of their numbers."""
        paths = sorted((self.folder / SAMPLES).glob(f"*{SUFFIX}"), key=_natural)
        return {path.name.removesuffix(SUFFIX): path for path in paths}

    def design(self, sample: str) -> Design:
        """Return the design of a sample.

        Raises:
            NotFoundError: There is no such sample.
        """
        paths = self.design_paths()
        if sample not in paths:
            raise NotFoundError(f"There is no sample {sample!r} in this project. Samples: {', '.join(paths) or 'none'}")
        return _load_design(paths[sample])

    def design_path(self, sample: str) -> Path:
        """Return the path to the design file of a sample."""
        return self.folder / SAMPLES / f"{sample}{SUFFIX}"

    def reading(self) -> TextReading:
        """Return how the documents are read: as for the newest sample that was drawn from texts, so that ids stay the same.

        The pattern for columns from file names is that of `project.yaml`, if it has one.

        Raises:
            DataError: The options in the design of that sample are invalid.
        """
        designs = self.designs()
        newest = next((name for name in reversed(designs) if designs[name].texts), None)
        try:
            found = TextReading() if newest is None else TextReading.parse(designs[newest].reading)
        except DataError as error:
            raise DataError(f"{self.design_path(str(newest))}: {error}") from None
        pattern = self.file.columns_from_filename
        return found if pattern is None else replace(found, columns_from_filename=pattern)

    def models(self) -> FoundModels:
        """Return the models. Other folders are left out, and so are hidden ones, in which `new_folder` writes a model."""
        from ..models.folder import read_info

        found, problems = {}, []
        for path in sorted((self.folder / MODELS).glob(f"[!.]*/{INFO}"), key=lambda path: _natural(path.parent)):
            try:
                found[path.parent] = read_info(path.parent)
            except CommuniqueError as error:
                problems.append(str(error))
        return FoundModels(dict(sorted(found.items(), key=lambda item: item[1].created)), tuple(problems))

    def keep_codebook(self, codebook: Codebook) -> Path:
        """Keep a version of the codebook, so that later changes can be shown. Return its path."""
        path = self.folder / CODEBOOKS / f"{codebook.sha256[:DIGITS]}.yaml"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            codebook.dump(path)
        return path

    def used_codebook(self, sha256: str) -> Codebook | None:
        """Return the version of the codebook with this hash, or None if no file of the project contains it."""
        current = self.codebook
        if current.sha256 == sha256:
            return current
        path = self.folder / CODEBOOKS / f"{sha256[:DIGITS]}.yaml"
        if path.is_file():
            try:
                kept = _load_codebook(path)
            except CodebookError:
                return None
            if kept.sha256 == sha256:
                return kept
        return next((d.codebook for d in self.designs().values() if d.codebook.sha256 == sha256), None)

    def state(self) -> tuple[tuple[Path, FileState | None], ...]:
        """Return what changes whenever codings, a sample, or a version of the codebook are added or changed."""
        paths = [*self.log.paths(), self.codebook_path, *sorted((self.folder / CODEBOOKS).glob("*.yaml"))]
        return tuple((path, file_state(path)) for path in (*paths, *self.design_paths().values()))

    def coded(self) -> Coded:
        """Return the codings with what follows from them. Files are read again only if one of them changed.

        Raises:
            CodebookError: The codebook in use is invalid.
            DataError: A file cannot be read.
        """
        return _coded(self, self.state())

    def codings(self, sample: str | None = None) -> Codings:
        """Return the latest codings for agreement, adjudication and gold.

        Their labels are those of the sample's codebook or, without a sample, of the codebook in use. Codings that must be made
        again because the codebook changed are left out and counted. So are those that were made with the labels of a model in
        view, unless the whole sample was coded in this way. Without a sample, they count.

        Args:
            sample: Name of a sample. Codings of its sentences count, whichever sample they were made for. Default: all codings.

        Raises:
            NotFoundError: There is no such sample.
            DataError: Nothing of it has been coded.
        """
        design = None if sample is None else self.design(sample)
        used, left_out = self._counting(design)
        if not used.codings:
            what = "codings" if sample is None else f"codings of the sample {sample!r}"
            reasons = f" ({'; '.join(left_out)})" if left_out else ""
            raise DataError(
                f"{self.log.folder}: there are no {what} yet{reasons}. Add coded files with `communique merge FILE`"
            )
        codings = match([as_reading(self.log.folder, used.codings)], design)
        codings.messages[:0] = self.coded().read.notes
        codings.messages += left_out
        return codings

    def sample_codings(self, sample: str) -> tuple[tuple[Coding, ...], list[str]]:
        """Return the codings that `codings` compares, in terms of the sample's codebook, and notes on those that are left out."""
        used, notes = self._counting(self.design(sample))
        return used.codings, notes

    def _counting(self, design: Design | None) -> tuple[Translated, list[str]]:
        """Return the codings of a sample, or of the whole project, that count, and notes on those that are left out."""
        coded, hidden = self.coded(), 0
        if design is None:
            used, codebook = coded.translated, coded.codebook
        else:
            used, hidden = coded.of_sample(design, design.codebook)
            codebook = design.codebook
        notes = []
        if hidden:
            notes.append(f"left out {counted(hidden, 'coding')} made with the labels of a model in view")
        if used.outdated:
            notes.append(
                f"left out {counted(len(used.outdated), 'coding')} that cannot be used with the codebook {codebook.title}"
            )
        return used, notes

    def coded_corpus(self, *, reserved: bool = False) -> CodedRows:
        """Return the coded sentences with their final labels, in terms of the codebook in use.

        Args:
            reserved: Whether to include samples that are reserved for estimates. These are the samples for estimates that were
                drawn from the labels of a model: gold that a model was trained on cannot correct the errors of this model.

        Raises:
            CodebookError: The codebook in use is invalid.
        """
        coded = self.coded()
        return coded.rows if reserved else coded.training

    def gold(self, sample: str) -> tuple[list[dict[str, Any]], list[str]]:
        """Return the gold rows of a sample (see `gold_rows`) from its `codings`, and notes for the user.

        Raises:
            NotFoundError: There is no such sample.
            DataError: Nothing of it has been coded, or coders disagree on sentences that nobody adjudicated.
        """
        design = self.design(sample)
        codings = self.codings(sample)
        rows, notes = gold_rows(codings, design)
        return rows, [*codings.messages, *notes]

    def write_gold(self, sample: str) -> tuple[Path, list[str]]:
        """Write the gold rows of a sample into `samples/` as JSON Lines. Return the path, and notes for the user.

        The file is replaced, because the codings determine it. The errors are those of `gold`.
        """
        rows, notes = self.gold(sample)
        path = self.folder / SAMPLES / f"{sample}{GOLD_TABLE}"
        write_gold(path, rows)
        return path, notes

    def training_table(self) -> tuple[bytes, tuple[str, ...]]:
        """Return the coded rows that train a model, as the content of a file in JSON Lines, and notes for the user.

        Raises:
            DataError: There are no coded rows.
        """
        found = self.coded_corpus()
        if not len(found.corpus):
            reasons = f" ({'; '.join(found.notes)})" if found.notes else ""
            raise DataError(
                f"{self.log.folder}: no coded rows for training{reasons}. Add coded files with `communique merge FILE`"
            )
        return "".join(jsonl_lines(map(training_row, found.corpus))).encode(), found.notes

    def next_sample_path(self, suffix: str = ".xlsx") -> Path:
        """Return the path of the next sample, such as `samples/sample-2.xlsx`."""
        return self._next(SAMPLES, "sample", suffix)

    def next_model_path(self, *, without: Collection[str] = ()) -> Path:
        """Return the folder of the next model, such as `models/model-2`. It is the same until the model is complete.

        Args:
            without: Names that cannot be used.
        """
        return self._next(MODELS, "model", "", without)

    def next_labelled_path(self, model: str, *, resume: bool = False) -> Path:
        """Return the path of the next output of `communique label`, such as `labelled/model-2.parquet`.

        Args:
            model: Name of the model.
            resume: Whether to continue a run. The path is then that of the interrupted output or, if there is none, of the newest
                complete one.
        """

        def path(number: int) -> Path:
            return self.folder / LABELLED / f"{model}{f'-{number}' if number else ''}.parquet"

        number = next(i for i in range(10**9) if not path(i).exists())
        # Files of an interrupted run have names such as model-2.parquet.shards.
        begun = any(other.name.startswith(f"{path(number).name}.") for other in path(number).parent.glob("*"))
        return path(number - 1) if resume and number and not begun else path(number)

    def next_estimates_path(self) -> Path:
        """Return the folder of the next estimates, such as `estimates/estimates-1`."""
        return self._next(ESTIMATES, "estimates", "")

    def labelled(self) -> list[Path]:
        """Return the tables that `communique label` wrote, from the oldest to the newest."""
        tables = [path for path in (self.folder / LABELLED).glob("*") if output_suffix(path) not in (None, ".html")]
        found = [path for path in tables if path.is_file() and path.name[0] != "."]
        return sorted(found, key=lambda path: (path.stat().st_mtime, path.name))

    def _next(self, folder: str, stem: str, suffix: str, without: Collection[str] = ()) -> Path:
        taken = {name for path in (self.folder / folder).glob("*") for name in (path.name, path.name.split(".")[0])}
        if not suffix:  # files next to a model do not make the model complete
            taken = {path.name for path in (self.folder / folder).glob("*") if path.is_dir()}
        taken |= set(without)
        number = next(i for i in range(1, 10**9) if f"{stem}-{i}" not in taken and f"{stem}-{i}{suffix}" not in taken)
        return self.folder / folder / f"{stem}-{number}{suffix}"


@lru_cache(maxsize=1)
def _coded(project: Project, state: object) -> Coded:
    """Read the codings. `state` stands for the content of the files, and is older than what is read here."""
    return Coded(project.log.read(), project.codebook, project.used_codebook, project.designs())


def _natural(path: Path) -> list[tuple[int, str]]:
    """Return a sort key under which sample-10 follows sample-9."""
    return [
        (int(part), "") if part.isdigit() else (-1, part)
        for part in re.split(r"(\d+)", path.parent.name + "/" + path.name)
    ]
