"""Group texts of similar length into batches, so that batches contain little padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence


def batches_by_length(
    lengths: Sequence[int],
    *,
    max_rows: int | None = None,
    max_tokens: int | None = None,
    padded: Callable[[int], int] = lambda length: length,
) -> Iterator[list[int]]:
    """Yield batches of row numbers. Rows of similar length share a batch, and the longest rows come first.

    Args:
        lengths: Number of tokens per row.
        max_rows: Maximum number of rows per batch. Default: no limit.
        max_tokens: Maximum number of tokens per batch, padding included. Default: no limit. A longer row gets its
            own batch.
        padded: Maps the length of the longest row to the padded length of the batch. Default: the same length.
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
