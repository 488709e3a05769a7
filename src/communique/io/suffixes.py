"""Recognise a file's format by its name."""

from __future__ import annotations

from pathlib import Path

#: Tables that are read from folders; those of text also with `.gz` or `.zst` after the suffix.
TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".xlsx")

#: A list of rows, or an object with one. Folders hold many JSON files that are no tables.
JSON = ".json"

#: Files that only folders of `datasets.save_to_disk` hold.
ARROW = ".arrow"

#: Documents that are text as they are, also with `.gz` or `.zst` after the suffix.
PLAIN_SUFFIXES = (".txt", ".md", ".markdown")

#: Documents whose text is extracted.
EXTRACTED_SUFFIXES = (".html", ".htm", ".docx", ".odt", ".rtf", ".pdf", ".srt", ".vtt")

#: Corpora that are read as one row per segment or sentence: TEI and ParlaMint, and CoNLL-U.
CORPUS_SUFFIXES = (".xml", ".conllu")

#: Everything that a folder of documents may hold.
DOCUMENT_SUFFIXES = (*PLAIN_SUFFIXES, *EXTRACTED_SUFFIXES, *CORPUS_SUFFIXES)

#: Everything that is read row by row.
ROW_SUFFIXES = (*TABLE_SUFFIXES, JSON, ARROW, *CORPUS_SUFFIXES)

#: Formats whose encoding is recognised from their bytes. HTML and XML declare theirs.
TEXT_SUFFIXES = (*PLAIN_SUFFIXES, ".rtf", ".srt", ".vtt", ".conllu", ".csv", ".tsv", ".jsonl", JSON)

#: The module of the extra `documents` that reads a format.
MODULES = {
    ".html": "lxml",
    ".htm": "lxml",
    ".docx": "lxml",
    ".odt": "lxml",
    ".xml": "lxml",
    ".rtf": "striprtf",
    ".pdf": "pypdfium2",
}

#: What to do with files that are not read.
ADVICE = {
    ".doc": "save it as .docx",
    ".odp": "save it as .pdf",
    ".ods": "save it as .xlsx",
    ".ppt": "save it as .pdf",
    ".pptx": "save it as .pdf",
    ".xls": "save it as .xlsx",
    ".xlsm": "save it as .xlsx",
    ".epub": "save it as .html or .docx",
    ".zip": "unpack it",
    ".tar": "unpack it",
    ".7z": "unpack it",
}

#: Suffixes of compressed files and the names of their codecs in Arrow.
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


def ending(path: str | Path) -> tuple[str, str | None]:
    """Return a file's suffix in lower case without that of its compression, and the compression's codec or None."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        return suffixes[-2] if len(suffixes) > 1 else "", COMPRESSIONS[suffixes[-1]]
    return suffixes[-1] if suffixes else "", None


def stem(path: str | Path) -> str:
    """Return a file's name without its suffix and that of its compression."""
    path = Path(path)
    return Path(path.stem).stem if path.suffix.lower() in COMPRESSIONS else path.stem
