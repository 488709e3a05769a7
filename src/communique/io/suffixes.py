"""Recognise a file's format by its name."""

from __future__ import annotations

from pathlib import Path

#: Endings of the tables that can be read; those of text also with `.gz` or `.zst` behind them.
TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".xlsx")

#: Tables that are text.
TEXT_TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl")

#: Endings that only folders of `datasets.save_to_disk` use.
ARROW = ".arrow"

#: Endings of documents.
DOCUMENT_SUFFIXES = (".txt", ".md", ".markdown")


#: Endings of compressed files and the names of their codecs in Arrow.
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


def ending(path: str | Path) -> tuple[str, str | None]:
    """Give a file's ending in lower case without that of its compression, and the compression's codec or None."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        return suffixes[-2] if len(suffixes) > 1 else "", COMPRESSIONS[suffixes[-1]]
    return suffixes[-1] if suffixes else "", None


def stem(path: str | Path) -> str:
    """Give a file's name without its ending and that of its compression."""
    path = Path(path)
    return Path(path.stem).stem if path.suffix.lower() in COMPRESSIONS else path.stem
