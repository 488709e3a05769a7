"""Run `communique app` in a process of its own, as users do. Benchmarks and tests share this module."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

ROOT = Path(__file__).parents[1]

#: Seconds that the server may take to start or to stop. A machine that is five times slower than a laptop must not fail.
PATIENCE = 300


class AppServer:
    """A running `communique app`.

    Args:
        project: Folder of the project.
        log: File that receives its output.
        port: The port. Default: a free one.
        environment: Variables of the process in addition to those of this one.
    """

    def __init__(
        self, project: Path, log: Path, *, port: int = 0, environment: Mapping[str, str] | None = None
    ) -> None:
        self._log = log
        source = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
        command = [sys.executable, "-m", "communique", "app", str(project), "--no-browser", "--port", str(port)]
        with log.open("wb") as handle:
            self.process = subprocess.Popen(
                command,
                stdout=handle,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": source, **(environment or {})},
            )
        end = time.monotonic() + PATIENCE
        while (found := self._found()) is None:
            if self.process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise RuntimeError(f"the app does not start: {log.read_text(encoding='utf-8')}")
            time.sleep(0.02)
        #: The address with the token, the address without it and without the slash at its end, the port, and the token.
        self.opening, self.base, self.port = found["all"], found["base"], int(found["port"])
        self.token = found["token"]

    def _found(self) -> re.Match[str] | None:
        output = self._log.read_text(encoding="utf-8")
        # The line must be complete, or a part of the token could be read.
        return re.search(r"(?P<all>(?P<base>http://[\d.]+:(?P<port>\d+))/\?token=(?P<token>\S+))\n", output)

    def connect(self) -> Connection:
        """Return a connection for one thread."""
        return Connection(self.port, self.token)

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


class Connection:
    """A connection to the server that is kept open between requests, as browsers keep it."""

    def __init__(self, port: int, token: str) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self._headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str, *, partial: bool = False) -> tuple[int, bytes]:
        """Return the status and the body of a page. `partial` asks for a part of it, as htmx does."""
        return self._send("GET", path, None, {"HX-Request": "true"} if partial else {})

    def post(self, path: str, form: Mapping[str, Any]) -> tuple[int, bytes]:
        """Send a form as htmx does, and return the status and the body."""
        kind = {"HX-Request": "true", "Content-Type": "application/x-www-form-urlencoded"}
        return self._send("POST", path, urlencode(form, doseq=True).encode(), kind)

    def json(self, method: str, path: str, body: object = None) -> Any:
        """Send a request to the API, and return its answer.

        Raises:
            RuntimeError: The server refused it.
        """
        content = None if body is None else json.dumps(body).encode()
        status, found = self._send(method, f"/api/v1{path}", content, {"Content-Type": "application/json"})
        if status >= 400:
            raise RuntimeError(f"{method} {path}: {status} {found[:500]!r}")
        return json.loads(found)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        self._http.request(method, path, body, {**self._headers, **headers})
        answer = self._http.getresponse()
        return answer.status, answer.read()


def finished(connection: Connection, command: str, *, seconds: float = 3600) -> dict[str, Any]:
    """Wait until the newest job of a command has ended, and return it. A job that has not begun yet is waited for."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = next((one for one in connection.json("GET", "/jobs") if one["name"] == command), None)
        if found is not None and found["state"] != "running":
            return dict(found)
        time.sleep(0.2)
    raise RuntimeError(f"communique {command} has not ended after {seconds} seconds")
