"""Fill the index of a project from its documents, its samples and the newest labels of a model.

`python -m communique.app.indexing FOLDER` does this in a process of its own, so that the pages stay responsive meanwhile.
"""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from filelock import FileLock
from sqlalchemy import delete, exists, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from ..errors import CodebookError, CommuniqueError, DataError
from ..project import Project
from ..project.documents import read_documents
from ..project.rows import member_keys
from ..reporting.progress import ProgressReporter
from ..sampling.population import Population, display_sha256, read_population, visible
from ..sampling.texts import content_of
from .coding_index import index_codings
from .next_tables import NextTables
from .store import (
    CODINGS,
    MEMBERS,
    PREDICTIONS,
    SENTENCES,
    SOURCES,
    Store,
    or_replace,
    same_sentence,
    shuffled,
)
from .tables import Tables

#: Name of the row of the table of sources that describes the documents, the samples and the labels.
DOCUMENTS = "documents"

#: Name of the file that is locked while the index is built.
LOCK = "index.lock"

#: Number of rows that are inserted together.
_BATCH = 5000

#: Columns that are not groups, because the index has a column for each of them.
_SHOWN = ("document", "language", "source")


def signature(project: Project) -> str:
    """Return a hash of the names, sizes and times of all files that the index is made from.

    It also covers the names of the labels, with which tables without probabilities are read, and the options with which texts are
    read.

    Raises:
        CodebookError: The codebook is invalid.
        DataError: `project.yaml` is invalid.
    """
    made = (*project.codebook.names, *project.reading().arguments())
    digest = hashlib.sha256("\0".join(made).encode("utf-8", "surrogateescape"))
    for path in [
        *_files(project.documents()),
        *sorted((project.folder / "samples").glob("*.design.json")),
        *project.labelled(),
    ]:
        try:
            state = path.stat()
        except OSError:
            continue
        digest.update(f"{path.resolve()}\0{state.st_size}\0{state.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def is_current(project: Project, store: Store) -> bool:
    """Return whether the index contains the present documents, samples and labels.

    With an invalid codebook or `project.yaml` it counts as current, because it could not be built. Pages report the file.
    """
    with store.reading() as connection:
        found = connection.scalar(select(SOURCES.c.signature).where(SOURCES.c.name == DOCUMENTS))
    try:
        return found == signature(project)
    except (CodebookError, DataError):
        return True


def rebuild(project: Project, store: Store, progress: ProgressReporter | None = None) -> list[str]:
    """Build the index of sentences, samples and labels again. Return notes about the documents.

    Others see the old content until the new one is complete, and can record answers meanwhile. Codings are indexed as well. If
    another process is building the index, wait for it.

    Args:
        project: The project.
        store: Its index.
        progress: Receives the progress. Default: none is reported.

    Raises:
        DataError: A document cannot be read.
        CodebookError: The codebook is invalid.
    """
    with FileLock(store.path.with_name(LOCK)):
        notes = _rebuild(project, store, progress)
    index_codings(store, project.log)
    return notes


def _rebuild(project: Project, store: Store, progress: ProgressReporter | None) -> list[str]:
    made_from = signature(project)
    notes: list[str] = []
    population = None
    if project.documents():
        population, notes = read_documents(project, progress)
    newest = population if population is not None and population.has_predictions else None
    if labelled := project.labelled():
        newest, problems = _read_labels(labelled[-1], project)
        notes = [*notes, *problems]
    tables = NextTables(store, (SENTENCES, MEMBERS, PREDICTIONS))
    wanted = _add_members(tables, project)
    if population is not None:
        _add_sentences(tables, population)
    if newest is not None:
        if newest is not population:
            _add_sentences(tables, newest, only=wanted)
        _add_predictions(tables, newest)
    with store.writing() as connection:
        sentences, members = tables[SENTENCES], tables[MEMBERS]
        connection.execute(delete(members).where(~exists().where(same_sentence(sentences, members))))
    with tables.replace() as connection:
        connection.execute(update(CODINGS).values(present=exists().where(same_sentence(SENTENCES, CODINGS))))
        connection.execute(
            or_replace(upsert(SOURCES)), {"name": DOCUMENTS, "signature": made_from, "read": 0, "tail": ""}
        )
    return notes


def _read_labels(path: Path, project: Project) -> tuple[Population | None, list[str]]:
    """Read an output of `communique label`. If that is not possible, return None and the reason.

    People can code without these labels, so they must not keep documents and samples out of the index.
    """
    try:
        # A table with probabilities names its labels, which can be others than those of the codebook by now.
        codebook = None if content_of(path) == "probabilities" else project.codebook
        return read_population(path, codebook), []
    except DataError as error:
        return None, [
            f"the labels of a model are left out, because they cannot be read: {line}" for line in error.lines
        ]


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(one for one in path.rglob("*") if one.is_file())
        else:
            yield path


def _add_members(tables: NextTables, project: Project) -> set[tuple[str, str]]:
    """Add the members of all samples, and return what identifies them."""
    keys: set[tuple[str, str]] = set()
    for name, design in project.designs().items():
        keys |= member_keys(design)
        tables.add(
            MEMBERS,
            [
                {
                    "sample": name,
                    "id": row.id,
                    "sha256": (digest := row.display_sha256 or row.sha256),
                    "draw": shuffled(row.id, digest),
                    "labels": list(row.labels) if design.predictions is not None else None,
                }
                for row in design.rows
            ],
        )
    return keys


def _add_sentences(tables: NextTables, population: Population, only: set[tuple[str, str]] | None = None) -> None:
    """Add the sentences of a population that have not been added yet.

    Args:
        tables: The tables.
        population: The sentences.
        only: What identifies the sentences to add. Default: all of them.
    """
    first = 0 if only is None else 10**9  # sentences of former documents follow the present ones
    groups = {name: column.values() for name, column in population.columns.items() if name not in _SHOWN}
    for start in range(0, len(population), _BATCH):
        rows = []
        for number in range(start, min(start + _BATCH, len(population))):
            sentence = population.sentence(number)
            digest = display_sha256(sentence.text)
            if only is not None and (sentence.id, digest) not in only:
                continue
            rows.append(
                {
                    "id": sentence.id,
                    "sha256": digest,
                    "row": first + number,
                    "draw": shuffled(sentence.id, digest),
                    "text": visible(sentence.text),
                    "document": sentence.document,
                    "source": sentence.source,
                    "index": sentence.index,
                    "position": sentence.index if population.has_index else None,
                    "language": sentence.language,
                    "previous": visible(sentence.previous or ""),
                    "groups": {name: values[number] for name, values in groups.items() if values[number]},
                }
            )
        tables.add(SENTENCES, rows)


def _add_predictions(tables: NextTables, population: Population) -> None:
    """Add the labels of a model."""
    for start in range(0, len(population), _BATCH):
        rows = []
        for number in range(start, min(start + _BATCH, len(population))):
            values = [round(float(p), 4) for p in population.probabilities[number]]
            known = not population.n_without_probabilities and not any(map(math.isnan, values))
            rows.append(
                {
                    "id": population.ids[number].as_py(),
                    "sha256": display_sha256(population.texts[number].as_py() or ""),
                    "labels": list(population.predicted(number)),
                    "probabilities": dict(zip(population.names, values, strict=True)) if known else None,
                }
            )
        tables.add(PREDICTIONS, rows)


def main(arguments: Sequence[str]) -> int:
    """Build the index of a project. Return 0, or 1 if the documents cannot be read."""
    try:
        project = Project.open(arguments[0])
        store = Store(project.folder)
        for line in rebuild(project, store, ProgressReporter()):
            print(line)
        Tables(project).prepare()
    except CommuniqueError as error:
        print("error: " + "\n".join(error.lines if isinstance(error, DataError) else [str(error)]), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
