"""A client for OpenAI's chat completions API, with retries and a cache of answers on disk."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import re
import socket
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import RecipeError, UnreachableError
from ..reporting.format import one_line

#: HTTP statuses after which the same request is sent again.
TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})

#: Longest pause between two attempts, in seconds.
LONGEST_PAUSE = 60.0

#: Number of characters of a server's answer that an error message shows.
SHOWN = 200

#: Maximum size of an answer in bytes. An answer lists labels; even one with a long explanation is a thousandth of this size.
MAX_ANSWER = 4_000_000

#: What the answer of a server must be.
EXPECTED = "a chat completion, which is JSON with a text at choices[0].message.content, was expected"


class RefusedError(UnreachableError):
    """The server rejected the request, or answered with something other than a chat completion.

    Args:
        message: The error message, in one line.
        status: The HTTP status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class ChatEndpoint:
    """A client that posts to ``{base_url}/chat/completions``.

    Redirects are not followed, because the key would be sent to another address.

    Args:
        base_url: Address of the API, such as `http://localhost:8000/v1`.
        key: API key, sent as a bearer token. If it is None, no key is sent.
        timeout: An attempt fails if the whole answer has not arrived after this number of seconds.
        retries: Further attempts after a transient failure.
        pause: Seconds before the second attempt, doubled before each further attempt, unless the server sends a waiting time.

    Raises:
        RecipeError: The address is not an HTTP address, or the key contains characters that cannot be sent.
    """

    def __init__(self, base_url: str, *, key: str | None, timeout: float, retries: int, pause: float) -> None:
        if not _is_address(base_url):
            raise RecipeError(
                f"base_url {base_url!r}: this is not an HTTP address. Use an address such as http://localhost:8000/v1"
            )
        if key is not None and not re.fullmatch(r"[!-~]+", key):
            raise RecipeError(
                "the API key contains spaces or other characters that cannot be sent. Copy it into its environment variable again"
            )
        self.url = base_url.rstrip("/") + "/chat/completions"
        self.key, self.timeout, self.retries, self.pause = key, timeout, retries, pause

    def ask(self, body: Mapping[str, Any]) -> str:
        """Send a request and return the text of the first choice in the answer, or an empty string if it has no text.

        Raises:
            RefusedError: The server rejects the request permanently, redirects, or answers with something other than a completion.
            UnreachableError: Every attempt failed.
        """
        last = ""
        for attempt in range(self.retries + 1):
            named = ""
            try:
                return self._content(self._post(body))
            except _StatusError as error:
                last = _line(str(error))
                if error.status not in TRANSIENT:
                    raise RefusedError(f"{self.url}: {last}; {_remedy(error.status)}", error.status) from error
                named = error.retry_after
            except (OSError, http.client.HTTPException, _UnreadableError) as error:
                last = str(error) if isinstance(error, _UnreadableError) else _line(f"{type(error).__name__}: {error}")
            if attempt < self.retries:
                # Random jitter keeps the workers from retrying all at once.
                known = re.fullmatch(r"[0-9]{1,9}", named.strip())
                wanted = float(named) if known else self.pause * 2**attempt * random.uniform(0.5, 1)
                time.sleep(min(wanted, LONGEST_PAUSE))
        raise UnreachableError(
            f"{self.url}: no answer in {self.retries + 1} attempts (last: {last}). Start the server or set another base_url; "
            "if a cache is set, answers received so far are stored in it"
        )

    def _post(self, body: Mapping[str, Any]) -> bytes:
        """Send a request and return the body of its answer.

        Raises:
            _StatusError: The status is not 2xx.
            RefusedError: The answer is larger than `MAX_ANSWER`.
            TimeoutError: The answer was not complete in time.
        """
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        request = urllib.request.Request(self.url, json.dumps(body).encode(), headers, method="POST")
        with _deadline(self.timeout) as connected:
            opener = urllib.request.build_opener(_NoRedirect, _handler(connected), _handler(connected, secure=True))
            try:
                with opener.open(request, timeout=self.timeout) as response:
                    return _limited(response, self.url)
            except urllib.error.HTTPError as error:
                # Only the beginning of an error page is shown, so no more of it is read.
                with error:
                    shown = error.read(4 * SHOWN).decode("utf-8", "replace")
                raise _StatusError(error.code, str(error.reason), shown, error.headers.get("Retry-After", "")) from None

    def _content(self, body: bytes) -> str:
        """Return the text of a completion.

        Raises:
            _UnreadableError: The body is not JSON, for example the HTML page of a gateway.
            RefusedError: The body is JSON but not a chat completion.
        """
        shown = _line(body[: 4 * SHOWN].decode("utf-8", "replace"))
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            raise _UnreadableError(f"not JSON: {shown}; {EXPECTED}") from None
        try:
            content = answer["choices"][0]["message"].get("content") or ""
        except (KeyError, IndexError, TypeError, AttributeError):
            content = None
        if not isinstance(content, str):
            raise RefusedError(f"{self.url}: the answer is not a chat completion: {shown}; {EXPECTED}", 200)
        # A lone surrogate is not valid text, and the cache cannot store it.
        return content.encode("utf-8", "replace").decode("utf-8")


class _StatusError(Exception):
    """An answer with a status other than 2xx."""

    def __init__(self, status: int, reason: str, body: str, retry_after: str) -> None:
        super().__init__(f"HTTP {status} {reason}: {body}".strip())
        self.status, self.retry_after = status, retry_after


class _UnreadableError(Exception):
    """An answer that is not JSON."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Return a redirect as the answer instead of following it."""

    def redirect_request(self, *_: Any) -> None:
        return None


@contextmanager
def _deadline(seconds: float) -> Iterator[list[socket.socket]]:
    """Yield a list for connections, and close all connections in it after `seconds`.

    The time-out of a socket limits only the time until the next byte, so a server that sends one byte now and then could keep
    the client waiting forever.

    Raises:
        TimeoutError: The connections were closed before the block had finished.
    """
    connected: list[socket.socket] = []
    late = threading.Event()

    def cut() -> None:
        late.set()
        for one in connected:
            with suppress(OSError):  # The connection is closed already.
                one.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield connected
    except Exception as error:
        # A closed connection can raise one of several errors, or look like the end of the answer.
        if not late.is_set() and not isinstance(error, TimeoutError):
            raise
        late.set()
    finally:
        timer.cancel()
    if late.is_set():
        raise TimeoutError(f"timed out: the answer was not complete after {seconds:g} s")


def _handler(connected: list[socket.socket], *, secure: bool = False) -> urllib.request.BaseHandler:
    """Return a handler of urllib that appends the socket of each connection to a list."""

    def connect(kind: type[http.client.HTTPConnection], *arguments: Any, **options: Any) -> http.client.HTTPConnection:
        class Connection(kind):  # type: ignore[valid-type, misc]
            def connect(self) -> None:
                super().connect()
                connected.append(self.sock)

        return Connection(*arguments, **options)

    if secure:

        class Https(urllib.request.HTTPSHandler):
            def https_open(self, req: urllib.request.Request) -> Any:
                return self.do_open(partial(connect, http.client.HTTPSConnection), req)

        return Https()

    class Http(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> Any:
            return self.do_open(partial(connect, http.client.HTTPConnection), req)

    return Http()


def _limited(response: Any, url: str) -> bytes:
    content: bytes = response.read(MAX_ANSWER + 1)
    if len(content) > MAX_ANSWER:
        raise RefusedError(f"{url}: the answer has more than {MAX_ANSWER:,} bytes; {EXPECTED}", 200)
    return content


def _is_address(base_url: str) -> bool:
    try:
        parts = urlsplit(base_url)
        _ = parts.port  # Raises ValueError if the port is not a number.
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and bool(re.fullmatch(r"[!-~]+", base_url))


def key_from(variable: str) -> str | None:
    """Return the key in an environment variable, without the line end that a file or a copied line adds."""
    return os.environ.get(variable, "").strip() or None


def _line(text: str) -> str:
    return one_line(" ".join(text.split())[:SHOWN])


def _remedy(status: int) -> str:
    if 300 <= status < 400:
        return "redirects are not followed, because the key would be sent to another address. Set base_url to the final address"
    if status in (401, 403):
        return "set the environment variable that contains the API key"
    return "check base_url and model" if status == 404 else "the server does not accept this request"


class AnswerCache:
    """Answers by hash of the question, in one SQLite file. The file contains neither the texts nor the key.

    Args:
        path: The file. If it is None, answers are kept in memory only.
    """

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._base = sqlite3.connect(path or ":memory:", check_same_thread=False, timeout=60)
        with self._base:
            self._base.execute("CREATE TABLE IF NOT EXISTS answers (question TEXT PRIMARY KEY, answer TEXT NOT NULL)")

    def get(self, question: str) -> str | None:
        """Return the stored answer to a question, or None."""
        with self._lock:
            row = self._base.execute("SELECT answer FROM answers WHERE question = ?", (question,)).fetchone()
        return None if row is None else str(row[0])

    def put(self, question: str, answer: str) -> None:
        """Store an answer immediately, so that it is not lost if the run is killed."""
        with self._lock, self._base:
            self._base.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (question, answer))

    def close(self) -> None:
        """Close the file."""
        self._base.close()


def question_key(*parts: str | Sequence[Any] | Mapping[str, Any]) -> str:
    """Return a hash of a question and of everything else that determines its answer."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
