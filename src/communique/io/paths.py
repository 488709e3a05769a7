"""Find the files that paths name: files, folders, globs, saved `datasets` folders, standard input."""

from __future__ import annotations

import glob
import json
import os
import stat
import sys
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from ..errors import ChangedError, DataError, OutputError
from ..text.cleaning import without_surrogates
from .atomic import disk_errors
from .documents.read import EXTRA, require_reader
from .encoding import inspect
from .output import STANDARD as STANDARD
from .output import is_own_page, is_run_folder
from .recognise import Encoding
from .suffixes import (
    ADVICE,
    ARROW,
    DOCUMENT_SUFFIXES,
    EXTRACTED_SUFFIXES,
    JSON,
    MODULES,
    PLAIN_SUFFIXES,
    TABLE_SUFFIXES,
    TEXT_SUFFIXES,
    ending,
    stem,
)

#: Values of `--format`: suffixes without their dot.
FORMATS = tuple(
    suffix[1:] for suffix in (*DOCUMENT_SUFFIXES, *TABLE_SUFFIXES, JSON, ARROW) if suffix not in (".markdown", ".htm")
)

#: Everything that is read if the user names it.
_READ = (*DOCUMENT_SUFFIXES, *TABLE_SUFFIXES, JSON, ARROW)

#: Files that mark a folder saved by `datasets`, and that list its splits and files.
_SPLITS, _STATE = "dataset_dict.json", "state.json"


@dataclass(frozen=True)
class InputFile:
    """A file to read, looked at once.

    Attributes:
        path: Where its bytes are.
        name: Beginning of the ids of its rows; no two files of an input share it.
        file_format: What it holds, as a suffix such as `.csv`.
        named: Whether the user named it. A file from a folder or a glob that cannot be read does not stop the others.
        display_name: How messages and the record of a run name it: its path, or `-`.
        sha256: Hash of its bytes; None if it cannot be read.
        encoding: Encoding of a text file.
        state: What the file system says of the file, as it was before it was hashed; None if it cannot be read.
    """

    path: Path
    name: str
    file_format: str
    named: bool = True
    display_name: str = ""
    sha256: str | None = None
    encoding: Encoding | None = None
    state: tuple[int, ...] | None = None

    def check_unchanged(self) -> None:
        """Check that the file has not changed since it was hashed. It is hashed again only if the file system says it may have.

        A file that is gone has not changed: what was read of it is right, and reading it again fails by itself.

        Raises:
            ChangedError: It has.
        """
        if self.state is None or not self.path.exists() or file_state(self.path) == self.state:
            return
        try:
            same = inspect(self.path, text=False)[0] == self.sha256
        except DataError:
            same = False
        if not same:
            raise ChangedError(
                f"{self.display_name}: changed while it was read. Restore it and run the same command with --resume, or label its "
                "present state with --restart"
            )

    @property
    def is_document(self) -> bool:
        """Whether it is one document rather than rows."""
        return self.file_format in (*PLAIN_SUFFIXES, *EXTRACTED_SUFFIXES)


@dataclass
class FoundFiles:
    """Files in order, notes for the user, and places that could not be looked into."""

    files: list[InputFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    #: Numbers of files that are not read, by suffix and reason.
    not_read: Counter[tuple[str, str]] = field(default_factory=Counter)

    def not_read_line(self) -> str:
        """Report the files that are not read, by suffix and reason."""
        parts = (f"{n} {suffix or 'without suffix'} ({reason})" for (suffix, reason), n in self.not_read.items())
        return f"not read: {', '.join(parts)}"

    @property
    def aliases(self) -> dict[str, str]:
        """Paths of temporary copies, and what the user calls what was copied."""
        return {str(f.path): f.display_name for f in self.files if str(f.path) != f.display_name}


def find_files(
    paths: Sequence[str | Path],
    *,
    file_format: str | None = None,
    spool: Path | None = None,
    encoding: str | None = None,
    language: str | None = None,
    outputs: Container[Path] = (),
) -> FoundFiles:
    """Find the documents and tables that paths name, hash them and recognise their encodings.

    Args:
        paths: Files, folders, globs, or `-` for standard input.
        file_format: Format of standard input and of the files that are named, one of `FORMATS`. Default: as their suffixes
            say.
        spool: Folder for a copy of standard input, which is read twice: once to look at it, once to label it.
        encoding: Encoding of all text files. Default: recognised.
        language: Language of all texts, if it is known; it helps to recognise encodings.
        outputs: What the command writes, see `check_outputs`. It is left out of folders and globs.

    Raises:
        OutputError: A path names what the command writes.
        MissingExtraError: A file that the user named needs a library that is not installed.
        DataError: A path does not exist or has an unknown suffix, or a table that the user named cannot be read.
    """
    found = FoundFiles()
    streams: set[str] = set()
    for given in map(str, paths):
        path = Path(given)
        if given == STANDARD or _is_pipe(path):
            if given in streams:
                raise DataError(f"{given}: named twice, but its content can be read only once. Name it once")
            streams.add(given)
            found.files.append(_spooled(given, file_format, spool, len(found.files)))
        elif path.is_dir():
            _add_folder(found, path, outputs)
        elif _is_glob(given):
            _add_glob(found, given, file_format, outputs)
        else:
            own = ending(path)[0]
            held = f".{file_format}" if file_format else own if own in _READ else None
            if not path.exists():
                raise DataError(f"{path}: no such file or folder")
            if not held:
                raise DataError(f"{path}: unknown suffix. Name a folder or a file with {_supported()}, or use --format")
            if not path.is_file():
                raise DataError(f"{path}: not a regular file")
            require_reader(held)
            found.files.append(_input_file(path, held))
    if written := next((file for file in found.files if file.path in outputs), None):
        raise OutputError(f"{written.path}: is an input and would also be written. Choose another output")
    _name_apart(found)
    _note_twice(found)
    found.files = [_inspected(file, encoding, language) for file in found.files]
    if found.not_read:
        found.notes.append(found.not_read_line())
    return found


def _add_glob(found: FoundFiles, pattern: str, file_format: str | None, outputs: Container[Path]) -> None:
    matches = [path for path in _glob(pattern, None) if path not in outputs]
    formats = {path: f".{file_format}" if file_format else ending(path)[0] for path in matches}
    inside = [path for path in matches if formats[path] in _READ and _why_not(formats[path]) is None]
    _leave_out(found, (path for path in matches if path not in set(inside)))
    if not inside:
        more = f" ({found.not_read_line()})" if found.not_read else ""
        raise DataError(f"{pattern}: no document and no table has such a name{more}. Supported: {_supported()}")
    found.files += [_input_file(path, formats[path], named=False) for path in inside]


def _why_not(suffix: str) -> str | None:
    """Return why files with a suffix cannot be read; None if they can."""
    if suffix not in _READ:
        return ADVICE.get(suffix, "unknown format")
    module = MODULES.get(suffix)
    return f"install communique[{EXTRA}]" if module and find_spec(module) is None else None


def _leave_out(found: FoundFiles, paths: Iterable[Path]) -> None:
    """Count files that are not read."""
    for path in paths:
        suffix = ending(path)[0] or path.suffix.lower()
        found.not_read[suffix, _why_not(suffix) or "name them to read them"] += 1


def file_state(path: Path) -> tuple[int, ...] | None:
    """Return what the file system knows of a file: another content nearly always has another state."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def list_files(paths: str | Path | Sequence[str | Path], suffixes: Sequence[str] = TABLE_SUFFIXES) -> list[Path]:
    """List the files of some formats that a file, a folder, a glob, or several of them name, sorted within each.

    Folders are searched to any depth; hidden files are left out. Suffixes of compression (`.gz`, `.zst`) are looked through.
    A file that the user names is listed whatever its suffix.

    Raises:
        DataError: A path names nothing, or a folder cannot be read.
    """
    found: list[Path] = []
    for given in [paths] if isinstance(paths, (str, Path)) else paths:
        path = Path(given)
        if path.is_dir():
            below, problems = files_below(path)
            if problems:
                raise DataError(*problems)
            inside = [p for p in below if ending(p)[0] in suffixes]
        elif _is_glob(str(given)):
            inside = _glob(str(given), suffixes)
        else:
            inside = [path] if path.is_file() else []
        if not inside:
            raise DataError(f"{given}: no such file, and no folder or pattern with one ({', '.join(suffixes)})")
        found += inside
    return found


def files_below(folder: Path) -> tuple[list[Path], list[str]]:
    """List the files below a folder, sorted, without hidden ones and shards of runs, and report what could not be looked into.

    Links to folders are not followed, so a link to a parent folder cannot loop.
    """
    found: list[Path] = []
    problems: list[str] = []

    def failed(error: OSError) -> None:
        problems.append(f"{error.filename}: {error.strerror}; name a folder that can be read")

    for parent, folders, names in os.walk(folder, onerror=failed):
        # The shards of a run that has not finished are not data, neither are the files that describe it.
        folders[:] = [name for name in folders if not name.startswith(".") and not is_run_folder(Path(parent, name))]
        for path in (Path(parent, name) for name in names if not name.startswith(".")):
            if path.is_file():
                found.append(path)
            elif path.is_symlink():
                problems.append(f"{path}: a link that leads nowhere; repair or delete it")
    return sorted(found), sorted(problems)


def _is_glob(given: str) -> bool:
    return glob.has_magic(given) and not Path(given).exists()


def _glob(pattern: str, suffixes: Sequence[str] | None) -> list[Path]:
    """Return the files with given suffixes, or all files, that a pattern matches."""
    found = (p for p in map(Path, glob.glob(pattern, recursive=True)) if p.is_file())
    return sorted(p for p in found if suffixes is None or ending(p)[0] in suffixes)


def _supported() -> str:
    return ", ".join((*DOCUMENT_SUFFIXES, *TABLE_SUFFIXES, JSON))


def _input_file(path: Path, file_format: str, *, name: str | None = None, named: bool = True) -> InputFile:
    # Names of files need not be Unicode, but ids and messages are.
    name = without_surrogates(stem(path) if name is None else name)
    return InputFile(path, name, file_format, named, display_name=without_surrogates(str(path)))


def _inspected(file: InputFile, encoding: str | None, language: str | None) -> InputFile:
    state = file_state(file.path)
    try:
        is_text = file.file_format in TEXT_SUFFIXES
        sha256, found = inspect(file.path, text=is_text, language=language, encoding=encoding)
    except DataError as error:
        if file.named and not file.is_document:
            # Hours of work must not end at a second table that could never be read.
            raise DataError(*(line.replace(str(file.path), file.display_name) for line in error.problems)) from error
        return file
    return replace(file, sha256=sha256, encoding=found, state=state)


def _is_pipe(path: Path) -> bool:
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        return False


def _spooled(given: str, file_format: str | None, spool: Path | None, number: int) -> InputFile:
    if file_format is None or spool is None:
        raise DataError(f"{given}: unknown format. Name it with --format: {', '.join(FORMATS)}")
    name = "stdin" if given == STANDARD else without_surrogates(Path(given).name)
    # The number keeps apart two pipes that share a name.
    copy = spool / f"{number}.{file_format}"
    source = sys.stdin.buffer if given == STANDARD else None
    with ExitStack() as stack:
        stack.enter_context(
            disk_errors(Path(given), f"The copy in {spool.parent} needs space: set TMPDIR to another folder")
        )
        spool.mkdir(parents=True, exist_ok=True)
        target = stack.enter_context(copy.open("wb"))
        if source is None:
            source = stack.enter_context(open(given, "rb"))
        while block := _read_block(source, given):
            target.write(block)
    return InputFile(copy, name, f".{file_format}", display_name=without_surrogates(given))


def _read_block(source: IO[bytes], name: str) -> bytes:
    try:
        return source.read(1 << 20)
    except OSError as error:
        raise DataError(f"{name}: {error.strerror or error}. Name a file, or a pipe that can be read") from error


def _add_folder(found: FoundFiles, folder: Path, outputs: Container[Path]) -> None:
    if (folder / _SPLITS).is_file():
        for split in _listed(folder / _SPLITS, "splits"):
            _add_dataset(found, folder / str(split), f"{folder.name}/{split}")
        return
    if (folder / _STATE).is_file():
        _add_dataset(found, folder, folder.name)
        return
    inside, problems = files_below(folder)
    inside = [path for path in inside if path not in outputs]
    found.problems += problems
    kinds = (DOCUMENT_SUFFIXES, TABLE_SUFFIXES, (JSON,))
    if pages := [path for path in inside if is_own_page(path)]:
        found.notes.append(
            f"{folder}: {len(pages)} .html written by `communique label`, such as {pages[0].name}, are not read. Name such a page "
            "to read it"
        )
        inside = [path for path in inside if path not in pages]
    by_kind = [[p for p in inside if ending(p)[0] in kind and _why_not(ending(p)[0]) is None] for kind in kinds]
    # Tables next to documents often hold data about them, and JSON files next to either are settings.
    chosen = next((paths for paths in by_kind if paths), [])
    left = set(inside).difference(chosen)
    _leave_out(found, (path for path in inside if path in left))
    if not chosen and not problems:
        more = f" ({found.not_read_line()})" if found.not_read else ""
        raise DataError(f"{folder}: no documents and no tables ({_supported()}) in this folder{more}")
    for path in chosen:
        name = (path.relative_to(folder).parent / stem(path)).as_posix()
        found.files.append(_input_file(path, ending(path)[0], name=name, named=False))


def _add_dataset(found: FoundFiles, folder: Path, name: str) -> None:
    state = folder / _STATE
    content = _json(state)
    if content.get("_indices_files"):
        raise DataError(f"{state}: a selection of rows; save the dataset again after flatten_indices()")
    for entry in _listed(state, "_data_files"):
        file = entry["filename"] if isinstance(entry, dict) else entry
        path = folder / str(file)
        if not path.is_file():
            raise DataError(f"{path}: no such file, but {state} lists it; copy the folder again")
        found.files.append(_input_file(path, ARROW, name=f"{name}/{stem(path)}", named=False))


def _json(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable JSON ({error}); save the dataset again") from error
    return content if isinstance(content, dict) else {}


def _listed(path: Path, key: str) -> list[object]:
    values = _json(path).get(key)
    if not isinstance(values, list) or not values:
        raise DataError(f"{path}: no list {key!r} in it; save the dataset again")
    return values


def _note_twice(found: FoundFiles) -> None:
    """Report files that are named twice, which may be a link: their sentences count twice."""
    by_file = Counter(os.path.realpath(file.path) for file in found.files)
    if twice := [path for path, n in by_file.items() if n > 1]:
        found.notes.append(
            f"{len(twice)} files are read more than once, such as {twice[0]}: their sentences count each time. Name each file once"
        )


def _name_apart(found: FoundFiles) -> None:
    """Rename files that share a name: ids begin with the name and must not collide."""
    by_name: dict[str, list[int]] = defaultdict(list)
    for i, file in enumerate(found.files):
        by_name[file.name].append(i)
    for name, members in by_name.items():
        if len(members) < 2:
            continue
        seen: dict[str, int] = defaultdict(int)
        for i in members:
            file = found.files[i]
            # For a pipe, what the user typed: the path of its copy differs between runs.
            longer = file.path.as_posix() if Path(file.display_name) == file.path else file.display_name
            seen[longer] += 1
            longer += f"#{seen[longer]}" if seen[longer] > 1 else ""
            found.files[i] = replace(found.files[i], name=longer)
        found.notes.append(f"{len(members)} files are named {name!r}: their paths begin their ids instead")
