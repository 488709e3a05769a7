"""Determine a file's format from its name."""

from __future__ import annotations

from pathlib import Path, PurePath

#: Tables that are read from folders. Text formats may also have `.gz` or `.zst` after the suffix.
TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".xlsx")

#: A list of rows, or an object that contains one. It is not among `TABLE_SUFFIXES`, because many JSON files are not tables.
JSON = ".json"

#: Data files of a folder that `datasets.save_to_disk` wrote.
ARROW = ".arrow"

#: Plain-text documents. They may also have `.gz` or `.zst` after the suffix.
PLAIN_SUFFIXES = (".txt", ".md", ".markdown")

#: Documents whose text must be extracted.
EXTRACTED_SUFFIXES = (".html", ".htm", ".docx", ".odt", ".rtf", ".pdf", ".srt", ".vtt")

#: Corpora that are read as one row per segment or sentence: TEI and ParlaMint, and CoNLL-U.
CORPUS_SUFFIXES = (".xml", ".conllu")

#: All files that count as documents in a folder.
DOCUMENT_SUFFIXES = (*PLAIN_SUFFIXES, *EXTRACTED_SUFFIXES, *CORPUS_SUFFIXES)

#: All files that are read row by row.
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

#: Advice on files of formats that cannot be read.
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

#: Arrow's codec names, by the suffix of a compressed file.
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


def ending(path: str | Path) -> tuple[str, str | None]:
    """Return a file's suffix in lower case, without a compression suffix, and the codec of the compression or None."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        return suffixes[-2] if len(suffixes) > 1 else "", COMPRESSIONS[suffixes[-1]]
    return suffixes[-1] if suffixes else "", None


def stem(path: str | PurePath) -> str:
    """Return a file's name without its suffix and without a compression suffix."""
    path = PurePath(path)
    return PurePath(path.stem).stem if path.suffix.lower() in COMPRESSIONS else path.stem
