"""Read columns from the names of files."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import DataError
from ..io.suffixes import stem

_FIELD = re.compile(r"\{([^{}]*)\}")


class FilenamePattern:
    """A pattern such as `{country}_{session}_{year}`, which is compared with a file's name without its suffix.

    A pattern with `/` is compared with the last folders too, such as `{party}/{year}`.

    Args:
        pattern: The pattern.

    Raises:
        DataError: The pattern has no column, a column without a name, or two columns with one name or nothing between them.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        #: The names of the columns.
        self.columns = tuple(_FIELD.findall(pattern))
        where = f"--columns-from-filename {pattern!r}"
        if not self.columns or len(set(self.columns)) < len(self.columns) or not all(map(str.strip, self.columns)):
            raise DataError(f"{where}: no columns, or two of one name. Write a pattern such as {{country}}_{{year}}")
        if "}{" in pattern:
            raise DataError(f"{where}: nothing separates two columns. Write a character between them")
        if "{text}" in pattern:
            raise DataError(f"{where}: the text is in the file. Name the column otherwise")
        self._depth = pattern.count("/")
        # A value ends at the first character that may separate it, and holds no folder.
        pieces = _FIELD.split(pattern)
        self._expression, self._longest = (
            re.compile("".join(value if i % 2 else re.escape(piece) for i, piece in enumerate(pieces)))
            for value in ("([^/]+?)", "([^/]+)")
        )

    def values(self, path: str | Path) -> dict[str, str] | None:
        """Return the value of each column in a file's name, or None if the name has another form."""
        found = self._expression.fullmatch(self._compared(path))
        return dict(zip(self.columns, found.groups(), strict=True)) if found else None

    def is_ambiguous(self, path: str | Path) -> bool:
        """Return whether a file's name can be cut in several ways, such as `South_Sudan_2022` by `{country}_{year}`."""
        found, longest = (way.fullmatch(self._compared(path)) for way in (self._expression, self._longest))
        return found is not None and longest is not None and found.groups() != longest.groups()

    def _compared(self, path: str | Path) -> str:
        parts = (*Path(path).parent.parts, stem(path))
        return "/".join(parts[-1 - self._depth :])
