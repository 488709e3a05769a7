"""`communique label`: find the input, label it, write the output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from . import documents, tables
from .corpus import COLUMNS, find_column
from .errors import DataError
from .predictor import Predictions, Predictor
from .statements import UNDETERMINED, Statement
from .tables import Row

#: Columns of the output, in this order, before the input's own.
OUTPUT = ("id", "document", "index", "language", "text", "labels", "probabilities", "truncated")

#: Endings of an output file.
OUTPUT_SUFFIXES = (".jsonl", ".csv", ".parquet")

#: Colours of labels on a terminal, by position in the codebook.
_COLOURS = ("red", "blue", "green", "magenta", "cyan", "yellow")


@dataclass
class Input:
    """Statements to label, the input's own columns of each, and what to tell the user."""

    statements: list[Statement] = field(default_factory=list)
    own: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    empty: int = 0

    def add(self, statements: Sequence[Statement], own: Row) -> None:
        """Append consecutive statements that share the input's own columns."""
        self.statements += statements
        self.own += [own] * len(statements)


def read_input(
    paths: Sequence[str | Path],
    *,
    text_column: str | None = None,
    language: str | None = None,
    split: bool = False,
) -> Input:
    """Read documents, folders of documents, and tables.

    Args:
        paths: Files and folders.
        text_column: A table's column of texts; found by its name where None.
        language: BCP 47 code of all texts; identified once a document (in tables: a row) where None.
        split: Whether a table's texts are split into sentences.

    Raises:
        DataError: A file named by the user is not there or of an ending that is not known, or nothing could be read.
    """
    found = Input()
    for given in map(Path, paths):
        if given.is_dir():
            inside = documents.document_paths(given)
            if not inside:
                raise DataError(
                    f"{given}: no documents ({', '.join(documents.SUFFIXES)}) in this folder; name a table itself"
                )
            for path in inside:
                name = path.relative_to(given).with_suffix("").as_posix()
                # An unreadable file of a folder keeps its reason, and the others are read.
                try:
                    _add_document(found, path, language, name)
                except DataError as error:
                    found.unreadable += error.problems
        elif given.suffix.lower() in documents.SUFFIXES:
            _add_document(found, given, language, given.stem)
        elif given.suffix.lower() in tables.SUFFIXES:
            _add_table(found, given, text_column, language, split)
        else:
            allowed = ", ".join(documents.SUFFIXES + tables.SUFFIXES)
            raise DataError(f"{given}: give a folder or a file that ends in {allowed}")
    if not found.statements and found.unreadable:
        raise DataError(*found.unreadable)
    return found


def _add_document(found: Input, path: Path, language: str | None, name: str) -> None:
    document = documents.read_document(path, language=language, name=name)
    found.notes += document.notes
    if not document.statements:
        found.notes.append(f"{path}: no text in it")
    found.add(document.statements, {})


def _add_table(found: Input, path: Path, text_column: str | None, language: str | None, split: bool) -> None:
    table = tables.read_table(path)
    found.notes += table.notes
    found.unreadable += table.problems
    text_name = text_column or find_column(table.columns, "text")
    if text_name is None or text_name not in table.columns:
        raise DataError(
            f"{path}: no column {text_column or ' or '.join(COLUMNS['text'])!r} of texts; columns: {', '.join(table.columns)}; "
            "name the one that holds the text with --text-column"
        )
    names = {name: find_column(table.columns, name) for name in ("id", "document", "language")}
    # What the output repeats under the same name need not stand twice; all else of that name is kept under another.
    repeated = {name for name in names if names[name] == name and not (name == "language" and language)}
    repeated -= {"id"} if split else set()
    renamed = {c: f"input_{c}" for c in table.columns if c in OUTPUT and c not in repeated and c != text_name}
    for old, new in renamed.items():
        found.notes.append(f"{path}: column {old!r} is kept as {new!r}, because the output has a column of that name")
    for number, row in table.rows:
        value = row.get(text_name)
        text = "" if value is None else str(value).strip()
        found.empty += not text
        given = {name: tables.cell(row, names[name]) for name in names}
        identity = given["id"] or f"{path.stem}:{number}"
        document = given["document"] or identity
        spoken = language or given["language"] or documents.identify_language(text)
        # The text itself is the output's; a long one is not repeated beside each of its sentences.
        own = {renamed.get(k, k): v for k, v in row.items() if k not in repeated and k != text_name}
        if split and text:
            sentences = [s for block in documents.text_blocks(text) for s in documents.split_sentences(block, spoken)]
            found.add(documents.statements(sentences, prefix=identity, document=document, language=spoken), own)
        else:
            found.add([Statement(id=identity, text=text, document=document, language=spoken)], own)


def rows(found: Input, predictions: Predictions) -> Iterator[Row]:
    """Join statements with their predictions, in the input's order; an empty text has no labels and no probabilities."""
    for statement, own, labels, probability, truncated in zip(
        found.statements,
        found.own,
        predictions.labels,
        predictions.probabilities.tolist(),
        predictions.truncated.tolist(),
        strict=True,
    ):
        read = bool(statement.text)
        yield {
            "id": statement.id,
            "document": statement.document,
            "index": statement.index,
            "language": statement.language,
            "text": statement.text,
            "labels": labels if read else [],
            "probabilities": {
                name: round(p, 6) if read else None for name, p in zip(predictions.names, probability, strict=True)
            },
            "truncated": truncated,
            **own,
        }


def write(path: str | Path, output: Sequence[Row]) -> None:
    """Write labelled rows as JSON Lines, CSV or Parquet, by the ending of the path.

    In CSV labels are joined as ``a|b`` and each probability has a column `probability_<label>`.

    Raises:
        DataError: The ending is another one, or the folder is not there.
    """
    path = Path(path)
    if path.suffix.lower() not in OUTPUT_SUFFIXES:
        raise DataError(f"{path}: an output ends in {', '.join(OUTPUT_SUFFIXES)}")
    if not path.parent.is_dir():
        raise DataError(f"{path}: the folder {path.parent} is not there; make it first")
    if path.suffix.lower() == ".jsonl":
        tables.write_jsonl(path, output)
    elif path.suffix.lower() == ".csv":
        flat = [_flat(row) for row in output]
        columns = list(dict.fromkeys(column for row in flat for column in row)) or list(OUTPUT)
        tables.write_csv(path, columns, flat)
    else:
        tables.write_parquet(path, output)


def _flat(row: Row) -> Row:
    flat: Row = {}
    for key, value in row.items():
        if key == "probabilities":
            flat |= {f"probability_{label}": p for label, p in value.items()}
        else:
            flat[key] = value
    return flat


def print_table(console: Console, output: Sequence[Row], names: Sequence[str]) -> None:
    """Print labelled rows as one table a document, labels in colour."""
    colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(names)}
    by_document: dict[str, list[Row]] = {}
    for row in output:
        by_document.setdefault(row["document"], []).append(row)
    for document, members in by_document.items():
        table = Table(title=f"{document} ({members[0]['language']})", title_justify="left", show_lines=False)
        table.add_column("#", justify="right", style="dim")
        table.add_column("sentence", ratio=1, overflow="fold")
        table.add_column("labels", no_wrap=True)
        for row in members:
            labels = Text("\n").join(
                Text(f"{label} {row['probabilities'][label]:.2f}", style=colours[label]) for label in row["labels"]
            )
            text = row["text"] + (" […cut]" if row["truncated"] else "")
            table.add_row(str(row["index"]), Text(text), labels if row["labels"] else Text("–", style="dim"))
        console.print(table)


def summary(found: Input, output: Sequence[Row], names: Sequence[str]) -> str:
    """Say in one line what was labelled, what was cut, empty or unreadable."""
    labels = Counter(label for row in output for label in row["labels"])
    languages = Counter(row["language"] for row in output)
    documents_ = len({row["document"] for row in output})
    parts = [
        f"{len(output)} sentences in {documents_} documents",
        ", ".join(f"{name} {labels[name]}" for name in names) + f", none {sum(not row['labels'] for row in output)}",
        "languages: " + ", ".join(f"{language} {n}" for language, n in languages.most_common()),
        f"truncated {sum(row['truncated'] for row in output)}",
    ]
    if found.empty:
        parts.append(f"empty {found.empty}")
    if languages[UNDETERMINED]:
        parts.append(f"language unknown {languages[UNDETERMINED]}")
    if found.unreadable:
        parts.append(f"unreadable {len(found.unreadable)}")
    return "; ".join(parts)


def label(found: Input, predictor: Predictor) -> list[Row]:
    """Label an input; one row a statement, in order."""
    return list(rows(found, predictor.predict(found.statements)))
