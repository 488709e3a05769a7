"""Errors that `communique` raises on purpose.

::

    CommuniqueError          base of all errors below; the command line exits with code 1
    ├── CodebookError        a codebook that cannot be used
    ├── RecipeError          a recipe that cannot be used
    ├── DataError            rows that cannot be read (lists all problems found, not just the first)
    │   ├── LeakError        data shared between training and evaluation
    │   └── FormatError      rows that an output format cannot hold
    ├── NotFoundError        something that is named and does not exist, such as a sample of a project
    ├── BundleError          a model folder that is incomplete, edited or in a newer format
    ├── ExportError          an exported model that differs too much from its checkpoint
    ├── OutputError          an output that may not be written; the command line exits with code 2
    ├── ChangedError         an input that changed while it was read
    ├── MissingExtraError    a package of an optional extra that is not installed
    ├── UnreachableError     a service, or a model on a hub, that does not answer or refuses the request
    └── LimitReachedError    a limit on tokens or cost, which the user set, was reached

Every message is one line. It names the file, the row and the value, and says what is allowed and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from importlib import import_module


class CommuniqueError(Exception):
    """Base of all errors that are raised on purpose."""


class CodebookError(CommuniqueError):
    """A codebook that cannot be used."""


class RecipeError(CommuniqueError):
    """A recipe that cannot be used."""


class DataError(CommuniqueError):
    """Rows that cannot be read.

    Args:
        problems: One line per problem. Each line can be read on its own.
    """

    #: Number of problems that the message shows.
    SHOWN = 5
    #: What follows the number of problems that are not shown.
    FURTHER = "more"

    def __init__(self, *problems: str) -> None:
        self.problems: Sequence[str] = problems
        #: The lines of the message.
        self.lines: Sequence[str] = self.shorten(problems)
        super().__init__("\n".join(self.lines))

    @classmethod
    def shorten(cls, problems: Sequence[str]) -> list[str]:
        """Return the first problems and, if there are more, a line with the number of the others."""
        lines = list(problems[: cls.SHOWN])
        if len(problems) > cls.SHOWN:
            lines.append(f"... and {len(problems) - cls.SHOWN} {cls.FURTHER}")
        return lines


class CorpusError(DataError):
    """Labelled tables that cannot be read, whose problems `communique check` can list."""

    FURTHER = "more. `communique check --all` lists all of them"


class LeakError(DataError):
    """Documents or texts that training and evaluation data share."""


class FormatError(DataError):
    """Rows that an output format cannot hold: too many, too wide or too long."""


class NotFoundError(CommuniqueError):
    """Something that is named and does not exist, such as a sample of a project. The server answers with the status 404."""


class BundleError(CommuniqueError):
    """A model folder that is incomplete, edited or in a newer format."""


class ExportError(CommuniqueError):
    """An exported model that differs too much from its checkpoint."""


class OutputError(CommuniqueError):
    """An output that may not be written: it exists, is an input, is a folder, or is in a place that cannot be written to."""


class ChangedError(CommuniqueError):
    """An input that changed while it was read."""


class MissingExtraError(CommuniqueError):
    """A package of an optional extra that is not installed.

    Args:
        package: Name of the package.
        extra: The extra that installs it.
        purpose: What needs the package, as the subject of the message.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed. In your clone of communique, run "
            f"pip install -c constraints.txt '.[{extra}]'"
        )


class UnreachableError(CommuniqueError):
    """A service, or a model on a hub, that does not answer or refuses the request."""


class LimitReachedError(CommuniqueError):
    """A limit on tokens or cost, which the user set, was reached. What was done so far is kept."""


def require_extra(package: str, purpose: str, *, extra: str = "train") -> None:
    """Import a package of an optional extra.

    Args:
        package: Name of the package as it is imported.
        purpose: What needs the package, as the subject of the error message.
        extra: The extra that installs it.

    Raises:
        MissingExtraError: The package is not installed.
    """
    try:
        import_module(package)
    except ModuleNotFoundError:
        raise MissingExtraError(package, extra, purpose) from None


def did_you_mean(given: str, allowed: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return the question whether a similar allowed value was meant, with a space at its end, or an empty text.

    Args:
        given: The value that is not allowed.
        allowed: The allowed values.
        cutoff: Similarity from which a value is suggested, from 0 to 1 (see `difflib.SequenceMatcher.ratio`).
    """
    near = get_close_matches(given, list(allowed), n=1, cutoff=cutoff)
    return f"did you mean {near[0]!r}? " if near else ""
