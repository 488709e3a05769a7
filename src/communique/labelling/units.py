"""Check that the units of an input are sentences, rather than whole texts or fragments of sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import pyarrow.compute as pc

from ..data.predictions_schema import ERROR
from ..data.units import LOOKED_AT, MANY_CHARACTERS, describe_texts
from ..errors import DataError
from ..io.arrow import as_text
from ..io.paths import InputFile
from ..io.read import open_table
from ..io.tables import Problem
from ..text.punctuation import OPENING, is_complete
from .columns import Columns
from .label import LabelledShard, is_blank
from .options import InputNotes, Options

#: Proportions of sentences that begin with a lower-case letter and that end without punctuation. A warning is printed if both are
#: reached.
FRAGMENTS = 0.2, 0.3

#: Number of units below which fragments are not reported.
FEW = 20

#: Characters that can precede the first letter of a sentence.
_BEFORE = OPENING + "' "


def rows_of_texts(files: Iterable[InputFile], options: Options) -> str | None:
    """Return a message about the first table whose rows contain whole texts, or None."""
    for file in files:
        if file.is_document:
            continue
        try:
            found = describe_texts(list(islice(_texts(file, options), LOOKED_AT)))
        except DataError:
            continue  # The error is reported when the table is labelled.
        if found:
            return f"{file.display_name}: {found}"
    return None


def _texts(file: InputFile, options: Options) -> Iterator[str]:
    with open_table(file.path, file_format=file.file_format, encoding=file.encoding, sheet=options.sheet) as stream:
        columns = Columns(stream, file, options, InputNotes())
        for chunk in stream.chunks:
            if not isinstance(chunk, Problem):
                yield from filter(None, (as_text(row.get(columns.text)) for row in columns.rows(chunk)))


def count_lengthy(shard: LabelledShard) -> int:
    """Return how many labelled texts of a shard have more characters than a sentence usually has."""
    lengths = pc.utf8_length(shard.table["text"].filter(pc.is_null(shard.table[ERROR])))
    return int(pc.sum(pc.greater(lengths, MANY_CHARACTERS)).as_py() or 0)


def count_fragments(shard: LabelledShard) -> tuple[int, int]:
    """Return how many sentences of a shard begin with a lower-case letter, and how many end without punctuation."""
    pairs = zip(shard.table["text"].to_pylist(), shard.table[ERROR].to_pylist(), strict=True)
    texts = [text for text, error in pairs if error is None and not is_blank(text)]
    lower = sum(text.lstrip(_BEFORE)[:1].islower() for text in texts)
    return lower, sum(not is_complete(text) for text in texts)


def fragments_line(labelled: int, lower: int, open_ended: int, letterless: int) -> str | None:
    """Return a warning if many units are not sentences, or None."""
    if labelled + letterless < FEW:
        return None
    if lower >= FRAGMENTS[0] * labelled and open_ended >= FRAGMENTS[1] * labelled and labelled:
        return (
            f"{open_ended} of {labelled} sentences end without punctuation, and {lower} begin with a lower-case letter. If line "
            "breaks cut sentences in two, join the lines of each paragraph. If the rows of a table contain whole texts, use --split"
        )
    if letterless >= FRAGMENTS[0] * (labelled + letterless):
        return (
            f"{letterless} of {labelled + letterless} units contain no letters, such as page numbers. If the text comes from a PDF "
            "or from subtitles, remove page numbers and time codes. If another column contains the text, name it with --text-column"
        )
    return None
