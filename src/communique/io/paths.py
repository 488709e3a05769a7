"""Find input files: named files, folders, glob patterns, saved `datasets` folders and standard input."""

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
from ..reporting.format import counted
from ..text.cleaning import without_surrogates
from .atomic import disk_errors
from .documents.read import EXTRA, require_reader
from .encoding import inspect
from .file_state import FileState, file_state
from .hints import missing_file, refuse_standard_input, unknown_suffix
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

#: Values of `--format`: suffixes without the dot.
FORMATS = tuple(
    suffix[1:] for suffix in (*DOCUMENT_SUFFIXES, *TABLE_SUFFIXES, JSON, ARROW) if suffix not in (".markdown", ".htm")
)

#: Suffixes of all files that are read if the user names them.
_READ = (*DOCUMENT_SUFFIXES, *TABLE_SUFFIXES, JSON, ARROW)

#: Kinds of files. Of a folder, only the files of the first kind that it contains are read: tables next to documents often contain
#: metadata about them, and JSON files next to documents or tables are often settings.
FOLDER_KINDS = (DOCUMENT_SUFFIXES, TABLE_SUFFIXES, (JSON,))

#: Files that identify a folder saved by `datasets`. The first lists its splits, the second its data files.
_SPLITS, _STATE = "dataset_dict.json", "state.json"


@dataclass(frozen=True)
class InputFile:
    """A file to read, with what one pass over its bytes found.

    Attributes:
        path: Path of the file.
        name: Beginning of the ids of its rows. It is unique among the files of an input.
        file_format: Format of the file, as a suffix such as `.csv`.
        named: Whether the user named the file. If a file from a folder or glob cannot be read, the other files are still read.
        display_name: Name of the file in messages and in the record of a run: its path, or `-`.
        sha256: Hash of the file's bytes. None if the file cannot be read.
        encoding: Encoding of a text file.
        state: The file's `file_state` before it was hashed. None if the file cannot be read.
    """

    path: Path
    name: str
    file_format: str
    named: bool = True
    display_name: str = ""
    sha256: str | None = None
    encoding: Encoding | None = None
    state: FileState | None = None

    def check_unchanged(self) -> None:
        """Check that the file has not changed since it was hashed.

        It is hashed again only if its state has changed. A deleted file counts as unchanged: the rows read from it are correct, and
        reading it again raises an error in any case.

        Raises:
            ChangedError: The file has changed.
        """
        if self.state is None or not self.path.exists() or file_state(self.path) == self.state:
            return
        try:
            same = inspect(self.path, text=False)[0] == self.sha256
        except DataError:
            same = False
        if not same:
            raise ChangedError(
                f"{self.display_name}: the file changed while it was being read. Restore it and run the same command with "
                "--resume, or label its current content with --restart"
            )

    @property
    def is_document(self) -> bool:
        """Whether the file is a single document rather than a table of rows."""
        return self.file_format in (*PLAIN_SUFFIXES, *EXTRACTED_SUFFIXES)


@dataclass
class FoundFiles:
    """The files found, in order, with notes for the user and problems with paths that could not be read."""

    files: list[InputFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    #: Number of files that are not read, by suffix and reason.
    not_read: Counter[tuple[str, str]] = field(default_factory=Counter)

    def not_read_line(self) -> str:
        """Return a note that counts the files that are not read, by suffix and reason."""
        parts = (f"{n} {suffix or 'without suffix'} ({reason})" for (suffix, reason), n in self.not_read.items())
        return f"not read: {', '.join(parts)}"

    @property
    def aliases(self) -> dict[str, str]:
        """Names that the user knows, by the path of the temporary copy that is read instead."""
        return {str(f.path): f.display_name for f in self.files if str(f.path) != f.display_name}


def find_files(
    paths: Sequence[str | Path],
    *,
    file_format: str | None = None,
    spool: Path | None = None,
    encoding: str | None = None,
    language: str | None = None,
    outputs: Container[Path] = (),
    format_option: str = "--format",
) -> FoundFiles:
    """Find documents and tables, hash them and recognise their encodings.

    Args:
        paths: Files, folders, globs, or `-` for standard input.
        file_format: Format of standard input and of named files, one of `FORMATS`. Default: the format that each suffix shows.
        spool: Folder for a copy of standard input, which is read twice: once to inspect it and once to label it.
        encoding: Encoding of all text files. Default: recognised from each file.
        language: Language of all texts, if it is known. It helps to recognise encodings.
        outputs: Files that the command writes (see `check_outputs`). They are skipped in folders and globs.
        format_option: Name of the option for `file_format`, for messages.

    Raises:
        OutputError: A path names an output of the command.
        MissingExtraError: A named file needs a library that is not installed.
        DataError: A path does not exist or has an unknown suffix, or a named table cannot be read.
    """
    found = locate_files(paths, file_format=file_format, spool=spool, outputs=outputs, format_option=format_option)
    found.files = [_inspected(file, encoding, language) for file in found.files]
    if found.not_read:
        found.notes.append(found.not_read_line())
    return found


def locate_files(
    paths: Sequence[str | Path],
    *,
    file_format: str | None = None,
    spool: Path | None = None,
    outputs: Container[Path] = (),
    format_option: str = "--format",
) -> FoundFiles:
    """Find documents and tables without reading their content. Arguments and errors are those of `find_files`."""
    found = FoundFiles()
    streams: set[str] = set()
    for given in map(str, paths):
        path = Path(given)
        if given == STANDARD or _is_pipe(path):
            if given in streams:
                raise DataError(f"{given}: named twice, but a stream can be read only once. Name it once")
            streams.add(given)
            if file_format is None:
                raise DataError(
                    f"{given}: unknown format. Name one of these with {format_option}: {', '.join(FORMATS)}"
                )
            found.files.append(_spooled(given, file_format, spool, len(found.files)))
        elif path.is_dir():
            _add_folder(found, path, outputs)
        elif _is_glob(given):
            _add_glob(found, given, file_format, outputs)
        else:
            own = ending(path)[0]
            held = f".{file_format}" if file_format else own if own in _READ else None
            if not path.exists():
                raise DataError(f"{path}: no such file or folder{missing_file(path)}")
            if not held:
                raise DataError(
                    f"{path}: unknown suffix. Name its format with {format_option}, or name a file or folder of: {_supported()}"
                    f"{unknown_suffix(path, _READ)}"
                )
            if not path.is_file():
                raise DataError(f"{path}: not a regular file. Name a file or a folder, or - for standard input")
            require_reader(held)
            found.files.append(_input_file(path, held))
    if written := next((file for file in found.files if file.path in outputs), None):
        raise OutputError(f"{written.path}: is both an input and an output. Choose another output")
    _name_apart(found)
    _note_twice(found)
    return found


def _add_glob(found: FoundFiles, pattern: str, file_format: str | None, outputs: Container[Path]) -> None:
    matches = [path for path in _glob(pattern, None) if path not in outputs]
    formats = {path: f".{file_format}" if file_format else ending(path)[0] for path in matches}
    inside = [path for path in matches if formats[path] in _READ and _why_not(formats[path]) is None]
    _leave_out(found, (path for path in matches if path not in set(inside)))
    if not inside:
        more = f" ({found.not_read_line()})" if found.not_read else ""
        raise DataError(
            f"{pattern}: no document or table matches this pattern{more}. Supported formats: {_supported()}"
        )
    found.files += [_input_file(path, formats[path], named=False) for path in inside]


def _why_not(suffix: str) -> str | None:
    """Return the reason why files with a suffix cannot be read, or None if they can be."""
    if suffix not in _READ:
        return ADVICE.get(suffix, "unknown format")
    module = MODULES.get(suffix)
    return f"install communique[{EXTRA}]" if module and find_spec(module) is None else None


def _leave_out(found: FoundFiles, paths: Iterable[Path]) -> None:
    """Count files that are not read."""
    for path in paths:
        suffix = ending(path)[0] or path.suffix.lower()
        found.not_read[suffix, _why_not(suffix) or "name these files to read them"] += 1


def list_files(paths: str | Path | Sequence[str | Path], suffixes: Sequence[str] = TABLE_SUFFIXES) -> list[Path]:
    """List the files with certain suffixes at one or several paths, which may be files, folders or globs.

    The files of each path are sorted. Folders are searched at any depth, but hidden files are skipped. Compression suffixes (`.gz`,
    `.zst`) are ignored. A named file is always listed, whatever its suffix.

    Raises:
        DataError: There is no such file at a path, a path is `-`, or a folder cannot be read.
    """
    found: list[Path] = []
    for given in [paths] if isinstance(paths, (str, Path)) else paths:
        refuse_standard_input(given)
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
            raise DataError(
                f"{given}: no such file, and no folder or pattern with files of these formats: {', '.join(suffixes)}"
            )
        found += inside
    return found


def files_below(folder: Path) -> tuple[list[Path], list[str]]:
    """List the files below a folder in sorted order, without hidden files, the lock files of Excel and the shards of runs.

    Links to folders are not followed, so a link to a parent folder cannot cause an endless loop.

    Returns:
        The files, and problems with folders and links that could not be read.
    """
    found: list[Path] = []
    problems: list[str] = []

    def failed(error: OSError) -> None:
        problems.append(f"{error.filename}: {error.strerror}. Name a folder that can be read")

    for parent, folders, names in os.walk(folder, onerror=failed):
        # Skip the shards of an unfinished run and the files that describe it, because they are not input data.
        folders[:] = [name for name in folders if not name.startswith(".") and not is_run_folder(Path(parent, name))]
        # Excel keeps a file such as ~$coded.xlsx next to a workbook that is open.
        for path in (Path(parent, name) for name in names if not name.startswith((".", "~$"))):
            if path.is_file():
                found.append(path)
            elif path.is_symlink():
                problems.append(f"{path}: a broken link. Repair or delete it")
    return sorted(found), sorted(problems)


def _is_glob(given: str) -> bool:
    return glob.has_magic(given) and not Path(given).exists()


def _glob(pattern: str, suffixes: Sequence[str] | None) -> list[Path]:
    """Return the files that match a pattern and have one of the suffixes. If `suffixes` is None, return all that match."""
    found = (p for p in map(Path, glob.glob(pattern, recursive=True)) if p.is_file() and not p.name.startswith("~$"))
    return sorted(p for p in found if suffixes is None or ending(p)[0] in suffixes)


def _supported() -> str:
    return ", ".join((*DOCUMENT_SUFFIXES, *TABLE_SUFFIXES, JSON))


def _input_file(path: Path, file_format: str, *, name: str | None = None, named: bool = True) -> InputFile:
    # File names need not be valid Unicode, but ids and messages must be.
    name = without_surrogates(stem(path) if name is None else name)
    return InputFile(path, name, file_format, named, display_name=without_surrogates(str(path)))


def _inspected(file: InputFile, encoding: str | None, language: str | None) -> InputFile:
    state = file_state(file.path)
    try:
        is_text = file.file_format in TEXT_SUFFIXES
        sha256, found = inspect(file.path, text=is_text, language=language, encoding=encoding)
    except DataError as error:
        if file.named and not file.is_document:
            # Fail now: otherwise the run would fail when it reaches this table, perhaps after hours of work.
            raise DataError(*(line.replace(str(file.path), file.display_name) for line in error.problems)) from error
        return file
    return replace(file, sha256=sha256, encoding=found, state=state)


def _is_pipe(path: Path) -> bool:
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        return False


def _spooled(given: str, file_format: str, spool: Path | None, number: int) -> InputFile:
    if spool is None:
        raise DataError(f"{given}: a stream cannot be read here. Name a file")
    name = "stdin" if given == STANDARD else without_surrogates(Path(given).name)
    # The number distinguishes two pipes that have the same name.
    copy = spool / f"{number}.{file_format}"
    source = sys.stdin.buffer if given == STANDARD else None
    with ExitStack() as stack:
        stack.enter_context(
            disk_errors(Path(given), f"A copy in {spool.parent} is needed. Set TMPDIR to a folder with more space")
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
    if pages := [path for path in inside if is_own_page(path)]:
        written = f"{counted(len(pages), '.html file')} written by `communique label`"
        found.notes.append(f"{folder}: skipped {written}, such as {pages[0].name}. Name such a file to read it")
        inside = [path for path in inside if path not in pages]
    by_kind = [[p for p in inside if ending(p)[0] in kind and _why_not(ending(p)[0]) is None] for kind in FOLDER_KINDS]
    chosen = next((paths for paths in by_kind if paths), [])
    left = set(inside).difference(chosen)
    _leave_out(found, (path for path in inside if path in left))
    if not chosen and not problems:
        more = f" ({found.not_read_line()})" if found.not_read else ""
        raise DataError(f"{folder}: no documents or tables in this folder{more}. Supported formats: {_supported()}")
    for path in chosen:
        name = (path.relative_to(folder).parent / stem(path)).as_posix()
        found.files.append(_input_file(path, ending(path)[0], name=name, named=False))


def _add_dataset(found: FoundFiles, folder: Path, name: str) -> None:
    state = folder / _STATE
    content = _json(state)
    if content.get("_indices_files"):
        raise DataError(f"{state}: the dataset is a selection of rows. Call flatten_indices() and save it again")
    for entry in _listed(state, "_data_files"):
        file = entry["filename"] if isinstance(entry, dict) else entry
        path = folder / str(file)
        if not path.is_file():
            raise DataError(f"{path}: no such file, but {state} lists it. Copy the folder again")
        found.files.append(_input_file(path, ARROW, name=f"{name}/{stem(path)}", named=False))


def _json(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable JSON ({error}). Save the dataset again") from error
    return content if isinstance(content, dict) else {}


def _listed(path: Path, key: str) -> list[object]:
    values = _json(path).get(key)
    if not isinstance(values, list) or not values:
        raise DataError(f"{path}: the list {key!r} is missing or empty. Save the dataset again")
    return values


def _note_twice(found: FoundFiles) -> None:
    """Add a note about files that are named more than once, perhaps through a link."""
    by_file = Counter(os.path.realpath(file.path) for file in found.files)
    if twice := [path for path, n in by_file.items() if n > 1]:
        files = f"{len(twice)} files are" if len(twice) > 1 else "1 file is"
        found.notes.append(
            f"{files} read more than once, such as {twice[0]}, and the sentences are counted each time. Name each file once"
        )


def _name_apart(found: FoundFiles) -> None:
    """Rename files that have the same name, because ids begin with the name and must be unique."""
    by_name: dict[str, list[int]] = defaultdict(list)
    for i, file in enumerate(found.files):
        by_name[file.name].append(i)
    for name, members in by_name.items():
        if len(members) < 2:
            continue
        seen: dict[str, int] = defaultdict(int)
        for i in members:
            file = found.files[i]
            # For a pipe, use the name that the user typed, because the path of its copy differs between runs.
            longer = file.path.as_posix() if Path(file.display_name) == file.path else file.display_name
            seen[longer] += 1
            longer += f"#{seen[longer]}" if seen[longer] > 1 else ""
            found.files[i] = replace(found.files[i], name=longer)
        found.notes.append(
            f"{len(members)} files are named {name!r}, so their ids begin with their paths instead of this name"
        )
