"""The index of a project: its sentences, samples and latest codings in one SQLite file, so that pages of large projects are fast.

The files of the project remain the only place where anything is stored. The index can be deleted at any time, and is then built
again from them (`indexing.py`, `coding_index.py`).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Engine,
    FromClause,
    Index,
    Integer,
    MetaData,
    RowMapping,
    Select,
    String,
    Table,
    and_,
    bindparam,
    create_engine,
    event,
    exists,
    func,
    select,
)
from sqlalchemy.dialects.sqlite import Insert
from sqlalchemy.exc import DatabaseError

from ..data.acts import Act, read_acts
from ..data.sentence import acts_in
from ..errors import DataError
from ..io.atomic import disk_errors
from ..project.coding import SentenceKey
from ..text.language import UNDETERMINED
from .index_errors import describe_index_error, is_damaged

#: Folder of the app inside a project, and the file of the index.
APP_FOLDER, INDEX_FILE = ".app", "index.sqlite"

#: Version of the tables. An index with another version is deleted and built again.
VERSION = 6

#: Seconds that a connection waits for another process that writes.
PATIENCE = 30

#: Number of connections, one for each thread in which the server answers requests, and kilobytes of memory for each of them.
_CONNECTIONS, _CACHE = 40, 8000

_metadata = MetaData()


def _key() -> tuple[Column[Any], Column[Any]]:
    return Column("id", String, primary_key=True), Column("sha256", String, primary_key=True)


#: What was read from each source: a signature that changes with its files and, of a file of codings, the number of bytes that
#: were read and the hash of their end.
SOURCES = Table(
    "source",
    _metadata,
    Column("name", String, primary_key=True),
    Column("signature", String, nullable=False),
    Column("read", Integer, nullable=False, default=0),
    Column("tail", String, nullable=False, default=""),
)

#: The sentences. `row` is their order in the documents, and `draw` a random order that is the same for all coders. `index` is what
#: designs and codings record as the index, and `position` the place in the document, or null if it is not known.
SENTENCES = Table(
    "sentence",
    _metadata,
    *_key(),
    Column("row", Integer, nullable=False, index=True),
    Column("draw", Integer, nullable=False),
    Column("text", String, nullable=False),
    Column("document", String, nullable=False),
    Column("source", String),
    Column("index", Integer, nullable=False),
    Column("position", Integer),
    Column("language", String, nullable=False),
    Column("previous", String, nullable=False),
    Column("groups", JSON, nullable=False),
)
# The indexes contain all columns by which the next sentence is chosen, so that the search reads neighbouring pages of the file.
Index("sentence_draw", SENTENCES.c.draw, SENTENCES.c.id, SENTENCES.c.sha256)
Index("sentence_place", SENTENCES.c.document, SENTENCES.c.source, SENTENCES.c.position)

#: The sentences of each sample that the index contains, with the labels of the model that the sample was drawn from.
MEMBERS = Table(
    "member",
    _metadata,
    Column("sample", String, primary_key=True),
    *_key(),
    Column("draw", Integer, nullable=False),
    Column("labels", JSON),
)
Index("member_draw", MEMBERS.c.sample, MEMBERS.c.draw, MEMBERS.c.id, MEMBERS.c.sha256)

#: The labels of the newest output of `communique label`.
PREDICTIONS = Table(
    "prediction", _metadata, *_key(), Column("labels", JSON, nullable=False), Column("probabilities", JSON)
)

#: The latest coding of each sentence by each coder. `present` says whether the index contains the sentence.
CODINGS = Table(
    "coding",
    _metadata,
    Column("coder", String, primary_key=True),
    *_key(),
    Column("labels", JSON, nullable=False),
    Column("comment", String, nullable=False),
    Column("time", String, nullable=False),
    Column("sample", String),
    Column("model_shown", Boolean),
    Column("codebook_sha256", String, nullable=False),
    Column("acts", JSON),
    # Only if there are acts, because their spans refer to it.
    Column("text", String),
    Column("present", Boolean, nullable=False),
)
Index("coding_sentence", CODINGS.c.id, CODINGS.c.sha256, CODINGS.c.present)
Index("coding_present", CODINGS.c.coder, CODINGS.c.present)
Index("coding_time", CODINGS.c.coder, CODINGS.c.time)

#: Sentences that a coder skipped, and sentences for which a coder saw the labels of the model.
SKIPPED = Table("skipped", _metadata, Column("coder", String, primary_key=True), *_key())
SEEN = Table("seen", _metadata, Column("coder", String, primary_key=True), *_key())


@dataclass(frozen=True)
class IndexedSentence:
    """A sentence of the index. `sha256` is the hash of the text as coders see it.

    `index` is what codings record. `position` is the place in the document; None if it is not known, so that the sentence has no
    neighbours.
    """

    id: str
    sha256: str
    text: str
    document: str
    index: int = 0
    position: int | None = None
    source: str | None = None
    language: str = UNDETERMINED
    previous: str = ""
    groups: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> SentenceKey:
        """The id and the hash of the text, which together identify the sentence."""
        return self.id, self.sha256


@dataclass(frozen=True)
class Answer:
    """The latest coding of a sentence by a coder."""

    id: str
    sha256: str
    labels: tuple[str, ...]
    comment: str
    time: datetime
    model_shown: bool | None
    codebook_sha256: str
    acts: Mapping[str, Mapping[str, Any]] | None = None
    text: str | None = None

    @property
    def key(self) -> SentenceKey:
        """The id and the hash of the text."""
        return self.id, self.sha256

    def acts_in(self, text: str) -> dict[str, Act]:
        """Return kind, holder and target by label, as offsets into the text of the sentence."""
        if not self.acts or self.text is None:
            return {}
        return acts_in(text, read_acts(self.acts, self.text, self.labels, None), self.text)


class Store:
    """The index of one project. Several threads and processes can use it at the same time.

    Args:
        folder: Folder of the project.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / APP_FOLDER / INDEX_FILE
        with disk_errors(self.path.parent, "Check the permissions of the folder"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self._engine = self._open()
        self._writer = threading.Lock()

    def _open(self) -> Engine:
        engine = _engine(self.path)
        try:
            with engine.connect() as connection:
                version = connection.exec_driver_sql("PRAGMA user_version").scalar()
            if version in (0, VERSION):
                self._create(engine)
                return engine
        except DatabaseError as error:
            engine.dispose()
            # The files of the project contain everything that is in a damaged index. An index that cannot be used now is left
            # alone, because another process may be using it.
            if not is_damaged(error):
                raise DataError(describe_index_error(error)) from error
        engine.dispose()
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        engine = _engine(self.path)
        self._create(engine)
        return engine

    def _create(self, engine: Engine) -> None:
        with engine.execution_options(writes=True).begin() as connection:
            _metadata.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a connection that sees one state of the index, and does not wait for a process that writes."""
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction. Only one process writes at a time."""
        # SQLite lets those who wait try again after ever longer pauses, so that one of many threads could wait for too long.
        with self._writer, self._engine.execution_options(writes=True).begin() as connection:
            yield connection

    def count(self) -> int:
        """Return the number of sentences."""
        with self.reading() as connection:
            return connection.scalar(select(func.count()).select_from(SENTENCES)) or 0

    def sentence(self, key: SentenceKey, sample: str | None = None) -> IndexedSentence | None:
        """Return a sentence, or None if the index, or the sample, does not contain it."""
        if sample is None:
            return self.first(_BY_KEY, id=key[0], sha256=key[1])
        return self.first(_MEMBER_BY_KEY, id=key[0], sha256=key[1], sample=sample)

    def first(self, query: Select[Any], **values: Any) -> IndexedSentence | None:
        """Return the first sentence that a query of `SENTENCES` finds, or None."""
        with self.reading() as connection:
            row = connection.execute(query, values).mappings().first()
        return None if row is None else _sentence(row)

    def neighbours(
        self, sentence: IndexedSentence, *, around: int = 2
    ) -> tuple[list[IndexedSentence], list[IndexedSentence]]:
        """Return the sentences of the same document before and after a sentence. There are none if its position is not known."""
        if (position := sentence.position) is None:
            return [], []
        values = {
            "document": sentence.document,
            "source": sentence.source,
            "first": position - around,
            "last": position + around,
            "limit": 2 * around + 1,
        }
        with self.reading() as connection:
            found = [_sentence(row) for row in connection.execute(_NEAR, values).mappings()]
        return (
            [one for one in found if one.position is not None and one.position < position],
            [one for one in found if one.position is not None and one.position > position],
        )

    def answer(self, coder: str, key: SentenceKey) -> Answer | None:
        """Return the latest coding of a sentence by a coder, or None."""
        with self.reading() as connection:
            values = {"coder": coder, "id": key[0], "sha256": key[1]}
            row = connection.execute(_ANSWER, values).mappings().first()
        return None if row is None else _answer(row)

    def last_answer(self, coder: str, sample: str | None, *, before: datetime | None = None) -> Answer | None:
        """Return the newest coding by a coder of a sentence that a sample and the documents contain, or None.

        Args:
            coder: The coder.
            sample: Name of the sample. None: any sentence of the documents.
            before: Only consider codings before this time. Default: all.
        """
        members = exists(MEMBERS.c.id).where(MEMBERS.c.sample == sample, same_sentence(MEMBERS, CODINGS))
        inside = CODINGS.c.present if sample is None else members
        query = select(CODINGS).where(CODINGS.c.coder == coder, inside).order_by(CODINGS.c.time.desc()).limit(1)
        if before is not None:
            query = query.where(CODINGS.c.time < time_key(before))
        with self.reading() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _answer(row)

    def is_marked(self, table: Table, coder: str, key: SentenceKey) -> bool:
        """Return whether a coder skipped a sentence (`SKIPPED`) or saw the labels of the model (`SEEN`)."""
        with self.reading() as connection:
            query = select(table.c.id).where(table.c.coder == coder, is_key(table, key))
            return connection.execute(query).first() is not None


def is_key(table: Table, key: tuple[Any, Any]) -> ColumnElement[bool]:
    """Return the condition that a row of a table belongs to a sentence."""
    return and_(table.c.id == key[0], table.c.sha256 == key[1])


def same_sentence(one: FromClause, other: FromClause) -> ColumnElement[bool]:
    """Return the condition that the rows of two tables belong to the same sentence."""
    return and_(one.c.id == other.c.id, one.c.sha256 == other.c.sha256)


# Every answer needs these queries. Building a query takes longer than running it.
_KEY: tuple[Any, Any] = bindparam("id"), bindparam("sha256")
_BY_KEY = select(SENTENCES).where(is_key(SENTENCES, _KEY))
_MEMBER_BY_KEY = _BY_KEY.where(
    exists(MEMBERS.c.id).where(MEMBERS.c.sample == bindparam("sample"), same_sentence(MEMBERS, SENTENCES))
)
_ANSWER = select(CODINGS).where(CODINGS.c.coder == bindparam("coder"), is_key(CODINGS, _KEY))
_NEAR = (
    select(SENTENCES)
    .where(
        SENTENCES.c.document == bindparam("document"),
        SENTENCES.c.source.is_not_distinct_from(bindparam("source")),
        SENTENCES.c.position.between(bindparam("first"), bindparam("last")),
    )
    .order_by(SENTENCES.c.position, SENTENCES.c.row)
    .limit(bindparam("limit"))
)


def time_key(time: datetime) -> str:
    """Return a time as text in which later times sort after earlier ones."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def shuffled(*parts: str) -> int:
    """Return a number of 62 bits that looks random, but is the same for the same texts."""
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).digest()[:8], "big") >> 2


def or_replace(statement: Insert, *, where: ColumnElement[bool] | None = None) -> Insert:
    """Return the statement that replaces a row with the same key if the condition holds."""
    table = statement.table
    changed = {column.name: statement.excluded[column.name] for column in table.c if not column.primary_key}
    keys = [column.name for column in table.c if column.primary_key]
    return statement.on_conflict_do_update(index_elements=keys, set_=changed, where=where)


def _engine(path: Path) -> Engine:
    connecting = {"timeout": PATIENCE, "check_same_thread": False}
    # The connection that was used last comes first, because it remembers most.
    pool = {"pool_size": _CONNECTIONS, "max_overflow": 0, "pool_use_lifo": True}
    engine = create_engine(f"sqlite:///{path}", connect_args=connecting, **pool)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # transactions begin where `begin` says, not at the first change
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", f"cache_size = {-_CACHE}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that starts by reading could not be continued if another process writes in between.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _sentence(row: RowMapping) -> IndexedSentence:
    return IndexedSentence(
        id=row["id"],
        sha256=row["sha256"],
        text=row["text"],
        document=row["document"],
        index=row["index"],
        position=row["position"],
        source=row["source"],
        language=row["language"],
        previous=row["previous"],
        groups=row["groups"],
    )


def _answer(row: RowMapping) -> Answer:
    return Answer(
        id=row["id"],
        sha256=row["sha256"],
        labels=tuple(row["labels"]),
        comment=row["comment"],
        time=datetime.fromisoformat(row["time"]),
        model_shown=row["model_shown"],
        codebook_sha256=row["codebook_sha256"],
        acts=row["acts"],
        text=row["text"],
    )
