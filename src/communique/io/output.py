"""Check whether an output may be written. Every command calls these functions before it starts work."""

from __future__ import annotations

import errno
import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import OutputError

#: The path that means standard output.
STANDARD = "-"

#: Paths that mean standard output on various systems.
_STANDARD = (STANDARD, "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")

#: Beginnings of the paths of open files, which are written to directly.
_DESCRIPTORS = ("/dev/fd/", "/proc/self/fd/", "/dev/stderr")

#: The `generator` in the head of a page written by `communique label`. A later run recognises it and does not read the page as a
#: document.
GENERATOR = "communique label"

#: Suffix of the folder with an output's shards, and name of the file in that folder that describes the run.
SHARDS, RUN = ".shards", "run.json"

#: Length of the longest ending that is added to the name of an output folder, such as `.selection.json` next to a model, or to the
#: name of an output file, such as `.shards`.
_FOLDER_ENDING, _FILE_ENDING = len(".selection.json"), len(SHARDS)


def is_standard(path: str | Path) -> bool:
    """Return whether a path means standard output."""
    return str(path) in _STANDARD


def is_stream(path: str | Path) -> bool:
    """Return whether a path is standard output, a pipe, or another open file that is not a regular file on disk."""
    if is_standard(path):
        return True
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or (str(path).startswith(_DESCRIPTORS) and not stat.S_ISREG(mode))


def target(path: str | Path) -> Path:
    """Return the file that is written for an output. Links are followed, so the file they point to is replaced, not the link."""
    return Path(os.path.realpath(path))


def shards_folder(out: str | Path) -> Path:
    """Return the folder next to an output that contains its finished shards."""
    out = target(out)
    return out.with_name(out.name + SHARDS)


def is_own_page(path: Path) -> bool:
    """Return whether a file is an HTML page that `communique label` wrote."""
    if path.suffix.lower() != ".html":
        return False
    try:
        with path.open("rb") as handle:
            return f'<meta name="generator" content="{GENERATOR}">'.encode() in handle.read(1024)
    except OSError:
        return False


def is_run_folder(folder: Path) -> bool:
    """Return whether a folder contains the shards of a run."""
    return folder.name.endswith(SHARDS) and (folder / RUN).is_file()


class Outputs:
    """The outputs of a command, as `check_outputs` returns them, so that the command does not read its own outputs.

    `path in outputs` is true for an output, for each file in the folder of its shards, and for the file to which standard output is
    redirected.
    """

    def __init__(self, paths: Iterable[str | Path]) -> None:
        self._files: set[tuple[int, int]] = set()
        self._folders: set[tuple[int, int]] = set()
        for path in paths:
            if not is_stream(path):
                self._files |= _identity(path)
                self._folders |= _identity(shards_folder(path))
        self._files |= _redirected()

    def __contains__(self, path: object) -> bool:
        """Return whether a path is one of the outputs. Files are compared, not paths, because a file can have several paths."""
        path = Path(str(path))
        return bool(_identity(path) & self._files) or bool(_identity(path.parent) & self._folders)


def check_outputs(
    outputs: Iterable[str | Path | None], *, inputs: Iterable[str | Path | None] = (), overwrite: bool = False
) -> Outputs:
    """Check that outputs may be written, before any work is done.

    Args:
        outputs: Files, or `-` for standard output. None for an option that was not used.
        inputs: Files and folders that the command reads. Other values, such as glob patterns, are ignored.
        overwrite: Whether existing files may be replaced.

    Returns:
        The outputs, which `find_files` skips.

    Raises:
        OutputError: An output is also an input or another output, exists although `overwrite` is false, is not a regular file, or
            cannot be written.
    """
    paths = [path for path in outputs if path is not None]
    read = {identity for path in inputs if path is not None for identity in _identity(path)}
    if read & _redirected():
        raise OutputError("standard output is redirected to a file that is also an input. Redirect it to another file")
    seen: set[Path] = set()
    for path in paths:
        if is_stream(path):
            continue
        _check_file(path, read, overwrite=overwrite)
        if target(path) in seen:
            raise OutputError(f"{path}: is used for two outputs. Name a different file for each")
        seen.add(target(path))
    return Outputs(paths)


def check_folder(folder: str | Path, *, inputs: Iterable[str | Path | None] = (), overwrite: bool, marker: str) -> None:
    """Check that a folder may be written, before any work is done.

    Args:
        folder: The folder that is created or replaced as a whole.
        inputs: Files and folders that the command reads.
        overwrite: Whether an existing folder may be replaced.
        marker: Name of a file that every folder of this kind contains. A folder without it is never replaced.

    Raises:
        OutputError: The folder exists although `overwrite` is false, contains other files or an input, or cannot be created.
    """
    folder = Path(folder)
    whole = target(folder)
    for path in inputs:
        if path is not None and os.path.exists(path) and target(path).is_relative_to(whole):
            raise OutputError(f"{folder}: contains the input {path}. Choose another folder")
    if not os.path.lexists(folder):
        _check_name(folder, _FOLDER_ENDING)
        _check_parent(folder, next(parent for parent in whole.parents if parent.exists()))
    elif not folder.is_dir():
        raise OutputError(f"{folder}: is not a folder. Choose another name")
    elif any(folder.iterdir()):
        if not (folder / marker).is_file():
            raise OutputError(f"{folder}: contains other files, and no {marker}. Choose another folder")
        if not overwrite:
            raise exists(folder)


def check_files_in(
    folder: str | Path, names: Sequence[str], *, inputs: Iterable[str | Path | None] = (), overwrite: bool
) -> None:
    """Check that files may be written into a folder, which may also contain other files.

    Args:
        folder: The folder. It need not exist.
        names: Glob patterns of the names of the files.
        inputs: Files that the command reads.
        overwrite: Whether existing files may be replaced.

    Raises:
        OutputError: A file with one of these names is also an input, or exists although `overwrite` is false, or no file can be
            written into the folder.
    """
    folder = Path(folder)
    _check_name(folder)
    if os.path.lexists(folder) and not folder.is_dir():
        raise OutputError(f"{folder}: is not a folder. Choose another name")
    _check_parent(folder, next(p for p in (target(folder), *target(folder).parents) if p.exists()))
    existing = sorted(path for name in names for path in folder.glob(name))
    read = {identity for path in inputs if path is not None for identity in _identity(path)}
    for path in existing:
        if _identity(path) & read:
            raise _is_input(path)
    if existing and not overwrite:
        raise exists(existing[0])


def exists(path: str | Path) -> OutputError:
    """Return the error for an output that already exists."""
    return OutputError(f"{path}: already exists. Choose another output, or replace it with --overwrite")


def _is_input(path: str | Path) -> OutputError:
    return OutputError(f"{path}: is also an input, which would be overwritten. Choose another output")


def _check_file(path: str | Path, read: set[tuple[int, int]], *, overwrite: bool) -> None:
    _check_name(path, _FILE_ENDING)
    try:
        found = os.stat(path)
    except FileNotFoundError:
        found = None
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: {_reason(error)}. Choose another output") from error
    if found is not None:
        if stat.S_ISDIR(found.st_mode):
            raise OutputError(f"{path}: is a folder. Name a file as the output")
        if not stat.S_ISREG(found.st_mode):
            raise OutputError(f"{path}: is a device, not a file. Name a file as the output, or - for standard output")
        if (found.st_dev, found.st_ino) in read:
            raise _is_input(path)
        if not overwrite:
            raise exists(path)
        if not os.access(path, os.W_OK):
            raise OutputError(f"{path}: is write-protected. Choose another output")
    _check_parent(path, target(path).parent)


def _check_name(path: str | Path, ending: int = 0) -> None:
    """Check that a path, with some more characters at its end, is not too long for the file system.

    `os.path.lexists` returns False for such a path, so that without this check the error would occur after the work is done.
    """
    try:
        os.lstat(f"{path}{'x' * ending}")
    except (OSError, ValueError) as error:
        if not isinstance(error, OSError) or error.errno == errno.ENAMETOOLONG:
            raise OutputError(f"{path}: {_reason(error)}. Choose another output") from error


def _check_parent(path: str | Path, parent: Path) -> None:
    if not parent.is_dir():
        reason = (
            "is not a folder. Choose another output" if parent.exists() else "does not exist. Create this folder first"
        )
        raise OutputError(f"{path}: {parent} {reason}")
    try:
        # The only reliable test is to create a file. On Linux, this temporary file has no name, so it cannot be left behind.
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        raise OutputError(f"{path}: {_reason(error)}. Choose a folder in which files can be written") from error


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)


def _identity(path: str | Path) -> set[tuple[int, int]]:
    """Return the device and inode of a file or folder, as a set that is empty if it does not exist."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return set()
    return {(found.st_dev, found.st_ino)}


def _redirected() -> set[tuple[int, int]]:
    """Return the `_identity` of the file to which standard output is redirected, or an empty set for a terminal or a pipe."""
    try:
        found = os.fstat(sys.stdout.fileno())
    except (AttributeError, OSError, ValueError):
        return set()
    return {(found.st_dev, found.st_ino)} if stat.S_ISREG(found.st_mode) else set()
