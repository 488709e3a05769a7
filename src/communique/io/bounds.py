"""Limits on hostile XML and ZIP files, which would need far more memory than their size."""

from __future__ import annotations

from typing import IO

#: Maximum length of an XML tag in bytes. A parser keeps a tag in memory until the tag ends.
MAX_TAG = 20_000_000

#: Largest ratio of unpacked to packed bytes in a large file. Texts reach about 20, sheets with numbers about 30.
MAX_RATIO = 150


class MarkupError(ValueError):
    """XML that would need too much memory."""


class BoundedMarkup:
    """An open XML file whose tags may have at most `MAX_TAG` bytes.

    Args:
        handle: The open file.
    """

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        #: Bytes read since the last ">".
        self._since = 0

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes.

        Raises:
            MarkupError: A tag is too long.
        """
        block = self._handle.read(size)
        end = block.rfind(b">")
        self._since = self._since + len(block) if end < 0 else len(block) - end - 1
        if self._since > MAX_TAG:
            raise MarkupError(f"a tag of more than {MAX_TAG:,} bytes")
        return block


def is_decompression_bomb(unpacked: int, packed: int, *, above: int) -> bool:
    """Return whether a file unpacks to more than `above` bytes and is compressed more tightly than any real file."""
    return unpacked > above and unpacked > MAX_RATIO * max(1, packed)
