"""Write files under a temporary name, so that an interrupted write leaves nothing half done."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ..errors import BundleError, DataError


@contextmanager
def replacing(path: str | Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file for writing under a temporary name beside it; it takes its own name when all went well."""
    path = Path(path)
    options: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    handle = tempfile.NamedTemporaryFile(  # noqa: SIM115  # closed below, before it is renamed
        mode, dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False, **options
    )
    try:
        with handle:
            yield handle
        os.chmod(handle.name, 0o666 & ~_umask())
        os.replace(handle.name, path)
    except BaseException:
        Path(handle.name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what a disk refuses into an error of one line."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{path}: {error.strerror or error}; make room or give another output; what is finished stays there, and the "
            "same command with --resume goes on"
        ) from error


@contextmanager
def _replacing(path: Path, final: Path | None = None) -> Iterator[IO[bytes]]:
    """Write a file under a temporary name; it takes its own when its bytes are on the disk."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as handle:
            yield handle
        # Another handle: a compressor closes the first.
        with part.open("rb+") as handle:
            os.fsync(handle.fileno())
        os.replace(part, final or path)
        _sync_folder((final or path).parent)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    # A power cut must not take the new name away. Windows cannot open a folder, and needs no such call.
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def new_folder(folder: str | Path, *, replace: bool = False) -> Iterator[Path]:
    """Fill a folder under a temporary name; it takes its own name when all went well.

    Raises:
        BundleError: The folder exists and is not to be replaced.
    """
    folder = Path(folder)
    if folder.exists() and not replace:
        raise BundleError(f"{folder}: exists; give another folder, or --overwrite")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        yield temporary
        temporary.chmod(0o755)
        if folder.exists():
            old = temporary.with_suffix(".old")
            os.replace(folder, old)
            os.replace(temporary, folder)
            shutil.rmtree(old)
        else:
            os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def file_sha256(path: Path) -> str:
    """Hash a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
