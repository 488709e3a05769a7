"""Turn codings into the rows that matching, training and status need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from ..annotation.agreement_report import UNEQUAL
from ..annotation.matching import final_acts
from ..annotation.tasks import ADJUDICATION, CodedRow, Reading
from ..data.acts import Act, written_acts
from ..data.codebook import Codebook
from ..data.codebook_changes import translate, translate_acts
from ..data.corpus import Corpus
from ..data.reader import ACTS
from ..data.sentence import Sentence, acts_in
from ..reporting.format import counted
from ..sampling.design import Design
from .coding import Coding, Read, SentenceKey, latest

Labels = tuple[str, ...]


#: The labels of each sentence by coder.
ByCoder = Mapping[SentenceKey, Mapping[str, Labels]]


@dataclass(frozen=True)
class CodedRows:
    """Coded sentences with their final labels, notes on what was left out, and the number of sentences on which coders differ."""

    corpus: Corpus
    notes: tuple[str, ...]
    differing: int


@dataclass(frozen=True)
class Translated:
    """The latest codings in terms of one codebook. `outdated` are those that must be made again."""

    codings: tuple[Coding, ...]
    outdated: tuple[Coding, ...]

    def of(self, sentences: Collection[SentenceKey]) -> Translated:
        """Return the codings of some sentences."""
        kept, outdated = ([one for one in made if one.sentence in sentences] for made in (self.codings, self.outdated))
        return Translated(tuple(kept), tuple(outdated))


@dataclass(frozen=True)
class Coded:
    """The codings of a project at one moment. Status, training rows, agreement and adjudication all start from it.

    What a page does not need is not computed, and everything is computed once.

    Attributes:
        read: All codings.
        codebook: The codebook in use.
        used: Returns the codebook with a hash, or None if it is not known.
        designs: The samples by name.
    """

    read: Read
    codebook: Codebook
    used: Callable[[str], Codebook | None]
    designs: Mapping[str, Design]

    @cached_property
    def latest(self) -> tuple[Coding, ...]:
        """The latest coding of each sentence by each coder."""
        return tuple(latest(self.read.codings).values())

    @cached_property
    def translated(self) -> Translated:
        """The latest codings in terms of the codebook in use."""
        return in_terms_of(self.codebook, self.latest, self.used)

    @cached_property
    def given(self) -> ByCoder:
        """The labels of each sentence by coder, as they were coded."""
        return labels_by_sentence(self.latest)

    @cached_property
    def labelled(self) -> ByCoder:
        """The labels of each sentence by coder, in terms of the codebook in use."""
        return labels_by_sentence(self.translated.codings)

    def of_sample(self, design: Design, codebook: Codebook) -> tuple[Translated, int]:
        """Return the codings that count for the agreement, the adjudication and the gold of a sample.

        These are the latest codings that were not made with the labels of a model in view. If the design shows these labels to
        everybody, all codings count.

        Args:
            design: The sample. Codings of its sentences count, whichever sample they were made for.
            codebook: The codebook in whose terms the codings are returned.

        Returns:
            The codings, and the number of codings that were left out because a model was in view.
        """
        inside = member_keys(design)
        made = [coding for coding in self.read.codings if coding.sentence in inside]
        # Codings are filtered before the latest of them counts: a later coding that is not blind must not hide a blind one.
        blind = [coding for coding in made if design.model_shown or not coding.model_shown]
        hidden = len(made) - len(blind)
        if hidden or codebook.sha256 != self.codebook.sha256:
            return in_terms_of(codebook, blind, self.used), hidden
        return self.translated.of(inside), 0

    @cached_property
    def rows(self) -> CodedRows:
        """The rows with final labels, including those of samples that are reserved for estimates."""
        return coded_rows(self, reserved=True)

    @cached_property
    def training(self) -> CodedRows:
        """The rows with final labels that may train a model."""
        return coded_rows(self, reserved=False)


def in_terms_of(codebook: Codebook, codings: Iterable[Coding], used: Callable[[str], Codebook | None]) -> Translated:
    """Return the latest codings with their labels in terms of a codebook (see `translate`).

    Args:
        codebook: The codebook.
        codings: Codings in order of time.
        used: Returns the codebook with a hash, or None if it is not known. It is called once per hash.
    """
    known: dict[str, Codebook | None] = {codebook.sha256: codebook}
    # A project has many codings, but few different sets of labels.
    answers: dict[tuple[str, Labels], Labels | None] = {}
    kept, outdated = [], []
    for coding in latest(codings).values():
        if coding.codebook_sha256 not in known:
            known[coding.codebook_sha256] = used(coding.codebook_sha256)
        old, answer = known[coding.codebook_sha256], (coding.codebook_sha256, coding.labels)
        if answer not in answers:
            answers[answer] = translate(coding.labels, old, codebook)
        labels = answers[answer]
        if labels is None:
            outdated.append(coding)
            continue
        acts = None if coding.acts is None else written_acts(translate_acts(coding.named, labels, old, codebook))
        same = labels == coding.labels and acts == coding.acts
        kept.append(coding if same else coding.model_copy(update={"labels": labels, "acts": acts}))
    return Translated(tuple(kept), tuple(outdated))


def labels_by_sentence(codings: Iterable[Coding]) -> dict[SentenceKey, dict[str, Labels]]:
    """Return the labels of each sentence by coder. The last coding of a sentence by a coder counts."""
    found: dict[SentenceKey, dict[str, Labels]] = {}
    for coding in codings:
        found.setdefault(coding.sentence, {})[coding.coder] = coding.labels
    return found


def as_reading(path: Path, codings: Sequence[Coding]) -> Reading:
    """Return the latest codings in the form that `annotation.matching.match` reads."""
    reading = Reading(path, "codings")
    chosen = latest(codings)
    reading.model_shown = any(coding.model_shown for coding in chosen.values())
    ids = distinct_ids({sentence for _, sentence in chosen})
    for coding in chosen.values():
        reading.rows.append(
            CodedRow(
                where=f"{path}, coder {coding.coder}, id {coding.id!r}",
                id=ids[coding.sentence],
                text=coding.text,
                coder=coding.coder,
                labels=coding.labels,
                comment=coding.comment,
                document=coding.document,
                language=coding.language,
                previous=coding.previous,
                acts=None if coding.acts is None else coding.named,
            )
        )
        title = f"{coding.codebook} (SHA-256 {coding.codebook_sha256[:12]})"
        if title not in reading.codebooks:
            reading.codebooks.append(title)
    return reading


def distinct_ids(sentences: Collection[SentenceKey]) -> dict[SentenceKey, str]:
    """Return an id for each sentence that no other one has.

    Sentences of different documents may have the same id. Their ids then get part of the hash of their text; `given_id` removes it.
    """
    times = Counter(id for id, _ in sentences)
    return {key: key[0] if times[key[0]] == 1 else key[0] + _suffix(key[1]) for key in sentences}


def given_id(id: str, sha256: str) -> str:
    """Return the id that a sentence had before `distinct_ids`.

    Args:
        id: The id that `distinct_ids` returned.
        sha256: Hash of the text as coders see it.
    """
    return id.removesuffix(_suffix(sha256))


def _suffix(sha256: str) -> str:
    return f"#{sha256[:8]}"


def member_keys(design: Design) -> set[SentenceKey]:
    """Return what identifies each sentence of a sample."""
    return {(row.id, row.display_sha256 or row.sha256) for row in design.rows}


def is_reserved(design: Design) -> bool:
    """Return whether a sample is reserved for estimates: it was drawn for them, from the labels of a model."""
    return design.purpose == "estimate" and design.predictions is not None


def use_of(design: Design) -> Literal["estimates", "training", "training of the first model"]:
    """Return what a sample is used for, in words. A random sample that was drawn before there was a model trains the first one."""
    if design.purpose == "training":
        return "training"
    return "estimates" if is_reserved(design) else "training of the first model"


def final_labels(codings: Mapping[str, Labels]) -> Labels | None:
    """Return the labels of a sentence from the labels by coder, or None if coders differ and nobody adjudicated."""
    if ADJUDICATION in codings:
        return codings[ADJUDICATION]
    answers = {frozenset(labels) for labels in codings.values()}
    return next(iter(codings.values())) if len(answers) == 1 else None


def coded_rows(coded: Coded, *, reserved: bool) -> CodedRows:
    """Return one row per coded sentence on which coders agree or which was adjudicated.

    Args:
        coded: The codings of a project. Those of earlier versions of the codebook are translated if that is possible.
        reserved: Whether to include rows of samples that are reserved for estimates.
    """
    designs, translated, by_sentence = coded.designs, coded.translated, coded.labelled
    kept_back: set[SentenceKey] = set()
    if not reserved:
        kept_back = {key for design in designs.values() if is_reserved(design) for key in member_keys(design)}
    first = {coding.sentence: coding for coding in reversed(translated.codings)}
    acts: dict[SentenceKey, dict[str, dict[str, Act]]] = {}
    for coding in translated.codings:
        if coding.acts is not None:
            moved = acts_in(first[coding.sentence].text, coding.named, coding.text)
            acts.setdefault(coding.sentence, {})[coding.coder] = moved
    random = {key for design in designs.values() if _is_self_weighting(design) for key in member_keys(design)}
    sentences, left_out = dict[SentenceKey, Sentence](), Counter[str]()
    for key, given in by_sentence.items():
        labels = final_labels(given)
        if key in kept_back:
            left_out["reserved"] += 1
        elif labels is None:
            left_out["differing"] += 1
        else:
            sentence = _sentence(first[key], labels, "random" if key in random else None)
            found, differing = final_acts(labels, acts.get(key, {}))
            left_out["acts"] += differing
            # An empty mapping would say that the sentence has no acts.
            sentences[key] = replace(sentence, acts=found or None)
    left_out["outdated"] = len({coding.sentence for coding in translated.outdated} - by_sentence.keys())
    notes = (*coded.read.notes, *_notes(left_out))
    ids = distinct_ids(sentences)
    corpus = Corpus(tuple(replace(sentence, id=ids[key]) for key, sentence in sentences.items()))
    return CodedRows(corpus, notes, left_out["differing"])


def training_row(sentence: Sentence) -> dict[str, Any]:
    """Return a coded sentence as a row of the table that `communique train` reads."""
    fields = ("id", "document", "index", "language", "text", "previous", "sampling")
    row = {name: getattr(sentence, name) for name in fields} | {"labels": list(sentence.labels or ())}
    return row if sentence.acts is None else row | {ACTS: written_acts(sentence.acts)}


def _is_self_weighting(design: Design) -> bool:
    """Return whether all sentences had about the same probability, so that the sample can tune thresholds."""
    rates = [row.inclusion_probability for row in design.rows if row.inclusion_probability is not None]
    return bool(rates) and len(rates) == len(design.rows) and max(rates) <= UNEQUAL * min(rates)


def _sentence(coding: Coding, labels: Labels, sampling: str | None) -> Sentence:
    return Sentence(
        id=coding.id,
        text=coding.text,
        document=coding.document,
        index=coding.index,
        language=coding.language,
        previous=coding.previous or None,
        labels=labels,
        sampling=sampling,
    )


def _notes(left_out: Counter[str]) -> Iterable[str]:
    if n := left_out["reserved"]:
        yield (
            f"left out {counted(n, 'row')} of samples that are reserved for estimates, because gold that a model was trained on "
            "cannot correct its errors"
        )
    if n := left_out["differing"]:
        yield f"left out {counted(n, 'row')} on which coders differ. To adjudicate them, run `communique agree` in the project"
    if n := left_out["acts"]:
        yield (
            f"left out kind, holder and target of {counted(n, 'label')} on which coders mark different ones. To decide, run "
            "`communique agree` in the project"
        )
    if n := left_out["outdated"]:
        yield (
            f"left out {counted(n, 'row')} coded before the codebook changed in a way that needs new codings. For details, run "
            "`communique status`"
        )
