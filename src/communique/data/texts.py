"""Read tables without their labels: as texts, or as the fingerprint of their documents and texts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..errors import CorpusError, DataError
from ..io.paths import list_files
from ..io.read import read_table
from .corpus import Corpus
from .leakage import DIGITS, Fingerprint
from .reader import CorpusReader
from .sources import TextFields
from .standoff import HASH, completed, is_standoff


def read_texts(sources: Iterable[TextFields]) -> tuple[Corpus, Corpus]:
    """Read the rows of tables, which may contain texts of any length.

    Returns:
        The rows with texts, and the rows of stand-off labels, in which the hash of the text takes the place of the text.

    Raises:
        CorpusError: Some rows or files are invalid.
    """
    readers = CorpusReader(None, {}, labelled=False), CorpusReader(None, {}, labelled=False)
    problems: list[str] = []
    for fields, path in ((one, path) for one in sources for path in list_files(one.path)):
        try:
            table = read_table(path, encoding=fields.encoding, sheet=fields.sheet)
            standoff = is_standoff(table)
            reader = readers[standoff]
            reader.column_map = {**fields.columns, **({"text": HASH} if standoff else {})}
            start = len(reader.sentences)
            reader.add(table)
            reader.sentences[start:] = [completed(s, fields) for s in reader.sentences[start:]]
        except DataError as error:
            problems += error.problems
    problems += [problem for reader in readers for problem in reader.problems]
    if problems:
        raise CorpusError(*problems)
    texts, hashes = (Corpus(tuple(reader.sentences), reader.files, tuple(reader.notes)) for reader in readers)
    return texts, hashes


def read_fingerprint(sources: Iterable[TextFields]) -> Fingerprint:
    """Read the fingerprint of tables. The texts of stand-off labels are not needed for it.

    Raises:
        CorpusError: Some rows or files are invalid.
    """
    texts, hashes = read_texts(sources)
    known = texts.fingerprint().texts | {s.text[:DIGITS] for s in hashes}
    return replace((texts + hashes).fingerprint(), texts=frozenset(known))
