"""Join the codings of several coders: with the sample by id and text hash, or with each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..data.acts import Act, agreed_acts, written_acts
from ..data.codebook import CODEBOOK_SHA256, CODEBOOK_TITLE
from ..data.reader import ACTS
from ..data.sentence import acts_in
from ..errors import DataError
from ..io.write import write_csv, write_jsonl, write_parquet
from ..reporting.format import counted
from ..sampling.design import Design
from ..sampling.population import display_sha256
from .tasks import ACTS_OF, ADJUDICATION, FEW_CODED, NONE, CodedRow, Reading, need_suffix

Labels = tuple[str, ...]


@dataclass(frozen=True)
class CodedSentence:
    """A coded sentence."""

    id: str
    document: str
    language: str
    previous: str
    text: str


@dataclass
class Codings:
    """Labels by coder and id, adjudicated labels, comments, and messages for the user.

    `units` contains the sentences in the order of the sample or, without a sample, of the files.
    """

    units: dict[str, CodedSentence] = field(default_factory=dict)
    labels: dict[str, dict[str, Labels]] = field(default_factory=dict)
    adjudicated: dict[str, Labels] = field(default_factory=dict)
    comments: dict[str, dict[str, str]] = field(default_factory=dict)
    #: Kind, holder and target of labels by id and by those coders who were asked for them, as offsets into the text in `units`.
    acts: dict[str, dict[str, dict[str, Act]]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    #: Whether coders saw the labels of a model.
    model_shown: bool = False

    def differing(self) -> list[str]:
        """Return the ids of sentences on which coders disagree, adjudicated or not."""
        return [id for id in self.units if len(set(self.by_coder(id).values())) > 1]

    def disagreements(self) -> list[str]:
        """Return the ids of sentences on which coders disagree and which nobody adjudicated."""
        return [id for id in self.differing() if id not in self.adjudicated]

    def differing_acts(self) -> list[str]:
        """Return the ids of sentences on which coders differ only in kind, holder or target, decided or not."""
        found = []
        for id in self.units:
            answers = set(self.by_coder(id).values())
            given = [acts for coder, acts in self.acts.get(id, {}).items() if coder != ADJUDICATION]
            if len(answers) == 1 and agreed_acts(answers.pop(), given)[1]:
                found.append(id)
        return found

    def open_acts(self) -> list[str]:
        """Return the ids of sentences whose labels are final, but on whose kinds, holders or targets nobody has decided."""
        return [
            id
            for id in self.units
            if (labels := self.final(id)) is not None and final_acts(labels, self.acts.get(id, {}))[1]
        ]

    def final(self, id: str) -> Labels | None:
        """Return the labels of a sentence that were adjudicated or on which coders agree, or None."""
        if id in self.adjudicated:
            return self.adjudicated[id]
        answers = self.by_coder(id).values()
        return next(iter(answers)) if len(set(answers)) == 1 else None

    def by_coder(self, id: str) -> dict[str, Labels]:
        """Return the labels of a sentence by coder."""
        return {coder: labels[id] for coder, labels in self.labels.items() if id in labels}


#: Proportion of the rows of a file that may be missing from the sample. More rows show that it is another sample. One row is
#: always allowed.
STRAYS = 0.05


def match(readings: Sequence[Reading], design: Design | None, *, name: str = "the design file") -> Codings:
    """Join coded files.

    A coded row matches the row of the sample that has the same id and the same text, up to white space and Unicode form. A row
    without an id is matched by its text. Rows with edited texts and rows that are not in the sample are left out, and messages
    report their numbers. If one coder coded a row twice, the later coding counts.

    Args:
        readings: The coded files.
        design: The design of the sample. None: there is no sample, so rows are only joined with each other.
        name: The file of the design, for messages.

    Raises:
        DataError: Rows cannot be read, texts have the ids of other rows, or a file belongs to another sample.
    """
    problems = [problem for reading in readings for problem in reading.problems]
    if problems:
        raise DataError(*problems)
    codings = Codings(
        messages=[note for reading in readings for note in reading.notes],
        model_shown=any(reading.model_shown for reading in readings) or (design is not None and design.model_shown),
    )
    titles = dict.fromkeys(title for reading in readings for title in reading.codebooks)
    if len(titles) > 1:
        codings.messages.append(
            f"warning: the files were coded with different codebooks ({', '.join(titles)}), so the same label may mean "
            "different things"
        )
    _same_names(readings, codings)
    place = InSample(design) if design is not None else AmongThemselves()
    found: dict[str, CodedSentence] = {}
    chosen: dict[tuple[str, str], CodedRow] = {}
    twice = changed = 0
    for reading in readings:
        strays = len(place.unknown) + len(place.edited)
        for row in reading.rows:
            unit = place.find(row)
            if unit is None or row.labels is None:
                continue
            found.setdefault(unit.id, unit)
            if row.comment:
                codings.comments.setdefault(unit.id, {})[row.coder] = row.comment
            target = codings.adjudicated if row.coder == ADJUDICATION else codings.labels.setdefault(row.coder, {})
            if unit.id in target:
                twice += 1
                changed += target[unit.id] != row.labels
            target[unit.id] = row.labels
            # The later coding of a coder counts, also if it has no acts.
            codings.acts.setdefault(unit.id, {}).pop(row.coder, None)
            if row.acts is not None:
                codings.acts[unit.id][row.coder] = acts_in(found[unit.id].text, row.acts, unit.text)
            chosen[unit.id, row.coder] = row
        strays = len(place.unknown) + len(place.edited) - strays
        # A table that codes the whole sample belongs to it, whatever else it contains.
        whole = design is not None and len(reading.rows) - strays >= len(design.rows)
        if design is not None and not (place.misplaced or whole) and strays > max(1, STRAYS * len(reading.rows)):
            raise DataError(_another_sample(reading, strays, design, name))
    codings.messages += place.messages()
    if place.misplaced:
        raise DataError(
            f"{place.misplaced[0]}: the text belongs to another id of the sample, in {counted(len(place.misplaced), 'row')} in "
            "total. The columns were probably sorted separately: undo the sorting, or restore the ids from the original sheet"
        )
    if twice:
        codings.messages.append(
            f"{counted(twice, 'row')} coded twice by the same coder ({changed} with different labels). The later coding counts"
        )
    for (id, coder), row in chosen.items():
        if row.acts_of:
            codings.acts[id][coder] = chosen_acts(row, codings.acts[id])
    if not found:
        files = ", ".join(str(reading.path) for reading in readings)
        raise DataError(f"{files}: no coded row can be used: {'; '.join(codings.messages) or 'the files are empty'}")
    order = [row.id for row in design.rows] if design is not None else list(found)
    codings.units = {id: found[id] for id in order if id in found}
    return codings


def _another_sample(reading: Reading, strays: int, design: Design, name: str) -> str:
    n = counted(len(design.rows), "sentence")
    return (
        f"{reading.path}: {strays:,} of {counted(len(reading.rows), 'row')} are not among the {n} of the sample {name} "
        f"(drawn from {design.predictions}, seed {design.seed}). Name the design file of the sample that this file was written "
        "for with --design. If the file contains the sentences of several samples, divide it"
    )


def _same_names(readings: Sequence[Reading], codings: Codings) -> None:
    """Add a message for each coder's name that appears in several files, because two coders may share a name."""
    files: dict[str, list[str]] = {}
    for reading in readings:
        for coder in dict.fromkeys(row.coder for row in reading.rows if row.labels is not None):
            files.setdefault(coder, []).append(str(reading.path))
    for coder, where in files.items():
        if len(where) > 1 and coder != ADJUDICATION:
            codings.messages.append(
                f"coder {coder!r} appears in {len(where)} files ({', '.join(where)}) and counts as one person. If these are "
                "different people, write different names in the column 'coder'"
            )


class InSample:
    """Match coded rows with the rows of the sample."""

    def __init__(self, design: Design) -> None:
        self.rows = {row.id: row for row in design.rows}
        self.by_hash: dict[str, list[str]] = {}
        for row in design.rows:
            self.by_hash.setdefault(row.display_sha256 or row.sha256, []).append(row.id)
        self.unknown: list[str] = []
        self.edited: list[str] = []
        self.misplaced: list[str] = []
        self.by_text = 0

    def find(self, row: CodedRow) -> CodedSentence | None:
        """Return the sentence of a row, or None if the row is left out (see `messages`)."""
        digest = None if row.text is None else display_sha256(row.text)
        member = self.rows.get(row.id or "")
        same_text = self.by_hash.get(digest or "", [])
        if member is None:
            if len(same_text) != 1:
                self.unknown.append(row.where)
                return None
            member = self.rows[same_text[0]]
            self.by_text += 1
        elif digest is not None and digest != (member.display_sha256 or member.sha256):
            (self.misplaced if same_text else self.edited).append(row.where)
            return None
        return CodedSentence(member.id, member.document, member.language, row.previous, row.text or "")

    def messages(self) -> Iterable[str]:
        """Yield notes on rows that were left out or that need attention."""
        if self.by_text:
            yield f"{counted(self.by_text, 'row')} without an id of the sample, matched by text"
        if self.unknown:
            yield f"left out {counted(len(self.unknown), 'row')} not in the sample (first: {self.unknown[0]})"
        if self.edited:
            yield (
                f"left out {counted(len(self.edited), 'row')} with an edited text (first: {self.edited[0]}). Restore the original "
                "text to include the labels"
            )


class AmongThemselves:
    """Match coded rows with each other by id and text, without a sample."""

    def __init__(self) -> None:
        self.units: dict[str, tuple[str, CodedSentence]] = {}
        self.unknown: list[str] = []
        self.edited: list[str] = []
        self.misplaced: list[str] = []
        self.without_document = 0

    def find(self, row: CodedRow) -> CodedSentence | None:
        """Return the sentence of a row, or None if the row is left out (see `messages`)."""
        digest = display_sha256(row.text or "")
        identity = row.id or digest
        self.without_document += row.document is None
        unit = CodedSentence(identity, row.document or identity, row.language, row.previous, row.text or "")
        known, first = self.units.setdefault(identity, (digest, unit))
        if known != digest:
            self.edited.append(row.where)
            return None
        return first

    def messages(self) -> Iterable[str]:
        """Yield notes on rows that were left out or that need attention."""
        if self.edited:
            yield (
                f"left out {counted(len(self.edited), 'row')} whose text differs from the first row with the same id "
                f"(first: {self.edited[0]})"
            )
        if self.without_document:
            yield (
                f"{counted(self.without_document, 'row')} without a document. Each counts as its own document, so intervals are "
                "too narrow"
            )


def chosen_acts(row: CodedRow, by_coder: Mapping[str, Mapping[str, Act]]) -> dict[str, Act]:
    """Return the acts that a row takes over from the coder whom its column `acts_of` names.

    Args:
        row: The row.
        by_coder: The acts of the sentence by coder.

    Raises:
        DataError: This coder marked nothing in the sentence.
    """
    if row.acts_of not in by_coder:
        names = ", ".join(coder for coder in by_coder if coder != row.coder) or "nobody"
        raise DataError(
            f"{row.where}: column {ACTS_OF!r} names {row.acts_of!r}, who marked no kind, holder or target in this sentence. "
            f"Write one of these names, or leave the cell blank: {names}"
        )
    return {name: act for name, act in by_coder[row.acts_of].items() if name in (row.labels or ())}


def final_acts(labels: Labels, by_coder: Mapping[str, Mapping[str, Act]]) -> tuple[dict[str, Act], int]:
    """Return the acts of the final labels of a sentence, and the number of labels on whose acts coders differ.

    The acts of the adjudicator count. If the adjudicator was not asked for them, those on which the coders agree count.

    Args:
        labels: The final labels.
        by_coder: The acts by coder, for the same text.
    """
    if (decided := by_coder.get(ADJUDICATION)) is not None:
        return {name: decided[name] for name in labels if name in decided}, 0
    return agreed_acts(labels, list(by_coder.values()))


def gold_rows(codings: Codings, design: Design) -> tuple[list[dict[str, Any]], list[str]]:
    """Build the table of gold labels, with one row per sentence on which the coders agree or which was adjudicated.

    Returns:
        Rows with the columns id, document, index, language, text, sha256, the groups, labels, inclusion_probability,
        sampling, stratum, coder, comment, purpose, model_shown, codebook, codebook_sha256 and, where they were recorded and coders
        agree on them, acts; and notes for the user, such as how
        many sentences are missing.

    Raises:
        DataError: Coders disagree on rows that nobody adjudicated. Gold without these would lack the hard sentences.
    """
    if open_ := codings.disagreements():
        raise DataError(
            f"the coders disagree on {counted(len(open_), 'sentence')} (first: id {open_[0]!r}), and gold without them would lack "
            "the hard sentences. Decide them on the page Agreement of the app; or write a sheet of them with `communique agree "
            "--adjudicate SHEET.xlsx`, fill it in, and add it to the command after the coded files"
        )
    rows: list[dict[str, Any]] = []
    differing = 0
    for member in design.rows:
        by_coder = codings.by_coder(member.id)
        if not by_coder and member.id not in codings.adjudicated:
            continue
        labels = codings.final(member.id)
        coder = ADJUDICATION if member.id in codings.adjudicated else "|".join(by_coder)
        row: dict[str, Any] = {
            "id": member.id,
            "document": member.document,
            "index": member.index,
            "language": member.language,
            "text": codings.units[member.id].text,
            "sha256": member.sha256,
            **{name: value for name, value in member.columns.items() if name not in _GOLD},
            "labels": list(labels or ()),
            "inclusion_probability": member.inclusion_probability,
            "sampling": design.sampling,
            "stratum": member.stratum,
            "coder": coder,
            "comment": _comments(codings.comments.get(member.id, {})),
            "purpose": design.purpose,
            "model_shown": codings.model_shown,
            CODEBOOK_TITLE: design.codebook.title,
            CODEBOOK_SHA256: design.codebook.sha256,
        }
        acts, unclear = final_acts(labels or (), codings.acts.get(member.id, {}))
        differing += unclear
        if acts:
            row[ACTS] = written_acts(acts)
        rows.append(row)
    messages = []
    if differing:
        messages.append(
            f"left out kind, holder and target of {counted(differing, 'label')} on which coders mark different ones. The "
            "labels are included. To decide between the marks, fill in the sheet for adjudication"
        )
    missing = len(design.rows) - len(rows)
    if missing:
        messages.append(
            f"{missing} of {len(design.rows)} sampled sentences {'is' if missing == 1 else 'are'} not coded. Code all of them: the "
            "inclusion probabilities are valid only if a sentence's label does not affect whether it is missing"
        )
    if codings.model_shown:
        messages.append(
            "the coders saw the model's labels (model_shown), so `communique estimate` refuses these labels as gold: people tend "
            "to confirm what they are shown"
        )
    messages += _only_labels(rows, missing, design)
    if design.purpose == "training":
        messages.append(
            "these sentences were selected for training (purpose 'training'), so `communique estimate` refuses them"
        )
    return rows, messages


def _only_labels(rows: Sequence[Mapping[str, Any]], missing: int, design: Design) -> list[str]:
    """Return a warning if sentences are missing and all others have a label."""
    if not (missing and design.codebook.multilabel and len(rows) >= FEW_CODED and all(row["labels"] for row in rows)):
        return []
    return [
        f"warning: every gold sentence has a label, and {counted(missing, 'sentence is', 'sentences are')} missing. If coders left "
        "sentences without a label blank, these must be coded as 'no' before the gold can be used"
    ]


def write_gold(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write gold as CSV (labels as ``a|b``, or `none`), JSON Lines or Parquet, according to the suffix of the path.

    CSV has no place for acts.

    Raises:
        DataError: The suffix is not one of these, or the folder does not exist.
    """
    path = Path(path)
    need_suffix(path, (".csv", ".jsonl", ".parquet"), "gold")
    if path.suffix.lower() == ".csv":
        columns = list(dict.fromkeys(column for row in rows for column in row if column != ACTS))
        write_csv(path, columns, ({**row, "labels": row["labels"] or [NONE]} for row in rows))
    elif path.suffix.lower() == ".jsonl":
        write_jsonl(path, rows)
    else:
        write_parquet(path, rows)


_GOLD = ("id", "document", "index", "language", "text", "sha256", "labels", "stratum", ACTS)


def _comments(by_coder: Mapping[str, str]) -> str:
    return "\n".join(f"{coder}: {text}" for coder, text in by_coder.items())
