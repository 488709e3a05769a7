"""The errors that `communique` raises on purpose.

::

    CommuniqueError          everything below; the command line exits with 1
    ├── CodebookError        a codebook that cannot be used
    ├── RecipeError          a recipe that cannot be used
    ├── DataError            rows that cannot be read (holds all problems found, not the first alone)
    │   ├── LeakError        data shared between training and evaluation
    │   └── FormatError      rows that an output format cannot hold
    ├── BundleError          a model folder that is incomplete, edited or of a newer format
    ├── ExportError          an exported model that differs too much from its checkpoint
    ├── OutputError          an output that may not be written; the command line exits with 2
    ├── ChangedError         an input that changed while it was read
    ├── MissingExtraError    a package of an optional extra is not installed
    └── UnreachableError     a service, or a model on a hub, that does not answer or refuses

Every message is one line that names the file, the row, the value, what is allowed and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module


class CommuniqueError(Exception):
    """Base of all errors raised on purpose."""


class CodebookError(CommuniqueError):
    """A codebook that cannot be used."""


class RecipeError(CommuniqueError):
    """A recipe that cannot be used."""


class DataError(CommuniqueError):
    """Rows that cannot be read.

    Args:
        problems: One line a problem, each complete in itself.
    """

    #: How many problems the message shows; `communique check` prints all of them.
    SHOWN = 5

    def __init__(self, *problems: str) -> None:
        self.problems: Sequence[str] = problems
        lines = list(problems[: self.SHOWN])
        if len(problems) > self.SHOWN:
            lines.append(f"... and {len(problems) - self.SHOWN} more; `communique check` lists all of them")
        #: The lines of the message.
        self.lines: Sequence[str] = lines
        super().__init__("\n".join(lines))


class LeakError(DataError):
    """Documents or texts shared between training and evaluation data."""


class FormatError(DataError):
    """Rows that an output format cannot hold: too many, too wide or too long."""


class BundleError(CommuniqueError):
    """A model folder that is incomplete, edited or of a newer format."""


class ExportError(CommuniqueError):
    """An exported model that differs too much from its checkpoint."""


class OutputError(CommuniqueError):
    """An output that may not be written: it exists, is an input, is a folder, or lies where nothing can be written."""


class ChangedError(CommuniqueError):
    """An input that changed while it was read."""


class MissingExtraError(CommuniqueError):
    """A package of an optional extra is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package!r}: pip install 'communique[{extra}]'")


class UnreachableError(CommuniqueError):
    """A service, or a model on a hub, that does not answer or refuses."""


def require_extra(package: str, purpose: str, *, extra: str = "train") -> None:
    """Import a package of an extra.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import_module(package)
    except ModuleNotFoundError:
        raise MissingExtraError(package, extra, purpose) from None
