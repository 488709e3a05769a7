"""The documents of a project: read them as sentences, and add files to them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from ..errors import CommuniqueError, DataError
from ..io.atomic import disk_errors, file_sha256, replacing
from ..io.output import is_own_page
from ..io.paths import FOLDER_KINDS, InputFile, find_files, locate_files
from ..io.received import safe_path
from ..io.suffixes import ending, stem
from ..labelling.filenames import FilenamePattern
from ..labelling.reader import ShardReader
from ..labelling.unlabelled import Unlabelled, read_texts
from ..reporting.progress import ProgressReporter
from ..sampling.population import Population, read_population
from ..sampling.texts import content_of
from ..text.cleaning import without_surrogates
from .layout import DOCUMENTS, PROJECT_FILE
from .project import Project

#: Maximum number of files that are added together.
MAX_FILES = 1000

#: What the files of each of `FOLDER_KINDS` are called.
_KINDS = ("documents", "tables", "JSON files")

#: What happened to a file. `known` means that the project already contains the same bytes.
State = Literal["added", "known", "refused"]


@dataclass(frozen=True)
class AddedFile:
    """A file that somebody wanted to add.

    Attributes:
        name: Its path in the folder of the documents, or its own name if it was refused.
        state: What happened to it.
        documents: Number of its documents.
        sentences: Number of its sentences.
        notes: What was noticed when it was read, such as the reasons of unreadable rows, or why it was refused.
    """

    name: str
    state: State
    documents: int = 0
    sentences: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Added:
    """The files that somebody wanted to add, and notes about the project."""

    files: tuple[AddedFile, ...]
    notes: tuple[str, ...] = ()

    def count(self, state: State) -> int:
        """Return the number of files to which something happened."""
        return sum(one.state == state for one in self.files)


def read_documents(project: Project, progress: ProgressReporter | None = None) -> tuple[Population, list[str]]:
    """Read the documents of a project as sentences with the ids that its samples and labels have. Return notes as well.

    Raises:
        DataError: A document cannot be read.
    """
    codebook, paths = project.codebook, project.documents()
    for path in paths:
        content = content_of(path)
        if content != "texts" and len(paths) == 1:
            population = read_population(path, codebook if content == "labels" else None)
            return population, list(population.notes)
    texts = _read(project, paths, progress)
    return texts.population, list(texts.notes)


def document_files(project: Project) -> dict[str, Path]:
    """Return the files that are read as documents of a project, by their path from its folder.

    Raises:
        DataError: The project lists a path that does not exist, or a folder without any file that can be read.
    """
    found = [file.path for file in locate_files(project.documents()).files]
    inside = project.folder
    return {
        without_surrogates(str(path.relative_to(inside) if path.is_relative_to(inside) else path)): path
        for path in found
    }


def has_texts(project: Project) -> bool:
    """Return whether all documents of a project are texts, and none is a table of predictions."""
    return all(content_of(path) == "texts" for path in project.documents())


@dataclass(frozen=True)
class NamedColumns:
    """The columns that a pattern reads from the names of the documents.

    Attributes:
        pattern: The pattern.
        columns: Names of the columns.
        values: Their values by name of the file, for the files whose name matches the pattern.
        others: Names of the files whose name does not match it.
    """

    pattern: str
    columns: tuple[str, ...]
    values: dict[str, tuple[str, ...]]
    others: tuple[str, ...]


def columns_of_names(project: Project, pattern: str | None = None) -> NamedColumns | None:
    """Return the columns that a pattern reads from the names of the documents, or None if there is no pattern.

    Args:
        project: The project.
        pattern: The pattern. Default: that of `project.yaml`.

    Raises:
        DataError: The pattern is invalid, or the documents cannot be found.
    """
    pattern = project.file.columns_from_filename if pattern is None else pattern
    if pattern is None:
        return None
    matched = FilenamePattern(pattern)
    found = {file.name: matched.values(file.display_name) for file in locate_files(project.documents()).files}
    values = {name: tuple(one.values()) for name, one in found.items() if one is not None}
    return NamedColumns(pattern, matched.columns, values, tuple(name for name in found if name not in values))


def name_columns(project: Project, pattern: str) -> None:
    """Write the pattern that reads columns from the names of the documents into `project.yaml`. An empty one removes it.

    Raises:
        DataError: The pattern is invalid, or no document has a name that matches it.
    """
    pattern = pattern.strip()
    if pattern:
        found = columns_of_names(project, pattern)
        if found is None or not found.values:
            example = f", such as {found.others[0]}" if found is not None and found.others else ""
            raise DataError(
                f"{pattern!r} matches none of the names of the documents{example}. Write the names of the columns in braces, with "
                "the characters between them, for example {country}_{year} for USA_2022.txt"
            )
    project.file.change(project.folder, "columns_from_filename", pattern or None)


def check_number(files: int) -> None:
    """Check that a number of files can be added together.

    Raises:
        DataError: There are no files or too many.
    """
    if not files:
        raise DataError("No file is chosen. Choose files with texts")
    if files > MAX_FILES:
        raise DataError(
            f"{files:,} files are too many to be added at once; the maximum is {MAX_FILES:,}. Copy them into the folder "
            f"{DOCUMENTS}/ of the project, or add them in parts"
        )


def add_documents(
    project: Project, files: Sequence[tuple[str, Path]], *, scratch: Path, progress: ProgressReporter
) -> Added:
    """Add files to the folder of the documents. No file is overwritten, and nothing is added twice.

    Each file is read first. One that cannot be read is refused, and the others are added. The ids of sentences that the project
    already contains stay the same, because codings belong to these ids.

    Args:
        project: The project.
        files: For each file, its future path in the folder of the documents, and its present path.
        scratch: A folder on the disk of the project for temporary files.
        progress: Receives the progress.

    Raises:
        DataError: There are no files or too many, none can be added, or the documents of the project cannot be read.
        CodebookError: The codebook is invalid.
    """
    check_number(len(files))
    adding = _Adding(project)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="adding-") as folder:
        for number, (name, path) in enumerate(files):
            adding.receive(Path(folder) / str(number), name, path)
        adding.place(progress)
    if all(one.state == "refused" for one in adding.found):
        raise DataError(*(note for one in adding.found for note in one.notes))
    return Added(tuple(adding.found), tuple(_consequences(project)) if adding.placed else ())


def _read(project: Project, paths: Sequence[Path], progress: ProgressReporter | None = None) -> Unlabelled:
    """Read texts in the way in which the newest sample of texts was drawn."""
    return read_texts(
        paths, project.codebook, project.reading(), progress=None if progress is None else lambda reader: progress
    )


def _consequences(project: Project) -> Iterable[str]:
    """Yield what somebody should do after documents were added."""
    if project.labelled():
        yield "The labels of the model do not contain the new documents yet. Label the documents again"
    if project.designs():
        yield (
            "The samples were drawn without the new documents, so their estimates do not apply to them. For estimates of all "
            "documents, draw another sample"
        )


class _Refusal(DataError):
    """Why a file cannot be added."""


@dataclass(frozen=True)
class _Received:
    """A complete file that is not in its place yet.

    Attributes:
        number: Its place in the list of results.
        folder: A temporary folder of its own.
        inside: Its path in this folder and later in that of the documents.
    """

    number: int
    folder: Path
    inside: PurePosixPath

    @property
    def staged(self) -> Path:
        """The file."""
        return self.folder.joinpath(*self.inside.parts)


class _Adding:
    """Add files to the documents of a project: receive each of them, then place those that can be read.

    Args:
        project: The project.
    """

    def __init__(self, project: Project) -> None:
        self._project, self._folder = project, project.folder / DOCUMENTS
        self._present = _present(project)
        self._names = {file.name.casefold() for file in self._present}
        self._by_size: dict[int, list[Path]] = {}
        for file in self._present:
            self._by_size.setdefault(file.path.stat().st_size, []).append(file.path)
        self._digests: dict[str, str] = {}
        self._received: list[_Received] = []
        self.found: list[AddedFile] = []
        self.placed: list[Path] = []

    def receive(self, folder: Path, name: str, path: Path) -> None:
        """Copy a file into a temporary folder of its own, without adding it yet."""
        try:
            one = _Received(len(self.found), folder, safe_path(name))
            one.staged.parent.mkdir(parents=True)
            with path.open("rb") as content, replacing(one.staged, "wb") as handle:
                shutil.copyfileobj(content, handle)
            digest = file_sha256(one.staged)
            if (same := self._same_as(one.staged, digest)) is not None:
                note = f"{one.inside}: has the same content as {same}, so it was not added again"
                self.found.append(AddedFile(str(one.inside), "known", notes=(note,)))
                return
            self._check_place(one)
        except DataError as error:
            self._refuse(name, error)
            return
        self._digests[digest] = str(one.inside)
        self._received.append(one)
        self.found.append(AddedFile(str(one.inside), "added"))

    def place(self, progress: ProgressReporter) -> None:
        """Read the received files, and move those that can be read into the folder of the documents.

        Args:
            progress: Receives the progress.

        Raises:
            DataError: Other documents would be read differently afterwards. Nothing is added then.
        """
        kinds = {_kind(file.path) for file in self._present if file.path.is_relative_to(self._folder)}
        kind = min(kinds or {_kind(one.staged) for one in self._received}, default=0)
        ready = []
        # How much of a file is read is only reported if there are no other files.
        within = progress if len(self._received) == 1 else None
        for one in progress.track(self._received, "reading the files"):
            try:
                self._check_kind(one, kind)
                self._read(one, within)
                ready.append(one)
            except CommuniqueError as error:
                self._refuse(str(one.inside), error, one.number)
        try:
            self._check_ids(ready)
            for one in ready:
                self._move(one)
            self._check_unchanged()
        except BaseException:
            self._take_back()
            raise

    def _refuse(self, name: str, error: CommuniqueError, number: int | None = None) -> None:
        lines = tuple(error.problems) if isinstance(error, DataError) else (str(error),)
        refused = AddedFile(name, "refused", notes=lines)
        if number is None:
            self.found.append(refused)
        else:
            self.found[number] = refused

    def _same_as(self, path: Path, digest: str) -> str | None:
        """Return the name of a document with the same bytes, or None."""
        for other in self._by_size.get(path.stat().st_size, ()):
            if file_sha256(other) == digest:
                return str(other.relative_to(self._folder) if other.is_relative_to(self._folder) else other)
        return self._digests.get(digest)

    def _check_place(self, one: _Received) -> None:
        """Check that no document has the name of a file, because ids begin with this name."""
        name = (one.inside.parent / stem(one.inside)).as_posix().casefold()
        if self._folder.joinpath(*one.inside.parts).exists() or name in self._names:
            raise _Refusal(
                f"{one.inside}: another document has this name. Rename the file, or delete the other document first"
            )
        if is_own_page(one.staged):
            raise _Refusal(
                f"{one.inside}: `communique label` wrote this page for reading. Add the texts that were labelled instead"
            )
        self._names.add(name)

    def _check_kind(self, one: _Received, kind: int) -> None:
        """Check that a file is of the kind that is read, because a folder is read either as documents or as tables."""
        if (own := _kind(one.staged)) != kind:
            raise _Refusal(
                f"{one.inside}: is one of the {_KINDS[own]}, but {DOCUMENTS}/ is read as a folder of {_KINDS[kind]}, so this file "
                f"would not be read. Convert it, or list it in {PROJECT_FILE}"
            )

    def _read(self, one: _Received, progress: ProgressReporter | None) -> None:
        """Read a file, and record what it contains.

        Raises:
            DataError: It cannot be read, or contains no sentence.
        """
        root = f"{one.folder}{os.sep}"
        try:
            notes = list[str]()
            if content_of(one.staged) != "texts":
                notes.append(f"{one.inside}: contains labels, which are not read. Only its texts count")
            texts = _read(self._project, [one.staged], progress)
        except DataError as error:
            raise _Refusal(*(line.replace(root, "") for line in error.problems)) from error
        notes += [line.replace(root, "") for line in texts.notes]
        population = texts.population
        self.found[one.number] = AddedFile(
            str(one.inside), "added", len(population.document_names), len(population), tuple(notes)
        )

    def _check_ids(self, ready: Sequence[_Received]) -> None:
        """Check that no id of a new table is that of another table: all ids would then begin with the name of their file."""
        old = [file.path for file in self._present if not file.is_document]
        new = [one.staged for one in ready if not _is_document(one.staged)]
        if not old or not new:
            return
        reading = self._project.reading()

        def unique_ids(paths: Sequence[Path]) -> bool:
            found = find_files(paths, file_format=reading.form, encoding=reading.encoding)
            return ShardReader(found, reading.options()).unique_ids

        if not unique_ids(old) and unique_ids([*old, *new]):
            raise DataError(
                "Nothing was added, because a table contains an id that another table of the project contains. The ids of all "
                "sentences would change, and codings would not belong to them any more. Change the ids, or omit their column"
            )

    def _move(self, one: _Received) -> None:
        target = self._folder.joinpath(*one.inside.parts)
        with disk_errors(target, "Nothing was added. Make room for the file"):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                # In contrast to a renaming, a link never replaces a file that was created meanwhile.
                os.link(one.staged, target)
            except OSError:
                if target.exists():
                    raise
                os.replace(one.staged, target)  # a disk without links
        self.placed.append(target)

    def _take_back(self) -> None:
        """Remove what was added, with the folders that are empty then, which would count as documents."""
        for path in self.placed:
            path.unlink(missing_ok=True)
        with suppress(OSError):
            for folder, _, _ in os.walk(self._folder, topdown=False):
                if Path(folder) != self._folder and not any(Path(folder).iterdir()):
                    Path(folder).rmdir()

    def _check_unchanged(self) -> None:
        """Check that all documents are still read under the same names, and the new ones as well."""
        if not self.placed:
            return
        try:
            names = {file.path: file.name for file in locate_files(self._project.documents()).files}
        except DataError as error:
            raise DataError(
                *error.problems, "Nothing was added, because of the reason above. Rename the files"
            ) from error
        lost = [file.path for file in self._present if names.get(file.path) != file.name]
        unread = [path for path in self.placed if path not in names]
        for path in (*lost, *unread):
            raise DataError(
                f"{path.name}: would not be read under its name if these files were added, so nothing was added. Rename the files"
            )


def _present(project: Project) -> list[InputFile]:
    """Return the files that the project reads now.

    Raises:
        DataError: Nothing can be added to its documents.
    """
    own = project.folder / DOCUMENTS
    listed = [path for path in project.documents() if path != own]
    for path in listed:
        if content_of(path) != "texts":
            raise DataError(
                f"{path}: contains labels. Such a table must be the only document of a project, so nothing can be added to it. "
                "Create another project for other texts"
            )
    found = locate_files(listed).files
    if own in project.documents():
        with suppress(DataError):  # it contains no file that can be read
            return locate_files(project.documents()).files
    return found


def _kind(path: Path) -> int:
    suffix = ending(path)[0]
    return next((number for number, kind in enumerate(FOLDER_KINDS) if suffix in kind), 0)


def _is_document(path: Path) -> bool:
    return InputFile(path, "", ending(path)[0]).is_document
