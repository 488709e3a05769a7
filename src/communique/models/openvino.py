"""Import OpenVINO and NNCF without their telemetry.

On import, both packages send usage data to a web service unless the user has opted out in a file in the home folder. They send
nothing if the package `openvino_telemetry` cannot be imported. This module therefore hides that package during the import, so
that neither the network nor the user's settings are touched.
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
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # None makes an import of this package fail.
    try:
        return importlib.import_module(name)
    finally:
        del sys.modules[_TELEMETRY]
        sys.modules.update(hidden)
