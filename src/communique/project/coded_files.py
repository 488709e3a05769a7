"""Read coded sheets and exports of coding tools as codings of a project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ..annotation.detect import read_coded
from ..annotation.matching import AmongThemselves, CodedSentence, InSample, chosen_acts
from ..annotation.tasks import CodedRow, Reading
from ..data.acts import written_acts
from ..data.codebook import Codebook
from ..data.sentence import acts_in
from ..errors import DataError
from ..io.atomic import file_sha256
from ..reporting.format import counted
from ..sampling.design import Design
from ..sampling.population import display_sha256
from .coding import Coding, Read, SentenceKey, latest


def read_coded_file(path: Path, current: Codebook, designs: Mapping[str, Design], known: Sequence[Coding] = ()) -> Read:
    """Read a sheet or an export of a coding tool as codings, with the codebook that it was coded with.

    Args:
        path: The file. Its rows have the time at which it was last changed.
        current: The codebook in use.
        designs: The samples by name.
        known: The codings of the project, of which a sheet for adjudication takes over holders, targets and kinds.

    Raises:
        DataError: The rows cannot be read, or texts have the ids of other rows.
    """
    reading, codebook, place = _read(path, current, designs)
    placed = [(row, place.find(row)) for row in reading.rows if row.labels is not None]
    time = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    digest = file_sha256(path)
    by_sentence: dict[SentenceKey, list[Coding]] = {}
    if any(row.acts_of for row in reading.rows):
        for coding in latest(known).values():
            by_sentence.setdefault(coding.sentence, []).append(coding)
    codings = []
    for row, found in placed:
        if found is None or row.labels is None:
            continue
        unit, sample = found
        design = designs[sample] if sample else None
        sha256 = display_sha256(unit.text)
        acts = None if row.acts is None else acts_in(unit.text, row.acts, row.text or "")
        if row.acts_of:
            marked = {
                one.coder: acts_in(unit.text, one.named, one.text)
                for one in by_sentence.get((unit.id, sha256), ())
                if one.acts is not None
            }
            acts = chosen_acts(row, marked)
        codings.append(
            Coding(
                id=unit.id,
                sha256=sha256,
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
                model_shown=reading.model_shown or (design.model_shown if design else None),
                comment=row.comment,
                origin=path.name,
                origin_sha256=digest,
                acts=None if acts is None else written_acts(acts),
            )
        )
    return Read(codings, [*reading.notes, *place.messages(path)])


def _read(path: Path, current: Codebook, designs: Mapping[str, Design]) -> tuple[Reading, Codebook, _Places]:
    """Read a coded file with the codebook of its sample, which may be older than the codebook in use.

    The labels of a sheet can only be read with its own codebook, and its sample is only known once its rows have been read. The
    codebook in use and those of the samples are therefore tried in this order.
    """
    problem: DataError | None = None
    for codebook in {
        book.sha256: book for book in (current, *(d.codebook for d in reversed(list(designs.values()))))
    }.values():
        try:
            reading = read_coded(path, codebook)
            if reading.problems:
                raise DataError(*reading.problems)
        except DataError as error:
            problem = problem or error
            continue
        place = _Places(reading.rows, designs)
        own = current if place.main is None else designs[place.main].codebook
        if own.sha256 == codebook.sha256:
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

    def __init__(self, rows: Sequence[CodedRow], designs: Mapping[str, Design]) -> None:
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
