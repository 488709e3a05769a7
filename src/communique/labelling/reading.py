"""The options of `communique label` that decide how texts are read. Texts that are read in the same way have the same ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

from ..errors import DataError, did_you_mean
from .options import Options


@dataclass(frozen=True)
class TextReading:
    """The options that decide how texts are read, named like the parameters of `communique label`.

    Attributes:
        text_column: Column that contains the text. Default: found by its name.
        document_column: Column that contains the document. Default: found by its name.
        columns_from_filename: Pattern that reads columns from file names, see `FilenamePattern`.
        language: Language of all texts. Default: identified for each text.
        form: Format of all files. Default: that of their suffix.
        encoding: Encoding of all text files. Default: recognised for each file.
        sheet: Sheet of a workbook, as a name or as a number from 1. Default: the first visible sheet.
        split: Whether the rows of tables are split into sentences. Default: if they are whole texts.
    """

    text_column: str | None = None
    document_column: str | None = None
    columns_from_filename: str | None = None
    language: str | None = None
    form: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    split: bool | None = None

    @classmethod
    def names(cls) -> frozenset[str]:
        """Return the names of the parameters of `communique label` that decide how texts are read."""
        return frozenset(field.name for field in fields(cls))

    @classmethod
    def parse(cls, arguments: Sequence[str]) -> Self:
        """Return the reading from which `arguments()` made these arguments.

        Raises:
            DataError: There are other arguments, or an option has no value, because somebody edited them.
        """
        split = _SPLIT.get(arguments[0]) if arguments else None
        named = arguments if split is None else arguments[1:]
        if unknown := [option for option in named[::2] if option not in _OPTIONS.values()]:
            allowed = (*_SPLIT, *_OPTIONS.values())
            raise DataError(
                f"reading: {unknown[0]!r} is not an option for reading texts; {did_you_mean(unknown[0], allowed)}allowed: "
                f"{', '.join(allowed)}, the first two only at the beginning. Restore the file"
            )
        if len(named) % 2:
            raise DataError(f"reading: the option {named[-1]!r} has no value. Restore the file, or add the value")
        values = dict(zip(named[::2], named[1::2], strict=True))
        return cls(**{name: values.get(option) for name, option in _OPTIONS.items()}, split=split)

    def arguments(self) -> list[str]:
        """Return the options of `communique label` that read the same sentences."""
        chosen = [option for option, split in _SPLIT.items() if split is self.split]
        values = {option: getattr(self, name) for name, option in _OPTIONS.items()}
        return [*chosen, *(part for option, value in values.items() if value is not None for part in (option, value))]

    def options(self) -> Options:
        """Return the options that a reader of the files needs. Rows are only split if that was chosen."""
        return Options(
            text_column=self.text_column,
            document_column=self.document_column,
            sheet=self.sheet,
            filename_columns=self.columns_from_filename,
            language=self.language,
            encoding=self.encoding,
            split=bool(self.split),
        )


#: The options with a value, by the attribute of `TextReading`.
_OPTIONS = {
    "text_column": "--text-column",
    "document_column": "--document-column",
    "columns_from_filename": "--columns-from-filename",
    "language": "--language",
    "form": "--format",
    "encoding": "--encoding",
    "sheet": "--sheet",
}

#: The options without a value, with the value of `split`.
_SPLIT = {"--split": True, "--no-split": False}
