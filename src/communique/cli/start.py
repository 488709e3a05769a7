"""Start the command line: every failure from the first import to the last flush ends in one line and an exit code.

This module imports nothing that takes time, so that Ctrl-C during the imports of the commands is answered as well.
"""

from __future__ import annotations

import os
import sys

try:
    # Importing it takes milliseconds, in which nothing answers Ctrl-C yet.
    import signal
except KeyboardInterrupt:
    os.write(2, b"stopped\n")
    os._exit(130)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

#: Exit code after Ctrl-C: 128 plus the number of the signal, as shells count it.
STOPPED = 130


def run() -> None:
    """Run the command line."""
    _replace_closed_streams()
    # `nohup` and background jobs of scripts ignore Ctrl-C.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        # A command that has something to clean up has a handler of its own (`cli_errors`).
        signal.signal(signal.SIGINT, _stop_at_once)
        sys.unraisablehook = _repeat_interrupt
    from .app import app

    app()


def _replace_closed_streams() -> None:
    """Make the three standard streams usable, whatever the shell passed.

    A closed stream (`>&-`) would lend its number to the next file that is opened, so that messages would be written into that
    file. Its place is taken here by a descriptor on which reading and writing fail, except that messages to a closed error stream
    are dropped. Characters that a stream cannot encode, as on a terminal of code page 1252, are escaped.
    """
    for number, flags in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # The lowest free number, which is this one.
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _stop_at_once(number: int, frame: FrameType | None) -> None:
    # An exception in the middle of an import can be lost or turned into another one, and nothing is left to clean up.
    os.write(2, b"stopped\n")
    os._exit(STOPPED)


def _repeat_interrupt(unraisable: Any) -> None:
    """Repeat a Ctrl-C that arrived where Python drops exceptions, such as in a destructor."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        import threading

        timer = threading.Timer(0.01, signal.raise_signal, (signal.SIGINT,))
        timer.daemon = True
        timer.start()
    else:
        sys.__unraisablehook__(unraisable)
