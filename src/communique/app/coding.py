"""Code the sentences of a project: what comes next for a coder, and how an answer is recorded.

An answer is appended to the files of codings, flushed to disk and only then acknowledged. The pages and the
API both use this module.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import BindParameter, Exists, FromClause, Select, Subquery, Table, bindparam, exists, func, select

from ..annotation.tasks import ADJUDICATION, NONE, check_coders, coder_key, is_coder_name
from ..data.acts import read_acts, written_acts
from ..data.codebook import Codebook
from ..errors import DataError, NotFoundError
from ..project import Coding, Project
from ..project.coding import SentenceKey, kept_acts, now
from ..project.marks import Mark, MarkKind
from ..reporting.format import counted
from ..sampling.design import Design
from .coding_index import MARKED, index_codings
from .store import (
    CODINGS,
    MEMBERS,
    PREDICTIONS,
    SEEN,
    SENTENCES,
    SKIPPED,
    Answer,
    IndexedSentence,
    Store,
    is_key,
    same_sentence,
    shuffled,
)

#: Name of the queue of all sentences in random order. Samples have names such as `sample-1`.
ALL = "all"

#: A comment that begins with this word marks an answer as unsure. Coding sheets have no other place for it.
UNSURE = "unsure"

#: Maximum numbers of characters of the name of a coder and of a comment.
MAX_NAME, MAX_COMMENT = 100, 10_000

#: Random numbers times a factor, modulo this prime, are in another random order for each factor. Products fit into 62 bits.
_PRIME = 2**31 - 1

#: When a coder sees the labels of the model: never, once the sentence is coded, or as a suggestion.
ModelView = Literal["hidden", "after", "suggested"]


@dataclass(frozen=True)
class Suggestion:
    """The labels that a model predicts for a sentence, with probabilities if it has them."""

    labels: tuple[str, ...]
    probabilities: dict[str, float] | None


@dataclass(frozen=True)
class Progress:
    """How much of a queue is coded: by this coder, and by at least one coder."""

    total: int
    own: int
    anyone: int
    skipped: int


@dataclass(frozen=True)
class Given:
    """An answer as it arrives. An answer without labels must say so with `none`, unless exactly one label applies.

    `acts` contains kind, holder and target by label, as tables do; None if the form has no place for them.
    """

    coder: str
    queue: str
    key: SentenceKey
    labels: Sequence[str]
    none: bool = False
    comment: str = ""
    unsure: bool = False
    model: ModelView = "hidden"
    acts: Mapping[str, Any] | None = None


class Desk:
    """The place where people code the sentences of a project.

    Args:
        project: The project.
        store: Its index.
    """

    def __init__(self, project: Project, store: Store) -> None:
        self.project, self.store = project, store

    def queues(self) -> list[str]:
        """Return the names of the queues: the samples from the newest to the oldest, and all sentences."""
        return [*reversed(self.project.design_paths()), ALL]

    def design(self, queue: str) -> Design | None:
        """Return the design of a queue, or None for all sentences.

        Raises:
            NotFoundError: There is no such queue.
        """
        return None if queue == ALL else self.project.design(queue)

    def codebook(self, queue: str) -> Codebook:
        """Return the codebook with which a queue is coded. A sample keeps the codebook that it was drawn with."""
        design = self.design(queue)
        return self.project.codebook if design is None else design.codebook

    def model_view(self, queue: str, wanted: ModelView) -> ModelView:
        """Return when the labels of the model are shown. The design of a sample decides whether they are suggested."""
        design = self.design(queue)
        if design is None:
            return wanted
        if design.model_shown:
            return "suggested"
        return "hidden" if wanted == "hidden" else "after"

    def coder(self, name: str) -> str:
        """Return the name of a coder as `check_coder` does, and check that it is not another spelling of a known name.

        Raises:
            DataError: The name cannot be used, or a coder with another spelling of it has coded before.
        """
        name = check_coder(name)
        with self.store.reading() as connection:
            if connection.execute(select(CODINGS.c.id).where(CODINGS.c.coder == name).limit(1)).first() is not None:
                return name
            known = connection.scalars(select(CODINGS.c.coder).distinct()).all()
        for other in known:
            if coder_key(other) == coder_key(name):
                raise DataError(
                    f"There is a coder {other!r}, and {name!r} would count as another one. Write the name in the same way, or use "
                    "a different name if this is another person"
                )
        return name

    def refresh(self) -> None:
        """Bring the index up to date with codings that other processes added."""
        index_codings(self.store, self.project.log)

    def next(self, coder: str, queue: str) -> IndexedSentence | None:
        """Return the sentence that a coder codes next, or None if the coder has coded everything.

        Skipped sentences come again after all others.
        """
        values = _values(coder, queue)
        return self.store.first(_NEXT[queue == ALL], **values) or self.store.first(_SKIPPED[queue == ALL], **values)

    def progress(self, coder: str, queue: str) -> Progress:
        """Return how much of a queue is coded."""
        self.design(queue)
        with self.store.reading() as connection:
            return Progress(*connection.execute(_PROGRESS[queue == ALL], _values(coder, queue)).one())

    def suggestion(self, queue: str, key: SentenceKey) -> Suggestion | None:
        """Return the labels of the model: those that the sample was drawn from, otherwise the newest ones.

        Whoever shows them to a coder before the answer calls `suggest` instead.
        """
        with self.store.reading() as connection:
            row = connection.execute(select(PREDICTIONS).where(is_key(PREDICTIONS, key))).first()
            drawn = connection.scalar(select(MEMBERS.c.labels).where(MEMBERS.c.sample == queue, is_key(MEMBERS, key)))
        labels = drawn if drawn is not None else None if row is None else row.labels
        if labels is None:
            return None
        same = row is not None and row.labels == labels
        return Suggestion(tuple(labels), row.probabilities if same and row is not None else None)

    def suggest(self, coder: str, queue: str, key: SentenceKey) -> Suggestion | None:
        """Return the labels of the model to show them to a coder, and record that the coder sees them.

        When this function returns, the mark is on disk: a later coding of the sentence is not blind, in whatever queue and view it
        is made.
        """
        found = self.suggestion(queue, key)
        if found is not None:
            self._mark("seen", check_coder(coder), key)
        return found

    def skip(self, coder: str, queue: str, key: SentenceKey) -> None:
        """Put a sentence at the end of the queue of a coder."""
        self._mark("skipped", check_coder(coder), self.find(key, queue).key)

    def last_answer(self, coder: str, queue: str, *, before: datetime | None = None) -> Answer | None:
        """Return the newest answer of a coder to a sentence of a queue, or the newest before a time, or None."""
        return self.store.last_answer(coder, None if queue == ALL else queue, before=before)

    def find(self, key: SentenceKey, queue: str = ALL) -> IndexedSentence:
        """Return a sentence of a queue.

        Raises:
            NotFoundError: The documents of the project, or the sample, do not contain it.
        """
        found = self.store.sentence(key, None if queue == ALL else queue)
        if found is None:
            place = "The documents of the project no longer contain" if queue == ALL else f"{queue} does not contain"
            raise NotFoundError(f"{place} this sentence. Open the page again.")
        return found

    def answer(self, given: Given) -> Answer:
        """Append an answer to the files of codings. When this function returns, the answer is on disk.

        An answer that changes nothing is not recorded a second time.

        Raises:
            DataError: The answer is not valid for the codebook, or the coder has a reserved name.
            NotFoundError: There is no such sample, or it does not contain the sentence.
        """
        coder, codebook = self.coder(given.coder), self.codebook(given.queue)
        sentence = self.find(given.key, given.queue)
        labels, comment = check_labels(codebook, given.labels, none=given.none), _comment(given)
        self.refresh()
        acts, last = check_acts(codebook, given.acts, sentence.text, labels), self.store.answer(coder, sentence.key)
        view = self.model_view(given.queue, given.model)
        # A client that suggests labels by itself says so by the view.
        seen = view == "suggested" and self.suggest(coder, given.queue, sentence.key) is not None
        shown = seen or self._saw_model(coder, sentence.key, last)
        sample = None if given.queue == ALL else given.queue
        made = self._record(coder, last, sentence, codebook, labels, comment, acts=acts, shown=shown, sample=sample)
        if view == "after":
            self.suggest(coder, given.queue, sentence.key)
        return made

    def correct(self, given: Given, sentence: IndexedSentence) -> Answer:
        """Record the labels of somebody who saw those of a model, for any sentence.

        The sentence need not belong to the documents. Its labels are those of the codebook in use.

        Args:
            given: The answer.
            sentence: The sentence.

        Raises:
            DataError: The answer is not valid for the codebook, or the coder has a reserved name.
        """
        coder, codebook = self.coder(given.coder), self.project.codebook
        labels, comment = check_labels(codebook, given.labels, none=given.none), _comment(given)
        self.refresh()
        # The page for coding must know that this coder has seen the labels of the model.
        self._mark("seen", coder, sentence.key)
        last = self.store.answer(coder, sentence.key)
        return self._record(coder, last, sentence, codebook, labels, comment, acts=None, shown=True, sample=None)

    def _record(
        self,
        coder: str,
        last: Answer | None,
        sentence: IndexedSentence,
        codebook: Codebook,
        labels: tuple[str, ...],
        comment: str,
        *,
        acts: dict[str, dict[str, Any]] | None,
        shown: bool,
        sample: str | None,
    ) -> Answer:
        """Append an answer to the files of codings, unless it changes nothing about the last one."""
        if last is not None:
            before = written_acts(last.acts_in(sentence.text))
            if acts is None:
                acts = kept_acts(before, labels)
            known = set(last.labels), last.comment, last.codebook_sha256, last.model_shown, before
            if known == (set(labels), comment, codebook.sha256, shown, acts or {}):
                return last
        # A sheet can have a later time than the clock of this computer. The new answer must still be the latest.
        time = now() if last is None else max(now(), last.time + timedelta(microseconds=1))
        coding = Coding(
            id=sentence.id,
            sha256=sentence.sha256,
            text=sentence.text,
            document=sentence.document,
            index=sentence.index,
            language=sentence.language,
            previous=sentence.previous,
            labels=labels,
            coder=coder,
            time=time,
            codebook=codebook.title,
            codebook_sha256=codebook.sha256,
            sample=sample,
            model_shown=shown,
            comment=comment,
            acts=acts,
        )
        self.record(coding, codebook)
        return Answer(*coding.sentence, labels, comment, time, shown, codebook.sha256, acts, sentence.text)

    def record(self, coding: Coding, codebook: Codebook) -> None:
        """Append a coding to the files of codings. When this function returns, the coding is on disk."""
        self.project.keep_codebook(codebook)
        self.project.log.append([coding])
        index_codings(self.store, self.project.log, appended=True)

    def _saw_model(self, coder: str, key: SentenceKey, last: Answer | None) -> bool:
        """Return whether the coder has seen the labels of the model for a sentence."""
        return (last is not None and bool(last.model_shown)) or self.store.is_marked(SEEN, coder, key)

    def _mark(self, kind: MarkKind, coder: str, key: SentenceKey) -> None:
        """Record what a coder did with a sentence, unless it is known. When this function returns, the mark is on disk."""
        if not self.store.is_marked(MARKED[kind], coder, key):
            self.project.marks.append([Mark(kind=kind, coder=coder, id=key[0], sha256=key[1], time=now())])
            index_codings(self.store, self.project.log, appended=True)


def check_coder(name: str) -> str:
    """Return the name of a coder in Unicode's form NFC, without spaces at its ends, and with single spaces between its words.

    Raises:
        DataError: The name is empty, too long or reserved.
    """
    # Some systems write a letter with an accent as one character, others as two, which look the same.
    name = unicodedata.normalize("NFC", " ".join(name.split()))
    if not name:
        raise DataError("The name of the coder is missing. Enter your name")
    if len(name) > MAX_NAME:
        raise DataError(f"The name of the coder is longer than {MAX_NAME} characters. Shorten it")
    if not is_coder_name(name):
        raise DataError(
            f"The name of the coder {name!a} contains invisible characters, such as control characters or marks of text "
            "direction. Type it again without them"
        )
    if coder_key(name) == ADJUDICATION:
        raise DataError(f"The name {ADJUDICATION!r} is reserved for decisions between coders. Use another name")
    check_coders([name], "The name of the coder")
    return name


def check_labels(codebook: Codebook, labels: Sequence[str], *, none: bool) -> tuple[str, ...]:
    """Return the labels of an answer in the order of the codebook.

    Args:
        codebook: The codebook.
        labels: Names of the labels that were chosen.
        none: Whether it was chosen that no label applies.

    Raises:
        DataError: They are not an answer.
    """
    if NONE in labels and NONE not in codebook.names:
        raise DataError(
            f"{NONE!r} is not a label of the codebook. If no label applies, send no labels and set {NONE!r} to true"
        )
    if none and labels:
        raise DataError(f"The answer contains labels and also {NONE!r}. Choose one of the two")
    if codebook.multilabel and not labels and not none:
        raise DataError(f"No label is chosen. Choose at least one label, or {NONE!r} if no label applies")
    try:
        return codebook.validate_labels(labels)
    except ValueError as error:
        raise DataError(f"The answer cannot be recorded: {error}") from None


def check_acts(
    codebook: Codebook, acts: Mapping[str, Any] | None, text: str, labels: Sequence[str]
) -> dict[str, dict[str, Any]] | None:
    """Return kind, holder and target of an answer in the order of the codebook, or None if nobody was asked for them.

    Raises:
        DataError: They do not fit the text, the labels or the codebook.
    """
    if acts is None:
        return None
    try:
        return written_acts(read_acts(acts, text, labels, codebook))
    except ValueError as error:
        raise DataError(f"The answer cannot be recorded: {error}") from None


def split_choices(codebook: Codebook, chosen: Sequence[str]) -> tuple[list[str], bool]:
    """Return the labels among the choices of a form, and whether it was chosen that no label applies."""
    # Only codebooks without a label of this name have the choice.
    none = NONE in chosen and NONE not in codebook.names
    return [name for name in chosen if not (none and name == NONE)], none


def check_comment(comment: str) -> str:
    """Return a comment without spaces at its ends.

    Raises:
        DataError: It is too long.
    """
    comment = comment.replace("\r\n", "\n").strip()
    if len(comment) > MAX_COMMENT:
        raise DataError(f"The comment has {counted(len(comment), 'character')}. Allowed: {MAX_COMMENT:,}. Shorten it")
    return comment


def _comment(given: Given) -> str:
    comment = check_comment(given.comment)
    if given.unsure and not is_unsure(comment):
        comment = f"{UNSURE}: {comment}" if comment else UNSURE
    return comment


def is_unsure(comment: str) -> bool:
    """Return whether a comment marks an answer as unsure."""
    return comment == UNSURE or comment.startswith(f"{UNSURE}:")


def _values(coder: str, queue: str) -> dict[str, Any]:
    """Return the values of the queries below."""
    return {"coder": coder, "queue": queue, "factor": 1 + shuffled(coder) % (_PRIME - 1)}


def _members(everything: bool) -> Subquery:
    """Return the sentences of a queue that the documents contain."""
    source = SENTENCES if everything else MEMBERS
    query = select(source.c.id, source.c.sha256, source.c.draw)
    return (query if everything else query.where(MEMBERS.c.sample == bindparam("queue"))).subquery()


def _of_coder(table: Table, members: FromClause) -> Exists:
    """Return the condition that a table contains a sentence for the coder."""
    return exists(table.c.id).where(table.c.coder == bindparam("coder"), same_sentence(table, members))


def _waiting(everything: bool, *, skipped: bool) -> Select[Any]:
    """Return the query of the first sentence that a coder has not coded, in the order of the coder.

    In a sample, each coder has a different order, so that coders grow tired at different sentences. All sentences have the same
    order for everyone, so that the first ones are coded by several coders.
    """
    members = _members(everything)
    # The position of a sentence is computed by the database: a function in Python would be called for each member.
    order = (
        [members.c.draw] if everything else [(members.c.draw % _PRIME) * bindparam("factor") % _PRIME, members.c.draw]
    )
    is_skipped = _of_coder(SKIPPED, members) if skipped else ~_of_coder(SKIPPED, members)
    query = select(members.c.id, members.c.sha256).where(~_of_coder(CODINGS, members), is_skipped)
    first = query.order_by(*order).limit(1).subquery()
    return select(SENTENCES).join(first, same_sentence(SENTENCES, first))


def _progress(everything: bool) -> Select[Any]:
    """Return the query of the numbers of `Progress`."""
    members = _members(everything)
    coder: BindParameter[str] = bindparam("coder")
    if everything:
        # Looking up each coded sentence would read pages all over the file.
        own = select(func.count()).where(CODINGS.c.coder == coder, CODINGS.c.present)
        coded = select(CODINGS.c.id, CODINGS.c.sha256).where(CODINGS.c.present).distinct()
        anyone = select(func.count()).select_from(coded.subquery())
    else:
        own = select(func.count()).select_from(members).where(_of_coder(CODINGS, members))
        anyone = (
            select(func.count()).select_from(members).where(exists(CODINGS.c.id).where(same_sentence(CODINGS, members)))
        )
    skipped = select(func.count()).where(
        SKIPPED.c.coder == coder,
        exists(members.c.id).where(same_sentence(members, SKIPPED)),
        ~_of_coder(CODINGS, SKIPPED),
    )
    total = select(func.count()).select_from(members)
    return select(*(query.scalar_subquery() for query in (total, own, anyone, skipped)))


# Every answer needs these queries, of all sentences or of a sample. Building a query takes longer than running it.
_NEXT = {everything: _waiting(everything, skipped=False) for everything in (True, False)}
_SKIPPED = {everything: _waiting(everything, skipped=True) for everything in (True, False)}
_PROGRESS = {everything: _progress(everything) for everything in (True, False)}
