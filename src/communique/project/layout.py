"""Define the files and folders of a project, and create them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..config import LOADER, UPDATE, load_yaml, parse_yaml
from ..data.codebook import Codebook
from ..errors import DataError, OutputError
from ..io.atomic import disk_errors, replacing
from ..io.hints import refuse_standard_input
from ..io.output import exists
from .coding import now

#: The file that makes a folder a project, and the version of its format.
PROJECT_FILE = "project.yaml"
FORMAT: Final = 1

CODEBOOK = "codebook.yaml"

DOCUMENTS, LABELLED, SAMPLES, CODINGS = "documents", "labelled", "samples", "codings"
MODELS, ESTIMATES, CODEBOOKS = "models", "estimates", "codebooks"

#: The folders of a project. `codebooks` keeps every version of the codebook that was used.
FOLDERS = (DOCUMENTS, LABELLED, SAMPLES, CODINGS, MODELS, ESTIMATES, CODEBOOKS)

#: Endings of the files in `samples/` that commands write from the codings.
CODINGS_TABLE, GOLD_TABLE, AGREEMENT_FILE = ".codings.jsonl", ".gold.jsonl", ".agreement.md"

#: What is added to the name of a sample for its sheets for adjudication.
ADJUDICATION_SHEET = "-adjudication"

_HEADER = """\
# This file makes its folder a project of communique.
# documents: files and folders with texts or tables, relative to this folder. Everything in documents/ is read as well.
# columns_from_filename: a pattern such as '{country}_{year}', which reads columns from the names of the files.
"""


class ProjectFile(BaseModel):
    """The content of `project.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = FORMAT
    name: str = Field(min_length=1)
    codebook: str = Field(CODEBOOK, min_length=1, description="path to the codebook, relative to the folder")
    documents: tuple[str, ...] = Field((), description="files and folders with texts, relative to the folder")
    columns_from_filename: str | None = Field(
        None,
        min_length=1,
        description="pattern that reads columns from the names of the files, such as {country}_{year}",
    )
    created: str

    @model_validator(mode="before")
    @classmethod
    def _current(cls, content: object) -> object:
        if isinstance(content, dict) and isinstance(found := content.get("format"), int) and found > FORMAT:
            raise ValueError(
                f"a newer version of communique wrote this project (format {found}; this version reads format {FORMAT}). {UPDATE}"
            )
        return content

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a `project.yaml`.

        Raises:
            DataError: The file is missing or invalid.
        """
        hint = "Name the folder of a project, or create one with `communique init FOLDER`"
        return load_yaml(Path(path), cls, DataError, hint)

    def dump(self, folder: Path) -> None:
        """Write the file, with a comment that explains its keys."""
        with replacing(folder / PROJECT_FILE) as handle:
            handle.write(_HEADER)
            content = self.model_dump(mode="json", exclude_none=True)
            yaml.safe_dump(content, handle, allow_unicode=True, sort_keys=False, width=120)

    def change(self, folder: Path, key: str, value: str | None) -> None:
        """Change one value in the file in a folder, and keep its other lines, such as comments that somebody wrote.

        If that is not possible, because the file is written in an unusual way, the whole file is written again.

        Args:
            folder: Folder of the project, whose file has the content of this object.
            key: The key.
            value: Its new value. None removes the key.
        """
        changed = type(self).model_validate(self.model_dump() | {key: value})
        path = folder / PROJECT_FILE
        try:
            text = _with_value(path.read_bytes().decode("utf-8"), key, value)
            if type(self).model_validate(parse_yaml(text)) != changed:
                raise ValueError
        except (OSError, ValueError, yaml.YAMLError):
            changed.dump(folder)
            return
        with replacing(path) as handle:
            handle.write(text)


def _with_value(text: str, key: str, value: str | None) -> str:
    """Return a YAML mapping in which one line has another value.

    Raises:
        ValueError: The text is not a mapping with one key per line.
    """
    if text.startswith("\ufeff"):  # libyaml does not count it in the positions
        return text[0] + _with_value(text[1:], key, value)
    root = yaml.compose(text, Loader=LOADER)
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise ValueError(text)
    end_of_line = "\r\n" if "\r\n" in text else "\n"
    line = ""
    if value is not None:
        line = yaml.safe_dump({key: value}, allow_unicode=True, width=10**6).rstrip("\n")
    place = next(((k.start_mark.index, v.end_mark.index) for k, v in root.value if k.value == key), None)
    if place is None:
        before = text if not text or text.endswith("\n") else text + end_of_line
        return f"{before}{line}{end_of_line}" if line else text
    before, after = text[: place[0]], text[place[1] :]
    # A block scalar ends after its line.
    if text[: place[1]].endswith("\n") and line:
        line += end_of_line
    if not line:
        after = after.lstrip(" \t").removeprefix(end_of_line)  # a comment on the line stays
    return before + line + after


def starter() -> str:
    """Return the example codebook with comments that `communique init` writes."""
    return files("communique.project").joinpath("starter.yaml").read_text(encoding="utf-8")


def create_folder(
    folder: Path, *, name: str | None, codebook: Path | None, documents: Sequence[Path], copy: bool
) -> None:
    """Create the folder of a project. Arguments and errors are those of `Project.create`."""
    if (folder / PROJECT_FILE).exists():
        raise OutputError(
            f"{folder}: is already a project. Choose another folder, or run `communique status` in this one"
        )
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is not a folder. Choose another name")
    for path in documents:
        refuse_standard_input(path)
        if not path.exists():
            raise DataError(f"{path}: no such file or folder. Name the texts or tables of the project")
        if folder.resolve().is_relative_to(path.resolve()):
            raise DataError(
                f"{path}: contains the folder of the project, whose own files would count as documents. Create the project in "
                "another folder, or name the texts themselves"
            )
    if copy and (taken := next((path for path in documents if (folder / DOCUMENTS / path.name).exists()), None)):
        raise exists(folder / DOCUMENTS / taken.name)
    existing = folder / CODEBOOK
    if codebook is not None and existing.exists() and not existing.samefile(codebook):
        raise OutputError(f"{existing}: already exists. Omit --codebook to use it, or choose another folder")
    source = codebook or (existing if existing.exists() else None)
    if source is not None:
        Codebook.load(source)
    with disk_errors(folder, "Choose a folder in which files can be written"):
        for part in FOLDERS:
            (folder / part).mkdir(parents=True, exist_ok=True)
        if not existing.exists():
            _write_codebook(existing, source)
        if copy:
            for path in documents:
                _copy(path, folder / DOCUMENTS / path.name)
    listed = () if copy else tuple(_relative(path, folder) for path in documents)
    created = now().isoformat(timespec="seconds")
    ProjectFile(name=name or folder.resolve().name, documents=listed, created=created).dump(folder)


def _write_codebook(path: Path, source: Path | None) -> None:
    """Write the starter, or a copy of a codebook with its comments."""
    with replacing(path, "wb") as handle:
        handle.write(starter().encode() if source is None else source.read_bytes())


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)


def _relative(path: Path, folder: Path) -> str:
    """Return a path for `project.yaml`. It is relative inside the folder that contains the project, and absolute elsewhere."""
    whole, inside = path.resolve(), folder.resolve()
    if whole.is_relative_to(inside.parent):
        return Path(os.path.relpath(whole, inside)).as_posix()
    return str(whole)
