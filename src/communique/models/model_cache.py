"""Compiled networks in the user's cache folder: to open one takes a quarter of the time that compiling takes.

::

    ~/.cache/communique/                 the system's folder for caches, or what COMMUNIQUE_CACHE names; `off` is none
      <key>-<sha256>.blob                a compiled network; the key is model, OpenVINO, processor and settings

A file is named after the hash of its bytes: one that was cut off or damaged is recognised, deleted and made anew, and two
processes that write at once disturb neither each other nor a third that reads. OpenVINO's own cache (CACHE_DIR) hashes nothing.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

#: The variable that names the folder of the cache.
VARIABLE = "COMMUNIQUE_CACHE"

#: Compiled networks that are kept, the latest used; the shipped model's is 84 MB.
KEPT = 4

#: Hexadecimal digits of a key in a file's name.
_DIGITS = 16


def cache_folder() -> Path | None:
    """Find the folder of compiled networks; None where the user wants none or has no home."""
    named = os.environ.get(VARIABLE)
    if named:
        return None if named.lower() == "off" else Path(named)
    from platformdirs import user_cache_path

    with suppress(RuntimeError):
        return user_cache_path("communique", appauthor=False)
    return None


def compiled(
    ov: Any,
    ir: Path,
    hashes: Mapping[str, str] | None,
    settings: Mapping[str, Any],
    runtime: Mapping[str, Any],
    before: Callable[[], None] = lambda: None,
) -> Any:
    """Open a network compiled before, or compile it and keep it for the next process.

    What the cache cannot do (a home that is read-only, a full disk, a damaged file) costs time and nothing else.

    Args:
        ov: The module `openvino`.
        ir: The network's file.
        hashes: SHA-256 of the files that make the network, verified; None where they are not, and then nothing is kept.
        settings: OpenVINO's settings that decide what is compiled.
        runtime: Those that do not: threads and streams.
        before: Called before OpenVINO begins, which then needs no lock of Python's for as long as it works.

    Returns:
        OpenVINO's compiled model; it gives the same numbers to the bit, whether it was compiled or opened.
    """
    core, configuration = ov.Core(), {**settings, **runtime}

    def anew() -> Any:
        before()
        return core.compile_model(str(ir), "CPU", configuration)

    folder = cache_folder()
    if hashes is None or folder is None:
        return anew()
    key = _key(ov, core, hashes, settings)
    with suppress(OSError, RuntimeError):
        for path in sorted(folder.glob(f"{key}-*.blob")):
            if (model := _opened(core, path, configuration, before)) is not None:
                return model
    model = anew()
    with suppress(OSError, RuntimeError):
        _keep(model, folder, key)
    return model


def _key(ov: Any, core: Any, hashes: Mapping[str, str], settings: Mapping[str, Any]) -> str:
    # A home can be shared by machines: a network compiled for another processor is another.
    import pyarrow as pa

    parts = {
        "files": dict(hashes),
        "settings": {name: str(value) for name, value in settings.items()},
        "openvino": ov.__version__,
        "processor": core.get_property("CPU", "FULL_DEVICE_NAME"),
        "capabilities": sorted(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")),
        "simd": pa.runtime_info().detected_simd_level,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:_DIGITS]


def _opened(core: Any, path: Path, configuration: Mapping[str, Any], before: Callable[[], None]) -> Any:
    """Open a file of the cache; None where its bytes are not those that were written."""
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != path.stem.partition("-")[2]:
        path.unlink()
        return None
    before()
    # Bytes, which OpenVINO copies; a tensor over a mapped file it would read on after the mapping is gone.
    model = core.import_model(content, "CPU", dict(configuration))
    with suppress(OSError):
        os.utime(path)
    return model


def _keep(model: Any, folder: Path, key: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    model.export_model(content)
    name = f"{key}-{hashlib.sha256(content.getbuffer()).hexdigest()}.blob"
    handle, part = tempfile.mkstemp(dir=folder, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.getbuffer())
        os.replace(part, folder / name)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
    # A killed process leaves its part; another may be at work on one right now, and then this one is the older of few.
    kept = sorted((*folder.glob("*.blob"), *folder.glob("*.part")), key=lambda path: path.stat().st_mtime)
    for path in kept[:-KEPT]:
        path.unlink(missing_ok=True)
