"""Batches of texts of similar length, so that little of a batch is padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence


def batches_by_length(
    lengths: Sequence[int],
    *,
    max_rows: int | None = None,
    max_tokens: int | None = None,
    padded: Callable[[int], int] = lambda length: length,
) -> Iterator[list[int]]:
    """Yield the row numbers of batches of similar length, longest texts first.

    Args:
        lengths: Number of tokens per row.
        max_rows: Maximum number of rows per batch. Default: no limit.
        max_tokens: Maximum number of tokens per batch, padding included. Default: no limit. A row that exceeds the limit on its own
            gets a batch of its own.
        padded: Returns the length to which a batch is padded, from the length of its longest row. Default: that length.
    """
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        full = len(batch) == max_rows
        if max_tokens is not None and batch:
            full = full or (len(batch) + 1) * padded(lengths[batch[0]]) > max_tokens
        if full:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
