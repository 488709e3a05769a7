"""Stand-off labels: labels that are stored without their texts and joined with them by hash.

A stand-off file is a table with a column `sha256` instead of `text` (see `communique.data.sentence.text_sha256`). Its column
`acts` contains character offsets and kinds instead of words. The texts are read from tables with a text column, or from
plain text files with one sentence per line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import CorpusError, DataError
from ..io.encoding import read_text
from ..io.paths import list_files
from ..io.read import Table, read_table
from ..io.suffixes import TABLE_SUFFIXES, ending
from ..io.tables import Row
from ..io.write import write_jsonl
from ..text.language import UNDETERMINED
from .acts import ROLES, Span, read_acts
from .codebook import Codebook, other_codebooks
from .corpus import Corpus
from .labels import split_labels
from .reader import CorpusReader, find_column
from .sentence import Sentence, normalized, normalized_offset, original_span, text_sha256
from .sources import CorpusFields, TextFields

#: Column that contains the hash of the text.
HASH = "sha256"


@dataclass(frozen=True)
class Join:
    """The result of joining stand-off labels with their texts.

    `found` is the number of rows whose text was found. `missing` counts the other rows by source, and `missing_ids` lists
    their ids.
    """

    found: int
    missing: Mapping[str, int]
    missing_ids: tuple[str, ...]

    def describe(self) -> str:
        """Return a line with the number of rows whose text was found and the number of missing texts per source."""
        line = f"found the texts of {self.found} of {self.found + len(self.missing_ids)} rows with stand-off labels"
        if not self.missing_ids:
            return line
        by_source = ", ".join(f"{source} {n}" for source, n in self.missing.items())
        return (
            f"{line}. Missing texts by source: {by_source} (first: id {self.missing_ids[0]!r}). sources.yaml lists where to get "
            "them"
        )


def is_standoff(table: Table) -> bool:
    """Return whether a table contains hashes instead of texts."""
    return HASH in table.columns and find_column(table.columns, "text") is None


def texts_by_hash(path: str | Path) -> dict[str, str]:
    """Read texts and return them by their hash.

    Args:
        path: A file or a folder. In tables, the text column is read. In `.txt` files, each line is a text.

    Raises:
        DataError: There is no such file, or a file cannot be read.
    """
    texts: list[str] = []
    for file in list_files(path, (".txt", *TABLE_SUFFIXES)):
        if ending(file)[0] == ".txt":
            texts += read_text(file)[0].splitlines()
        else:
            table = read_table(file)
            column = find_column(table.columns, "text")
            if column is not None:
                texts += (row[column] for _, row in table.rows if isinstance(row.get(column), str))
    return {text_sha256(text): text for text in texts}


def join(table: Table, texts: Mapping[str, str]) -> Join:
    """Add the texts to a stand-off table as a column `text`, and remove the rows whose text is missing.

    Args:
        table: A stand-off table. It is modified in place.
        texts: Texts by hash.
    """
    found: list[tuple[int, Row]] = []
    missing: Counter[str] = Counter()
    missing_ids = []
    for number, row in table.rows:
        text = texts.get(str(row.get(HASH)))
        if text is None:
            missing[str(row.get("source") or "unknown")] += 1
            missing_ids.append(str(row.get("id", number)))
        else:
            joined = {**row, "text": text}
            if text != normalized(text):
                joined["acts"] = _original_acts(text, row.get("acts"))
            found.append((number, joined))
    table.rows = found
    table.columns.append("text")
    return Join(len(found), missing, tuple(missing_ids))


def _original_acts(text: str, acts: Any) -> Any:
    """Convert the spans of acts from the `normalized` form of a text to the text. Invalid acts are reported by the reader."""
    if not isinstance(acts, Mapping):
        return acts
    moved = {name: dict(act) if isinstance(act, Mapping) else act for name, act in acts.items()}
    for act in moved.values():
        for column in (f"{role}_span" for role in ROLES):
            with suppress(AttributeError, TypeError, ValueError):
                start, end = act[column]
                act[column] = original_span(text, (int(start), int(end)))
    return moved


#: Fields of a stand-off row, in addition to its hash, labels and acts, with their types. Other fields, and values of other types,
#: are not written because they might quote the text.
_FIELDS: Mapping[str, tuple[type, ...]] = {
    "id": (str, int),
    "language": (str,),
    "source": (str,),
    "document": (str, int),
    "parallel": (str, int),
    "passage": (str, int),
    "index": (int,),
    "in_order": (bool,),
    "genre": (str,),
    "date": (str, int),
    "weight": (int, float),
    "sampling": (str,),
    "annotators": (int,),
}

#: A text of at least this many characters may not occur in any field. A shorter text, such as "1999", may occur in an identifier
#: by chance.
_QUOTABLE = 20


def write_standoff(path: str | Path, rows: Iterable[Row], codebook: Codebook) -> None:
    """Write labelled rows as a stand-off file that contains no words of the texts.

    Args:
        path: The JSON Lines file to write.
        rows: Labelled rows with `text`, `labels` and, optionally, `acts` (see `reduce_acts`). Fields that are not part of the
            format, and values of the wrong type, are not written.
        codebook: The codebook of the labels.

    Raises:
        DataError: A row has no text, has labels or kinds that are not in the codebook, has spans that do not match the text,
            or repeats the text in another field.
    """
    write_jsonl(path, (_standoff_row(row, number, codebook) for number, row in enumerate(rows, 1)))


def _standoff_row(row: Row, number: int, codebook: Codebook) -> Row:
    try:
        text = row.get("text")
        if not isinstance(text, str):
            raise ValueError("the field 'text' is missing. Add it, because its hash identifies the row")
        kept = {name: row[name] for name, types in _FIELDS.items() if _is_one_of(types, row.get(name))}
        for name, value in kept.items():
            if len(normalized(text)) >= _QUOTABLE and normalized(text) in normalized(str(value)):
                raise ValueError(f"the field {name!r} contains the text. Remove it")
        kept["labels"] = list(codebook.validate_labels(split_labels(row.get("labels"), codebook)))
        if "acts" in row:
            kept["acts"] = reduce_acts(row, codebook)
    except ValueError as error:
        raise DataError(f"row {number} ({row.get('id', 'no id')}): {error}") from None
    return kept | {HASH: text_sha256(text)}


def _is_one_of(types: tuple[type, ...], value: object) -> bool:
    """Return whether a value has one of the types. Numbers may also be text, as in CSV and TSV files."""
    number = isinstance(value, str) and value.replace(".", "", 1).isdecimal() and int in types
    return type(value) in types or number


def reduce_acts(row: Row, codebook: Codebook) -> dict[str, dict[str, Any]]:
    """Reduce the acts of a labelled row to offsets and kinds.

    Args:
        row: A row with `text`, `labels` and, optionally, `acts`. `acts` maps each label to `holder_span` and `target_span`
            (pairs of character offsets into `text`, excluding the end, or None) and, if the label has kinds, to `kind`. The
            words themselves may be included as `holder` and `target`. They are compared with the spans and then dropped.
        codebook: The codebook of the labels.

    Returns:
        For each label, in the order of the codebook: `holder_span` and `target_span`, as offsets into the `normalized` text,
        and `kind` if there is one.

    Raises:
        ValueError: `acts` contains a label that the row does not have, a span does not match the text, or a kind is not in
            the codebook.
    """
    labels = split_labels(row.get("labels"), codebook)
    reduced: dict[str, dict[str, Any]] = {}
    for name, act in read_acts(row.get("acts") or {}, row["text"], labels, codebook).items():
        spans = {f"{role}_span": _normalized_span(row["text"], act.span(role), role) for role in ROLES}
        reduced[name] = (spans if act.with_spans else {}) | ({} if act.kind is None else {"kind": act.kind})
    return reduced


def _normalized_span(text: str, span: Span | None, role: str) -> list[int] | None:
    """Convert a span of the original text to a span of the `normalized` text."""
    if span is None:
        return None
    start, end = span
    moved = [normalized_offset(text, start), normalized_offset(text, end)]
    if normalized(text)[moved[0] : moved[1]] != normalized(text[start:end]):
        raise ValueError(f"'{role}_span' {list(span)!r} is not the position of the {role} in the text. Correct it")
    return moved


def scan_corpora(
    paths: Iterable[str | Path],
    codebook: Codebook,
    texts: str | Path | None,
    *,
    columns: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
    labelled: bool = True,
    refuse_model: bool = True,
) -> tuple[Corpus, list[str], list[str]]:
    """Read corpora, which may include stand-off files. Each file is read once.

    Args:
        paths: Tables, folders or globs. Stand-off files require `texts`. Without it they are skipped, and a line reports this.
        codebook: The codebook of the labels.
        texts: A file or folder with the texts of stand-off labels.
        columns: Column for each field of `Sentence` whose column is not named as in `reader.COLUMNS`.
        labels: Label of the codebook for each name that the tables use instead.
        encoding: Encoding of text files. Default: detected for each file.
        sheet: Sheet of workbooks, by name or by number from 1. Default: the first visible one.
        labelled: Whether rows without labels are left out.
        refuse_model: Whether labels that a model assigned are a problem. Otherwise, they are not read.

    Returns:
        The valid sentences, lines that report which texts were joined or are missing and which files were skipped, and one
        line per problem.
    """
    sources = _sources(paths, columns, labels, encoding, sheet)
    return scan_sources(sources, codebook, texts, labelled=labelled, refuse_model=refuse_model)


def _sources(
    paths: Iterable[str | Path],
    columns: Mapping[str, str] | None,
    labels: Mapping[str, str] | None,
    encoding: str | None,
    sheet: str | None,
) -> list[CorpusFields]:
    """Return the fields of tables that are named without a recipe."""
    return [
        CorpusFields(
            path=_utf8(path), columns=dict(columns or {}), labels=dict(labels or {}), encoding=encoding, sheet=sheet
        )
        for path in paths
    ]


def _utf8(path: str | Path) -> str:
    """Return a path as text.

    Raises:
        DataError: The path has bytes that are invalid in the encoding of this system's file names.
    """
    name = str(path)
    if not name.isascii() and name != name.encode("utf-8", "replace").decode("utf-8"):
        raise DataError(
            f"{name}: the name contains bytes that are invalid in this system's encoding. Rename the file, or set LC_ALL=C.UTF-8"
        )
    return name


def scan_sources(
    sources: Iterable[CorpusFields],
    codebook: Codebook,
    texts: str | Path | None,
    *,
    labelled: bool = True,
    refuse_model: bool = True,
) -> tuple[Corpus, list[str], list[str]]:
    """Read the corpora of a recipe. Values in a row take precedence over values in the recipe.

    The arguments and results are those of `scan_corpora`.
    """
    reader = CorpusReader(codebook, {}, labelled, refuse_model=refuse_model)
    messages: list[str] = []
    known: dict[str, str] | None = None
    words: dict[str, None] = {}
    used: set[str] = set()
    for source, path in ((origin, path) for origin in sources for path in list_files(origin.path)):
        words |= dict.fromkeys(source.labels)
        reader.column_map = source.columns
        try:
            table = read_table(path, encoding=source.encoding, sheet=source.sheet)
            if is_standoff(table):
                if texts is None:
                    messages.append(
                        f"{path}: skipped, because its texts are not part of the project. Name the folder with the texts (--texts "
                        "DIR, or TEXTS=DIR for make)"
                    )
                    continue
                known = texts_by_hash(texts) if known is None else known
                messages.append(f"{path}: {join(table, known).describe()}")
            messages += other_codebooks(str(path), (row for _, row in table.rows), codebook)
            used |= _translate_labels(table, source, codebook)
            start = len(reader.sentences)
            reader.add(table)
            reader.sentences[start:] = [
                replace(completed(s, source), sampling=s.sampling or source.sampling) for s in reader.sentences[start:]
            ]
        except DataError as error:
            reader.problems += error.problems
    if absent := [word for word in words if word not in used]:
        messages.append(
            f"warning: no label in the tables is written {' or '.join(map(repr, absent))}, so the translation has no effect. Check "
            "the spelling in --label-map or, in a recipe, in `labels`"
        )
    return Corpus(tuple(reader.sentences), reader.files, tuple(reader.notes)), messages, reader.problems


def _translate_labels(table: Table, source: CorpusFields, codebook: Codebook) -> set[str]:
    """Translate the labels of a table in place, and return the words that were translated."""
    column = source.columns.get("labels") or find_column(table.columns, "labels")
    used: set[str] = set()
    if not source.labels or column is None:
        return used
    for _, row in table.rows:
        if isinstance(acts := row.get("acts"), Mapping):
            row["acts"] = {source.labels.get(str(name), name): act for name, act in acts.items()}
        # An invalid cell is kept as it is, because the reader reports it with its row.
        with suppress(ValueError):
            if row.get(column) is not None:
                parts = split_labels(row[column], codebook)
                row[column] = [source.labels.get(part, part) for part in parts]
                used.update(part for part in parts if part in source.labels)
    return used


def completed(sentence: Sentence, source: TextFields) -> Sentence:
    """Return a sentence with the language and the source of the recipe, if its row has none."""
    language = source.language if sentence.language == UNDETERMINED else None
    return replace(sentence, language=language or sentence.language, source=sentence.source or source.source)


def read_sources(
    sources: Iterable[CorpusFields], codebook: Codebook, texts: str | Path | None
) -> tuple[Corpus, list[str]]:
    """Read the corpora of a recipe. The results and errors are those of `read_corpora`."""
    corpus, messages, problems = scan_sources(sources, codebook, texts)
    if problems:
        raise CorpusError(*problems)
    return corpus, messages


def read_corpora(
    paths: Iterable[str | Path],
    codebook: Codebook,
    texts: str | Path | None,
    *,
    columns: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
) -> tuple[Corpus, list[str]]:
    """Read labelled corpora, which may include stand-off files. The arguments are those of `scan_corpora`.

    Returns:
        The sentences, and lines that report which texts were joined or are missing and which files were skipped.

    Raises:
        CorpusError: Some rows or files are invalid. The error lists every problem in every file.
    """
    return read_sources(_sources(paths, columns, labels, encoding, sheet), codebook, texts)
