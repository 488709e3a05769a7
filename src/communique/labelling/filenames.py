"""Read columns from file names."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import DataError
from ..io.suffixes import stem

_FIELD = re.compile(r"\{([^{}]*)\}")


class FilenamePattern:
    """A pattern such as `{country}_{session}_{year}` that is matched against a file name without its suffix.

    A pattern that contains `/`, such as `{party}/{year}`, is also matched against the last folders of the path.

    Args:
        pattern: The pattern.

    Raises:
        DataError: The pattern names no column, has an empty or repeated column name, has no character between two columns, or
            names a column `text`.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        #: The column names.
        self.columns = tuple(_FIELD.findall(pattern))
        where = f"--columns-from-filename {pattern!r}"
        if not self.columns or len(set(self.columns)) < len(self.columns) or not all(map(str.strip, self.columns)):
            raise DataError(
                f"{where}: a column name is missing or repeated. Write a pattern such as {{country}}_{{year}}"
            )
        if "}{" in pattern:
            raise DataError(f"{where}: there is no character between two columns. Separate them with a character")
        if "{text}" in pattern:
            raise DataError(
                f"{where}: a column cannot be named 'text', because the file provides the text. Use another name"
            )
        self._depth = pattern.count("/")
        # A value ends at the first possible separator in one expression, and at the last in the other. It never contains "/".
        pieces = _FIELD.split(pattern)
        self._expression, self._longest = (
            re.compile("".join(value if i % 2 else re.escape(piece) for i, piece in enumerate(pieces)))
            for value in ("([^/]+?)", "([^/]+)")
        )

    def values(self, path: str | Path) -> dict[str, str] | None:
        """Return the value of each column in a file name, or None if the name does not match the pattern."""
        found = self._expression.fullmatch(self._compared(path))
        return dict(zip(self.columns, found.groups(), strict=True)) if found else None

    def is_ambiguous(self, path: str | Path) -> bool:
        """Check whether the pattern matches a name in several ways, as `{country}_{year}` does with `South_Sudan_2022`."""
        found, longest = (way.fullmatch(self._compared(path)) for way in (self._expression, self._longest))
        return found is not None and longest is not None and found.groups() != longest.groups()

    def _compared(self, path: str | Path) -> str:
        parts = (*Path(path).parent.parts, stem(path))
        return "/".join(parts[-1 - self._depth :])
