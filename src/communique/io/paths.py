"""Find what `communique label` is given: files, folders, globs, saved `datasets` folders, standard input."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
import stat
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import DataError
from .encoding import Encoding
from .suffixes import ARROW, DOCUMENT_SUFFIXES, TABLE_SUFFIXES, ending, stem

#: What stands for standard input and output.
STANDARD = "-"

#: Values of `--format`: endings without their dot.
FORMATS = tuple(suffix[1:] for suffix in (*DOCUMENT_SUFFIXES, *TABLE_SUFFIXES, ARROW) if suffix != ".markdown")

#: Files with which `datasets` marks a folder that it saved, and where they list splits and files.
_SPLITS, _STATE = "dataset_dict.json", "state.json"


@dataclass(frozen=True)
class File:
    """A file to read.

    `name` begins the ids of its rows, `form` is an ending that says what it holds, `encoding` is kept from the first look
    into it. `given` is False for a file of a folder or a glob: one that cannot be read does not stop the others.
    """

    path: Path
    name: str
    form: str
    given: bool = True
    shown: str = ""
    encoding: Encoding | None = None

    @property
    def is_document(self) -> bool:
        """Whether it is text or Markdown rather than a table."""
        return self.form in DOCUMENT_SUFFIXES

    @property
    def label(self) -> str:
        """How messages and the record of a run name it: its path, or `-`."""
        return self.shown or str(self.path)


@dataclass
class Found:
    """Files in order, what to tell of them, and places that could not be looked into."""

    files: list[File] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def find(paths: Sequence[str | Path], *, form: str | None = None, spool: Path | None = None) -> Found:
    """Find the files that paths name.

    Args:
        paths: Files, folders, globs, or `-` for standard input.
        form: What standard input and files of unknown endings hold, one of `FORMATS`.
        spool: Folder for a copy of standard input: it is read twice, once to recognise and hash it.

    Raises:
        DataError: A path is not there, or is of an ending that is not known.
    """
    found = Found()
    for given in map(str, paths):
        path = Path(given)
        if given == STANDARD or _is_pipe(path):
            if any(file.shown == given for file in found.files):
                raise DataError(f"{given}: given twice, and what comes from it can be read once; give it once")
            found.files.append(_spooled(given, form, spool, len(found.files)))
        elif path.is_dir():
            _add_folder(found, path)
        elif not path.exists() and glob.has_magic(given):
            inside = sorted(p for p in map(Path, glob.glob(given, recursive=True)) if p.is_file() and _form(p))
            if not inside:
                raise DataError(f"{given}: no document and no table is named so; {_endings()}")
            found.files += [File(p, stem(p), str(_form(p)), given=False) for p in inside]
        else:
            held = _form(path) or (form and f".{form}")
            if not held:
                raise DataError(f"{path}: give a folder or a file that ends in {_endings()}; or say --format")
            if not path.is_file():
                raise DataError(f"{path}: no such file")
            found.files.append(File(path, stem(path), held))
    _name_apart(found)
    return found


def _endings() -> str:
    return ", ".join(DOCUMENT_SUFFIXES + TABLE_SUFFIXES)


def _form(path: Path) -> str | None:
    """Give the ending that says what a file holds; None where it is not known."""
    suffix = ending(path)[0]
    return suffix if suffix in (*DOCUMENT_SUFFIXES, *TABLE_SUFFIXES, ARROW) else None


def _is_pipe(path: Path) -> bool:
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        return False


def _spooled(given: str, form: str | None, spool: Path | None, number: int) -> File:
    if form is None or spool is None:
        raise DataError(f"{given}: say with --format what comes: {', '.join(FORMATS)}")
    spool.mkdir(parents=True, exist_ok=True)
    name = "stdin" if given == STANDARD else Path(given).name
    # The number keeps apart pipes of one name in two folders.
    copy = spool / f"{number}-{name}.{form}"
    with copy.open("wb") as target:
        if given == STANDARD:
            shutil.copyfileobj(sys.stdin.buffer, target, 1 << 20)
        else:
            with open(given, "rb") as source:
                shutil.copyfileobj(source, target, 1 << 20)
    return File(copy, name, f".{form}", shown=given)


def _add_folder(found: Found, folder: Path) -> None:
    if (folder / _SPLITS).is_file():
        for split in _listed(folder / _SPLITS, "splits"):
            _add_dataset(found, folder / str(split), f"{folder.name}/{split}")
        return
    if (folder / _STATE).is_file():
        _add_dataset(found, folder, folder.name)
        return
    inside, problems = files_below(folder)
    found.problems += problems
    texts = [path for path in inside if ending(path)[0] in DOCUMENT_SUFFIXES]
    tables = [path for path in inside if ending(path)[0] in TABLE_SUFFIXES]
    if not texts and not tables and not problems:
        raise DataError(f"{folder}: no documents and no tables ({_endings()}) in this folder")
    if texts and tables:
        found.notes.append(
            f"{folder}: its {len(texts)} documents are read, its {len(tables)} tables are not (the first: {tables[0]}); "
            "name the tables to read them"
        )
    for path in texts or tables:
        name = (path.relative_to(folder).parent / stem(path)).as_posix()
        found.files.append(File(path, name, ending(path)[0], given=False))


def _add_dataset(found: Found, folder: Path, name: str) -> None:
    state = folder / _STATE
    content = _json(state)
    if content.get("_indices_files"):
        raise DataError(f"{state}: a selection of rows; save the dataset again after flatten_indices()")
    for entry in _listed(state, "_data_files"):
        file = entry["filename"] if isinstance(entry, dict) else entry
        path = folder / str(file)
        if not path.is_file():
            raise DataError(f"{path}: no such file, but {state} lists it; copy the folder again")
        found.files.append(File(path, f"{name}/{stem(path)}", ARROW, given=False))


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


def _name_apart(found: Found) -> None:
    """Give files that share a name others: ids begin with the name, and must not meet."""
    by_name: dict[str, list[int]] = defaultdict(list)
    for i, file in enumerate(found.files):
        by_name[file.name].append(i)
    for name, members in by_name.items():
        if len(members) < 2:
            continue
        seen: dict[str, int] = defaultdict(int)
        for i in members:
            # Of a pipe what the user called it: the path of its copy is another in each run.
            longer = found.files[i].shown or found.files[i].path.as_posix()
            seen[longer] += 1
            longer += f"#{seen[longer]}" if seen[longer] > 1 else ""
            found.files[i] = replace(found.files[i], name=longer)
        found.notes.append(f"{len(members)} files are named {name!r}: their paths begin their ids instead")


def hashes(files: Iterable[File]) -> dict[str, str]:
    """Hash the content of files, by their paths; a file that cannot be read has its reason instead."""
    found: dict[str, str] = {}
    for file in files:
        try:
            with file.path.open("rb") as handle:
                found[file.label] = hashlib.file_digest(handle, "sha256").hexdigest()
        except OSError as error:
            found[file.label] = error.strerror or "unreadable"
    return found


def files_below(folder: Path) -> tuple[list[Path], list[str]]:
    """List the files below a folder, sorted, hidden ones left out, and what could not be looked into.

    Links to folders are not followed, so that a link to a folder above ends nowhere.
    """
    found: list[Path] = []
    problems: list[str] = []

    def failed(error: OSError) -> None:
        problems.append(f"{error.filename}: {error.strerror}; give a folder that can be read")

    for parent, folders, names in os.walk(folder, onerror=failed):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(parent, name) for name in names if not name.startswith(".")):
            if path.is_file():
                found.append(path)
            elif path.is_symlink():
                problems.append(f"{path}: a link that leads nowhere; repair or delete it")
    return sorted(found), sorted(problems)


def table_paths(paths: str | Path | Sequence[str | Path]) -> list[Path]:
    """List the tables that a file, a folder, a glob or several of them name, sorted within each.

    Raises:
        DataError: Nothing is there.
    """
    given = [paths] if isinstance(paths, (str, Path)) else list(paths)
    found: list[Path] = []
    for one in given:
        path = Path(one)
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in TABLE_SUFFIXES)
        elif path.exists():
            inside = [path]
        else:
            inside = sorted(map(Path, glob.glob(str(one), recursive=True)))
        if not inside:
            raise DataError(f"{one}: no such file, folder or pattern with a table ({', '.join(TABLE_SUFFIXES)})")
        found += inside
    return found
