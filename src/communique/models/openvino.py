"""Import OpenVINO and NNCF without their telemetry.

Both send usage data to a web service on import unless the user has opted out in a file of the home folder, and both send
nothing where the package `openvino_telemetry` cannot be imported. It is hidden while they are imported, so that nothing
touches the network or the user's settings.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

_TELEMETRY = "openvino_telemetry"


def import_quietly(name: str) -> Any:
    """Import `openvino` or `nncf` while their telemetry package is hidden."""
    if name in sys.modules:
        return sys.modules[name]
    hidden = {key: sys.modules.pop(key) for key in list(sys.modules) if key.split(".")[0] == _TELEMETRY}
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # How Python marks a package as not importable.
    try:
        return importlib.import_module(name)
    finally:
        del sys.modules[_TELEMETRY]
        sys.modules.update(hidden)
