"""Start the command line so that every failure, from the first import to the last flush, ends in one line and an exit code.

This module only imports modules that load fast, so that Ctrl-C also works while the commands are imported.
"""

from __future__ import annotations

import os
import sys

try:
    # This import takes milliseconds, and until it is done no handler is installed for Ctrl-C.
    import signal
except KeyboardInterrupt:
    os.write(2, b"stopped\n")
    os._exit(130)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

#: Exit code after Ctrl-C. As in shells, it is 128 plus the number of the signal.
STOPPED = 130


def run() -> None:
    """Run the command line."""
    _replace_closed_streams()
    # Under `nohup` and in background jobs of scripts, Ctrl-C must remain ignored.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        # A command that has to clean up replaces this handler (`cli_errors`).
        signal.signal(signal.SIGINT, _stop_at_once)
        sys.unraisablehook = _repeat_interrupt
    from .app import app

    app()


def _replace_closed_streams() -> None:
    """Make the three standard streams usable, even if the shell closed them.

    The next file that is opened would get the number of a closed stream (`>&-`), and messages would be written to that file. This
    function therefore opens a descriptor in its place, on which reading and writing fail. Messages to a closed standard error are
    dropped. Characters that a stream cannot encode, for example on a terminal with code page 1252, are escaped.
    """
    for number, flags in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # gets the lowest free number, which is this one
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _stop_at_once(number: int, frame: FrameType | None) -> None:
    """Exit without an exception, which an import could lose or replace by another one. There is nothing to clean up."""
    os.write(2, b"stopped\n")
    os._exit(STOPPED)


def _repeat_interrupt(unraisable: Any) -> None:
    """Repeat a Ctrl-C that arrived in a place where Python drops exceptions, such as a destructor."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        import threading

        timer = threading.Timer(0.01, signal.raise_signal, (signal.SIGINT,))
        timer.daemon = True
        timer.start()
    else:
        sys.__unraisablehook__(unraisable)
