"""Run `communique app` as users do, and drive it with a browser: the processes, and checks of a page."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helpers import PATIENCE, ROOT, until

#: Names of the program on different systems. Playwright's own builds of the browser are not used.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

#: Widths of a laptop and of a phone, with the height of the window.
SIZES = {"wide": (1280, 800), "narrow": (390, 844)}

#: Milliseconds that the browser waits for an element. Nothing in these tests depends on the speed of the machine.
TIMEOUT = 120_000


def find_chromium() -> str | None:
    """Return the path of Chromium, or None if it is not installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def chromium_arguments() -> list[str]:
    """Return the arguments without which Chromium does not start in a container."""
    return ["--disable-dev-shm-usage", *(["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else [])]


class AppProcess:
    """A running `communique app`.

    Args:
        project: Folder of the project.
        log: File that receives its output.
        port: The port. Default: a free one.
    """

    def __init__(self, project: Path, log: Path, *, port: int = 0) -> None:
        self._log = log
        source = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
        command = [sys.executable, "-m", "communique", "app", str(project), "--no-browser", "--port", str(port)]
        with log.open("wb") as handle:
            self.process = subprocess.Popen(
                command, stdout=handle, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONPATH": source}
            )
        until(lambda: self._found() is not None or self.process.poll() is not None, "the app does not start")
        found = self._found()
        assert found is not None, log.read_text(encoding="utf-8")
        #: The address with the token, the address without it and without the slash at its end, and the port.
        self.opening, self.base, self.port = found["all"], found["base"], int(found["port"])

    def _found(self) -> re.Match[str] | None:
        output = self._log.read_text(encoding="utf-8")
        return re.search(r"(?P<all>(?P<base>http://[\d.]+:(?P<port>\d+))/\?token=\S+)", output)

    def kill(self) -> None:
        """End the server as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Stop the server as Ctrl-C does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()


def overflowing(page: Any) -> list[str]:
    """Return the elements that make a page wider than the window."""
    found: list[str] = page.evaluate(
        """() => {
            const width = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth <= width) return [];
            return [...document.querySelectorAll("body *")]
                .filter((one) => one.getBoundingClientRect().right > width + 1 || one.getBoundingClientRect().left < -1)
                .map((one) => one.outerHTML.slice(0, 120));
        }"""
    )
    return found


def violations(page: Any, *, ignore: Sequence[str] = ()) -> list[str]:
    """Return the serious and critical violations that axe finds on a page."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {one['help']}: {[node['html'][:160] for node in one['nodes']][:5]}"
        for one in found
        if one["impact"] in ("serious", "critical") and one["id"] not in ignore
    ]
