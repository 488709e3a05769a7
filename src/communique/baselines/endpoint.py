"""A chat endpoint that speaks the protocol of OpenAI: one question, retries, and answers kept on disk."""

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

#: Answers after which the same question is asked again.
TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})

#: Longest pause between two attempts, in seconds.
LONGEST_PAUSE = 60.0

#: Characters of a server's answer that an error shows.
SHOWN = 200

#: Largest answer in bytes. An answer names labels; even one with a long explanation is a thousandth of this.
MAX_ANSWER = 4_000_000

#: What a server must answer.
EXPECTED = "a chat completion, which is JSON with a text at choices[0].message.content, was expected"


class RefusedError(UnreachableError):
    """The endpoint answered that it will not do what was asked, or answered something else than a completion.

    Args:
        message: One line.
        status: The HTTP status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class ChatEndpoint:
    """Posts to ``{base_url}/chat/completions``. Redirects are not followed, because the key would go to another address.

    Args:
        base_url: Such as `http://localhost:8000/v1`.
        key: Sent as a bearer token; None sends none.
        timeout: Seconds after which an attempt has failed unless the whole answer has arrived.
        retries: Further attempts after a transient failure.
        pause: Seconds before the second attempt, doubled before each further one, where the server names no time.

    Raises:
        RecipeError: The address is not one of HTTP, or the key cannot be sent.
    """

    def __init__(self, base_url: str, *, key: str | None, timeout: float, retries: int, pause: float) -> None:
        if not _is_address(base_url):
            raise RecipeError(f"base_url {base_url!r}: give an address such as http://localhost:8000/v1")
        if key is not None and not re.fullmatch(r"[!-~]+", key):
            raise RecipeError(
                "the API key holds spaces or other characters that no key has; copy it into its variable again"
            )
        self.url = base_url.rstrip("/") + "/chat/completions"
        self.key, self.timeout, self.retries, self.pause = key, timeout, retries, pause

    def ask(self, body: Mapping[str, Any]) -> str:
        """Send a request and return the text of its first answer, empty where there is none.

        Raises:
            RefusedError: The server refuses for good, redirects, or answers something else than a completion.
            UnreachableError: No attempt got an answer.
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
                # Noise keeps the workers from coming back all at once.
                known = re.fullmatch(r"[0-9]{1,9}", named.strip())
                wanted = float(named) if known else self.pause * 2**attempt * random.uniform(0.5, 1)
                time.sleep(min(wanted, LONGEST_PAUSE))
        raise UnreachableError(
            f"{self.url}: no answer in {self.retries + 1} attempts (last: {last}); start the server or give another "
            "base_url; answers that came are kept where a cache is given"
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
                # Of a failure its beginning is shown, so that no more is read.
                with error:
                    shown = error.read(4 * SHOWN).decode("utf-8", "replace")
                raise _StatusError(error.code, str(error.reason), shown, error.headers.get("Retry-After", "")) from None

    def _content(self, body: bytes) -> str:
        """Read the text of a completion.

        Raises:
            _UnreadableError: The body is not JSON, as when a gateway answers with a page.
            RefusedError: It is JSON of another form.
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
            raise RefusedError(f"{self.url}: no chat completion: {shown}; {EXPECTED}", 200)
        # A lone surrogate is no text, and the cache cannot store it.
        return content.encode("utf-8", "replace").decode("utf-8")


class _StatusError(Exception):
    """An answer with a status other than 2xx."""

    def __init__(self, status: int, reason: str, body: str, retry_after: str) -> None:
        super().__init__(f"HTTP {status} {reason}: {body}".strip())
        self.status, self.retry_after = status, retry_after


class _UnreadableError(Exception):
    """An answer that is not JSON."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Let a redirect be the answer."""

    def redirect_request(self, *_: Any) -> None:
        return None


@contextmanager
def _deadline(seconds: float) -> Iterator[list[socket.socket]]:
    """Cut the connections that the block appends to a list after some seconds.

    A time-out of a socket limits the time until the next byte, so that a server which sends a byte now and then is waited for
    without end.

    Raises:
        TimeoutError: The connections were cut.
    """
    connected: list[socket.socket] = []
    late = threading.Event()

    def cut() -> None:
        late.set()
        for one in connected:
            with suppress(OSError):  # Closed meanwhile.
                one.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield connected
    except Exception as error:
        # A cut connection shows itself as any of several errors, or as the end of the answer.
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
        raise RefusedError(f"{url}: an answer of more than {MAX_ANSWER:,} bytes; {EXPECTED}", 200)
    return content


def _is_address(base_url: str) -> bool:
    try:
        parts = urlsplit(base_url)
        _ = parts.port  # Raises for a port that is no number.
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and bool(re.fullmatch(r"[!-~]+", base_url))


def key_from(variable: str) -> str | None:
    """Read a key from the environment, without the line end that a file or a copied line adds."""
    return os.environ.get(variable, "").strip() or None


def _line(text: str) -> str:
    return one_line(" ".join(text.split())[:SHOWN])


def _remedy(status: int) -> str:
    if 300 <= status < 400:
        return "redirects are not followed, because the key would be sent to another address; give the final address as base_url"
    if status in (401, 403):
        return "set the key's environment variable"
    return "check base_url and model" if status == 404 else "the server does not take this request"


class AnswerCache:
    """Answers by hash of the question, in one SQLite file; neither texts nor keys are in it.

    Args:
        path: The file; None keeps answers in memory only.
    """

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._base = sqlite3.connect(path or ":memory:", check_same_thread=False, timeout=60)
        with self._base:
            self._base.execute("CREATE TABLE IF NOT EXISTS answers (question TEXT PRIMARY KEY, answer TEXT NOT NULL)")

    def get(self, question: str) -> str | None:
        """Find an answer."""
        with self._lock:
            row = self._base.execute("SELECT answer FROM answers WHERE question = ?", (question,)).fetchone()
        return None if row is None else str(row[0])

    def put(self, question: str, answer: str) -> None:
        """Keep an answer, at once: a killed run loses none."""
        with self._lock, self._base:
            self._base.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (question, answer))

    def close(self) -> None:
        """Close the file."""
        self._base.close()


def question_key(*parts: str | Sequence[Any] | Mapping[str, Any]) -> str:
    """Hash a question with all that decides its answer."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
