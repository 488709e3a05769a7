"""Write a finished output of `communique label` in another format, without labelling its texts again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa

from ..data.predictions_schema import ERROR, NO_LETTERS, OUTPUT, PAGE_LINE
from ..errors import DataError
from .label import LabelledShard, Positions, ShardCounts, is_blank
from .paragraphs import read_paragraphs
from .summary import Summary
from .write import OutputForm, check_shard, write_shards


def rewrite(source: Path, handle: IO[bytes], form: OutputForm, scratch: Path) -> Summary:
    """Write the rows of a Parquet file that `communique label` wrote in another format.

    Args:
        source: The Parquet file.
        handle: An open binary file that receives the output.
        form: The format, with the description of the model that labelled the texts.
        scratch: A folder for temporary files, which the caller deletes.

    Returns:
        Counts of the whole output.

    Raises:
        DataError: The file is not an output of `communique label`, or it cannot be read.
        FormatError: The rows do not fit into the format.
    """
    summary, headers = Summary(form.info.labels), []
    for shard in read_shards(source):
        summary.add(shard)
        headers.append((shard.table.schema, shard.counts))
        check_shard(form, shard)
    write_shards(handle, form, headers, map(Positions().complete, read_shards(source)), summary, scratch)
    return summary


def read_shards(source: Path) -> Iterator[LabelledShard]:
    """Yield the row groups of a Parquet file that `communique label` wrote, as labelled shards.

    Raises:
        DataError: The file is not an output of `communique label`, or it cannot be read.
    """
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(source) as file:
            if missing := [name for name in OUTPUT if name not in file.schema_arrow.names]:
                raise DataError(
                    f"{source}: there is no column {missing[0]!r}, so the file is not an output of `communique label`. Label the "
                    "texts again, with -o FILE.parquet"
                )
            begins, start = read_paragraphs(file.metadata.metadata, file.metadata.num_rows), 0
            for number in range(max(1, file.num_row_groups)):
                table = file.read_row_group(number) if file.num_row_groups else file.read()
                own = begins[start : start + len(table)]
                yield _shard(number, table, tuple(np.flatnonzero(own).tolist()))
                start += len(table)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{source}: {error}. Label the texts again") from error


def _shard(number: int, table: pa.Table, paragraphs: tuple[int, ...]) -> LabelledShard:
    if ERROR not in table.column_names:
        # The column is only written if some row has a value in it.
        table = table.add_column(len(OUTPUT), ERROR, pa.nulls(len(table), pa.string()))
    reasons, texts = table[ERROR].to_pylist(), table["text"].to_pylist()
    letterless, page_lines = reasons.count(NO_LETTERS), reasons.count(PAGE_LINE)
    blank = sum(reason is None and is_blank(text or "") for reason, text in zip(reasons, texts, strict=True))
    counts = ShardCounts(
        records=len(table),
        rows=len(table),
        unreadable=len(table) - reasons.count(None) - letterless - page_lines,
        labelled=reasons.count(None) - blank,
        repeated=0,
        letterless=letterless,
        page_lines=page_lines,
    )
    return LabelledShard(number, table, counts, paragraphs=paragraphs)
