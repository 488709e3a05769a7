"""A client for OpenAI's chat completions API, with retries."""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from ..errors import RecipeError, UnreachableError
from ..reporting.format import counted, one_line

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
        reason: The status and what the server says, without the address, which can contain secrets.
    """

    def __init__(self, message: str, status: int, reason: str = "") -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


@dataclass(frozen=True)
class Completion:
    """The answer to a request. The numbers of tokens are None if the server does not report them."""

    text: str
    tokens_in: int | None = None
    tokens_out: int | None = None


class ChatEndpoint:
    """A client that posts to ``{base_url}/chat/completions``.

    Redirects are not followed, because the key would be sent to another address.

    Args:
        base_url: Address of the API, such as `http://localhost:8000/v1`.
        key: API key, sent as a bearer token. If it is None, no key is sent.
        timeout: An attempt fails if the whole answer has not arrived after this number of seconds.
        retries: Further attempts after a transient failure.
        pause: Seconds before the second attempt, doubled before each further attempt, unless the server sends a waiting time.
        option: Name of the option with the address, for messages.

    Raises:
        RecipeError: The address is not an HTTP address or contains a password, or the key contains characters that cannot be sent.
    """

    def __init__(
        self, base_url: str, *, key: str | None, timeout: float, retries: int, pause: float, option: str = "base_url"
    ) -> None:
        if not _is_address(base_url):
            raise RecipeError(
                f"{option} {base_url!r}: this is not an HTTP address. Use an address such as http://localhost:8000/v1"
            )
        if "@" in urlsplit(base_url).netloc:
            raise RecipeError(
                f"{option}: the address contains a user name or a password. Remove it, and put the key into the environment "
                "variable of the API key"
            )
        if key is not None and not re.fullmatch(r"[!-~]+", key):
            raise RecipeError(
                "the API key contains spaces or other characters that cannot be sent. Copy it into its environment variable again"
            )
        self.url = base_url.rstrip("/") + "/chat/completions"
        self.key, self.timeout, self.retries, self.pause, self.option = key, timeout, retries, pause, option
        #: Once this is set, failed requests are not repeated.
        self.stopped = threading.Event()

    @property
    def host(self) -> str:
        """The host and port of the address, which can be recorded. The rest of an address can contain secrets."""
        parts = urlsplit(self.url)
        return str(parts.hostname) + (f":{parts.port}" if parts.port else "")

    def complete(self, body: Mapping[str, Any]) -> Completion:
        """Send a request and return the first choice in the answer. Its text is empty if the choice has none.

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
                    raise RefusedError(
                        f"{self.url}: {last}; {self._remedy(error.status)}", error.status, last
                    ) from error
                named = error.retry_after
            except (OSError, http.client.HTTPException, _UnreadableError) as error:
                last = str(error) if isinstance(error, _UnreadableError) else _line(f"{type(error).__name__}: {error}")
            if attempt < self.retries and not self.stopped.is_set():
                # Random jitter keeps the workers from retrying all at once.
                known = re.fullmatch(r"[0-9]{1,9}", named.strip())
                wanted = float(named) if known else self.pause * 2**attempt * random.uniform(0.5, 1)
                self.stopped.wait(min(wanted, LONGEST_PAUSE))
            else:
                break
        raise UnreachableError(
            f"{self.url}: no answer in {counted(attempt + 1, 'attempt')} (last: {last}). Start the server or set another "
            f"{self.option}; if a cache is set, answers received so far are stored in it"
        )

    def _remedy(self, status: int) -> str:
        if 300 <= status < 400:
            return (
                "redirects are not followed, because the key would be sent to another address. Set "
                f"{self.option} to the final address"
            )
        if status in (401, 403):
            return "set the environment variable that contains the API key"
        return f"check {self.option} and model" if status == 404 else "the server does not accept this request"

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
                    shown = self._without_key(error.read(4 * SHOWN))
                raise _StatusError(error.code, str(error.reason), shown, error.headers.get("Retry-After", "")) from None

    def _without_key(self, answer: bytes) -> str:
        """Return a part of an answer for messages. Some servers repeat the key in their error messages."""
        text = answer.decode("utf-8", "replace")
        return text.replace(self.key, "(key)") if self.key else text

    def _content(self, body: bytes) -> Completion:
        """Return the text of a completion and its numbers of tokens.

        Raises:
            _UnreadableError: The body is not JSON, for example the HTML page of a gateway.
            RefusedError: The body is JSON but not a chat completion.
        """
        shown = _line(self._without_key(body[: 4 * SHOWN]))
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
        text = content.encode("utf-8", "replace").decode("utf-8")
        return Completion(text, _tokens(answer, "prompt_tokens"), _tokens(answer, "completion_tokens"))


def _tokens(answer: Any, name: str) -> int | None:
    """Return a number of tokens from the field `usage` of an answer, or None if it has no such number."""
    usage = answer.get("usage")
    found = usage.get(name) if isinstance(usage, dict) else None
    # A boolean is an int, and a larger number cannot be stored.
    return found if type(found) is int and 0 <= found < 2**40 else None


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
