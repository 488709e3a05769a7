"""Add coded sheets, exports of coding tools, and the codings of another copy of the project to the codings of a project."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ..annotation.detect import read_coded
from ..annotation.matching import AmongThemselves, CodedSentence, InSample
from ..annotation.sheets import MODEL
from ..annotation.tasks import CodedRow, Reading
from ..data.codebook import Codebook
from ..errors import DataError
from ..io.atomic import disk_errors, file_sha256
from ..io.read import read_table
from ..io.suffixes import TABLE_SUFFIXES, ending
from ..reporting.format import counted
from ..sampling.design import SUFFIX, Design
from ..sampling.population import display_sha256
from .coding import Coding, is_log, latest, read_codings
from .layout import CODEBOOKS, CODINGS, PROJECT_FILE, SAMPLES
from .project import Project


@dataclass(frozen=True)
class Conflict:
    """Two different answers of one coder for one sentence. `kept` is the later one, which counts; `other` remains in the log."""

    coder: str
    id: str
    kept: tuple[str, ...]
    other: tuple[str, ...]

    def __str__(self) -> str:
        return f"coder {self.coder!r}, id {self.id!r}: {_labels(self.kept)} replaces {_labels(self.other)}"


@dataclass
class Merged:
    """The result of a merge.

    `added` is the number of new codings by coder, `known` the number of codings that the project already had, `conflicts` lists
    the different answers, `samples` the samples that were copied from another project, and `notes` what was assumed or left out.
    """

    added: dict[str, int] = field(default_factory=dict)
    known: int = 0
    conflicts: list[Conflict] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def merge(project: Project, paths: Sequence[str | Path]) -> Merged:
    """Append the codings of coded files and of other copies of the project. Merging something twice adds nothing.

    All paths are read before anything is written. If a coder gave different answers for a sentence, the later one counts and the
    earlier one stays in the log. A row of a sheet or an export has the time at which its file was last changed.

    Args:
        project: The project.
        paths: Coded sheets, exports of Label Studio, doccano or Prodigy, files of a project's `codings/`, and folders of
            projects.

    Raises:
        DataError: A path does not exist, or its rows cannot be read.
        CodebookError: A codebook is invalid.
    """
    merged = Merged()
    designs = project.designs()
    others = [Project.open(path) for path in map(Path, paths) if (path / PROJECT_FILE).is_file()]
    for other in others:
        designs |= _new_samples(designs, other)
    incoming: list[Coding] = []
    for path in map(Path, paths):
        if path.is_dir():
            incoming += _of_project(path, designs, merged)
        elif not path.exists():
            raise DataError(f"{path}: no such file or folder. Name a coded file or the folder of a project")
        elif is_log(path):
            found = read_codings([path])
            incoming += found.codings
            merged.notes += found.notes
        else:
            incoming += _of_file(project, path, designs, merged)
    with project.log.locked():
        new = _only_new(project.log.read().codings, incoming, merged)
        for other in others:
            _copy_missing(project, other, merged)
        for sha256 in {coding.codebook_sha256 for coding in new}:
            if (used := _find_codebook(project, designs, sha256)) is not None:
                project.keep_codebook(used)
        project.log.append(new)
    for coding in new:
        merged.added[coding.coder] = merged.added.get(coding.coder, 0) + 1
    return merged


def _only_new(existing: Sequence[Coding], incoming: Iterable[Coding], merged: Merged) -> list[Coding]:
    """Return the codings that the log does not contain, and record conflicts with its latest codings."""
    current = latest(existing)
    exact = {(c.coder, c.sentence, c.time, c.answer) for c in existing}
    from_files = {(c.coder, c.sentence, c.origin_sha256, c.answer) for c in existing if c.origin_sha256}
    new: list[Coding] = []
    for coding in sorted(incoming, key=lambda one: one.time):
        key = coding.coder, coding.sentence
        last = current.get(key)
        repeated = (*key, coding.time, coding.answer) in exact or (
            *key,
            coding.origin_sha256,
            coding.answer,
        ) in from_files
        unchanged = (
            last is not None and last.answer == coding.answer and last.codebook_sha256 == coding.codebook_sha256
        ) and last.model_shown == coding.model_shown
        if repeated or unchanged:
            merged.known += 1
            continue
        exact.add((*key, coding.time, coding.answer))
        new.append(coding)
        if last is not None and set(last.labels) != set(coding.labels):
            kept, other = (coding, last) if coding.time >= last.time else (last, coding)
            merged.conflicts.append(Conflict(coding.coder, coding.id, kept.labels, other.labels))
        if last is None or coding.time >= last.time:
            current[key] = coding
    return new


def _of_project(folder: Path, designs: dict[str, Design], merged: Merged) -> list[Coding]:
    """Return the codings of another project, with the names that its samples have in this one."""
    if not (folder / PROJECT_FILE).is_file():
        raise DataError(f"{folder}: is a folder without {PROJECT_FILE}. Name coded files, or the folder of a project")
    found = read_codings(sorted((folder / CODINGS).glob("*.jsonl")))
    merged.notes += found.notes
    theirs = Project.open(folder).designs()
    names = {name: next(n for n, d in designs.items() if d == design) for name, design in theirs.items()}
    return [coding.model_copy(update={"sample": names.get(coding.sample or "")}) for coding in found.codings]


def _new_samples(known: dict[str, Design], other: Project) -> dict[str, Design]:
    """Return the samples of another project that this one lacks, under names that are free."""
    new: dict[str, Design] = {}
    for name, design in other.designs().items():
        if design in known.values():
            continue
        new[_free_name(name, known)] = design
    return new


def _free_name(name: str, taken: dict[str, Design]) -> str:
    return name if name not in taken else next(n for i in range(2, 10**9) if (n := f"{name}-{i}") not in taken)


def _copy_missing(project: Project, other: Project, merged: Merged) -> None:
    """Copy the design files and the kept codebooks of another project that this one lacks."""
    here = project.designs()
    for name, design in _new_samples(here, other).items():
        design.dump(project.folder / SAMPLES / f"{name}{SUFFIX}")
        merged.samples.append(name)
    project.keep_codebook(other.codebook)
    for path in (other.folder / CODEBOOKS).glob("*.yaml"):
        target = project.folder / CODEBOOKS / path.name
        if not target.exists():
            with disk_errors(target):
                shutil.copy2(path, target)


def _find_codebook(project: Project, designs: dict[str, Design], sha256: str) -> Codebook | None:
    known = project.used_codebook(sha256)
    return known or next((d.codebook for d in designs.values() if d.codebook.sha256 == sha256), None)


def _of_file(project: Project, path: Path, designs: dict[str, Design], merged: Merged) -> list[Coding]:
    """Read a coded file with the codebook that it was coded with."""
    reading, codebook, place = _read(path, project.codebook, designs)
    merged.notes += reading.notes
    placed = [(row, place.find(row)) for row in reading.rows if row.labels is not None]
    merged.notes += place.messages(path)
    time = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    digest, shown = file_sha256(path), _shows_model(path)
    codings = []
    for row, found in placed:
        if found is None or row.labels is None:
            continue
        unit, sample = found
        design = designs[sample] if sample else None
        codings.append(
            Coding(
                id=unit.id,
                sha256=display_sha256(unit.text),
                text=unit.text,
                document=unit.document,
                index=place.index(unit.id, sample),
                language=unit.language,
                previous=unit.previous,
                labels=row.labels,
                coder=row.coder,
                time=time,
                codebook=codebook.title,
                codebook_sha256=codebook.sha256,
                sample=sample,
                model_shown=shown or (design.model_shown if design else None),
                comment=row.comment,
                origin=path.name,
                origin_sha256=digest,
            )
        )
    return codings


def _read(path: Path, current: Codebook, designs: dict[str, Design]) -> tuple[Reading, Codebook, _Places]:
    """Read a coded file with the codebook of its sample, which may be older than the codebook in use.

    The labels of a sheet can only be read with its own codebook, and its sample is only known once its rows have been read. The
    codebook in use and those of the samples are therefore tried in this order.
    """
    problem: DataError | None = None
    for codebook in {
        book.sha256: book for book in (current, *(d.codebook for d in reversed(designs.values())))
    }.values():
        try:
            reading = read_coded(path, codebook)
            if reading.problems:
                raise DataError(*reading.problems)
        except DataError as error:
            problem = problem or error
            continue
        place = _Places(reading.rows, designs)
        if place.main is None or designs[place.main].codebook.sha256 == codebook.sha256:
            if place.main is None and codebook.sha256 != current.sha256:
                continue
            return reading, codebook, place
    raise problem or DataError(
        f"{path}: no row can be read with the codebook of the sample that it belongs to. Restore the sheet"
    )


class _Places:
    """Find the sample of each row of a file. Rows that belong to no sample are kept as well.

    Args:
        rows: The rows of the file.
        designs: The samples by name.
    """

    def __init__(self, rows: Sequence[CodedRow], designs: dict[str, Design]) -> None:
        hits = {name: _hits(rows, design) for name, design in designs.items()}
        # Of samples that contain equally many rows, the newest comes first.
        newest_first = list(reversed(hits))
        order = sorted(newest_first, key=lambda name: -hits[name])
        #: The sample to which most rows belong.
        self.main = next((name for name in order if hits[name]), None)
        self._samples = {name: InSample(designs[name]) for name in order if hits[name]}
        self._loose = AmongThemselves()
        self._indexes = {name: {row.id: row.index for row in designs[name].rows} for name in self._samples}
        self._edited: list[str] = []
        self._outside = 0

    def find(self, row: CodedRow) -> tuple[CodedSentence, str | None] | None:
        """Return the sentence of a row and its sample, or None if its text was edited.

        Raises:
            DataError: The text of the row belongs to another id of the sample.
        """
        if not row.text:
            self._edited.append(row.where)
            return None
        for name, sample in self._samples.items():
            if (unit := sample.find(row)) is not None:
                return unit, name
            if sample.misplaced:
                raise DataError(
                    f"{row.where}: the text belongs to another id of the sample {name}. The columns were probably sorted "
                    "separately: undo the sorting, or restore the ids from the original sheet"
                )
            if row.id in sample.rows:
                self._edited.append(row.where)
                return None
        unit = self._loose.find(row)
        self._outside += unit is not None
        return None if unit is None else (unit, None)

    def index(self, id: str, sample: str | None) -> int:
        """Return the position of a sentence in its document, or 0 if it is not known."""
        return 0 if sample is None else self._indexes[sample][id]

    def messages(self, path: Path) -> list[str]:
        """Return notes on rows that were left out or that belong to no sample."""
        lines = []
        if self._edited:
            lines.append(
                f"{path}: left out {counted(len(self._edited), 'row')} with an edited or missing text (first: {self._edited[0]}). "
                "Restore the original text to include the labels"
            )
        if self._outside:
            lines.append(
                f"{path}: {counted(self._outside, 'row')} in no sample of the project. The codings can train a model, but "
                "cannot be used for estimates"
            )
            lines += [f"{path}: {line}" for line in self._loose.messages()]
        return lines


def _hits(rows: Sequence[CodedRow], design: Design) -> int:
    members = {row.id: row.display_sha256 or row.sha256 for row in design.rows}
    by_text = set(members.values())
    return sum(
        members.get(row.id or "") == digest or digest in by_text
        for row in rows
        if row.text is not None and (digest := display_sha256(row.text))
    )


def _shows_model(path: Path) -> bool | None:
    """Return True if a sheet shows the labels of a model, or None if that is not known."""
    if ending(path)[0] not in TABLE_SUFFIXES:
        return None
    return True if MODEL in read_table(path).columns else None


def _labels(labels: tuple[str, ...]) -> str:
    return "|".join(labels) or "none"
