"""Add coded sheets, exports of coding tools, and the codings of another copy of the project to the codings of a project."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..annotation.tasks import similar_coders
from ..data.acts import written_acts
from ..data.codebook import Codebook
from ..data.sentence import acts_in
from ..errors import DataError
from ..io.atomic import disk_errors
from ..io.hints import refuse_standard_input
from ..sampling.design import SUFFIX, Design
from .coded_files import read_coded_file
from .coding import Coding, Read, is_log, kept_acts, latest, read_codings
from .layout import CODEBOOKS, CODINGS, PROJECT_FILE, SAMPLES
from .project import Project
from .rows import member_keys


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
    known = project.log.read().codings
    for path in map(Path, paths):
        found = _read(project, path, designs, known)
        incoming += found.codings
        merged.notes += found.notes
    with project.log.locked():
        existing = project.log.read().codings
        new = _only_new(existing, incoming, merged)
        for other in others:
            _copy_missing(project, other, merged)
            _copy_marks(project, other)
        for sha256 in {coding.codebook_sha256 for coding in new}:
            if (used := _find_codebook(project, designs, sha256)) is not None:
                project.keep_codebook(used)
        project.log.append(new)
    for coding in new:
        merged.added[coding.coder] = merged.added.get(coding.coder, 0) + 1
    merged.notes += [f"warning: {line}" for line in similar_coders(c.coder for c in (*existing, *new))]
    return merged


def _only_new(existing: Sequence[Coding], incoming: Iterable[Coding], merged: Merged) -> list[Coding]:
    """Return the codings that the log does not contain, and record conflicts with its latest codings."""
    current = latest(existing)
    exact = {(c.coder, c.sentence, c.time, c.content) for c in existing}
    from_files = {(c.coder, c.sentence, c.origin_sha256, c.answer) for c in existing if c.origin_sha256}
    new: list[Coding] = []
    for coding in sorted(incoming, key=lambda one: one.time):
        key = coding.coder, coding.sentence
        last = current.get(key)
        if last is not None and coding.origin_sha256 and coding.time >= last.time and coding.acts is None:
            coding = _with_acts_of(last, coding)
        once = (*key, coding.time, coding.content)
        in_file = (*key, coding.origin_sha256, coding.answer)
        if once in exact or in_file in from_files or (last is not None and _unchanged(last, coding)):
            merged.known += 1
            continue
        exact.add(once)
        if coding.origin_sha256:
            from_files.add(in_file)
        new.append(coding)
        if last is not None and set(last.labels) != set(coding.labels):
            kept, other = (coding, last) if coding.time >= last.time else (last, coding)
            merged.conflicts.append(Conflict(coding.coder, coding.id, kept.labels, other.labels))
        if last is None or coding.time >= last.time:
            current[key] = coding
    return new


def _with_acts_of(last: Coding, coding: Coding) -> Coding:
    """Return the coding of a coded file, which has no place for acts, with those acts of the last coding that still apply."""
    acts = acts_in(coding.text, last.named, last.text)
    return coding.model_copy(update={"acts": kept_acts(written_acts(acts), coding.labels)})


def _unchanged(last: Coding, coding: Coding) -> bool:
    """Return whether a coding says the same as the last one of its coder."""
    known, new = ((one.content, one.codebook_sha256, one.model_shown) for one in (last, coding))
    return known == new


def _read(project: Project, path: Path, designs: Mapping[str, Design], known: Sequence[Coding]) -> Read:
    """Read the codings of a coded file, of a file of a project's `codings/`, or of another project."""
    if path.is_dir():
        if not (path / PROJECT_FILE).is_file():
            raise DataError(f"{path}: is a folder without {PROJECT_FILE}. Name coded files, or the folder of a project")
        found = read_codings(sorted((path / CODINGS).glob("*.jsonl")))
        theirs = Project.open(path).designs()
        names = {name: next(n for n, d in designs.items() if d == design) for name, design in theirs.items()}
        renamed = [coding.model_copy(update={"sample": names.get(coding.sample or "")}) for coding in found.codings]
        return Read(renamed, found.notes)
    refuse_standard_input(path)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder. Name a coded file or the folder of a project")
    if not is_log(path):
        return read_coded_file(path, project.codebook, designs, known)
    found = read_codings([path])
    # The other project is not known, and its sample may be another one with the same name.
    members = {name: member_keys(design) for name, design in designs.items()}
    placed = [
        coding
        if coding.sentence in members.get(coding.sample or "", ())
        else coding.model_copy(update={"sample": None})
        for coding in found.codings
    ]
    return Read(placed, found.notes)


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


def _copy_marks(project: Project, other: Project) -> None:
    """Add what coders saw and skipped in another project: a later coding here must not count as blind."""
    known = {(mark.kind, mark.coder, mark.sentence) for mark in project.marks.read()}
    project.marks.append(mark for mark in other.marks.read() if (mark.kind, mark.coder, mark.sentence) not in known)


def _find_codebook(project: Project, designs: dict[str, Design], sha256: str) -> Codebook | None:
    known = project.used_codebook(sha256)
    return known or next((d.codebook for d in designs.values() if d.codebook.sha256 == sha256), None)


def _labels(labels: tuple[str, ...]) -> str:
    return "|".join(labels) or "none"
