"""A chat endpoint that speaks the protocol of OpenAI: one question, retries, and answers kept on disk."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import RecipeError, UnreachableError

#: Answers after which the same question is asked again.
TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})

#: Longest pause between two attempts, in seconds.
LONGEST_PAUSE = 60.0

#: Characters of a server's answer that an error shows.
SHOWN = 200


class RefusedError(UnreachableError):
    """The endpoint answered that it will not do what was asked.

    Args:
        message: One line.
        status: The HTTP status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class ChatEndpoint:
    """Posts to ``{base_url}/chat/completions``.

    Args:
        base_url: Such as `http://localhost:8000/v1`.
        key: Sent as a bearer token; None sends none.
        timeout: Seconds without an answer after which an attempt has failed.
        retries: Further attempts after a transient failure.
        pause: Seconds before the second attempt, doubled before each further one, where the server names no time.

    Raises:
        RecipeError: The address is not one of HTTP.
    """

    def __init__(self, base_url: str, *, key: str | None, timeout: float, retries: int, pause: float) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise RecipeError(f"base_url {base_url!r}: give an address such as http://localhost:8000/v1")
        self.url = base_url.rstrip("/") + "/chat/completions"
        self.key, self.timeout, self.retries, self.pause = key, timeout, retries, pause

    def ask(self, body: Mapping[str, Any]) -> str:
        """Send a request and give the text of its first answer, empty where there is none.

        Raises:
            RefusedError: The server refuses for good, or answers no completion.
            UnreachableError: No attempt got an answer.
        """
        last = ""
        for attempt in range(self.retries + 1):
            try:
                return self._content(self._post(body))
            except urllib.error.HTTPError as error:
                last = f"HTTP {error.code} {error.reason}: {error.read().decode('utf-8', 'replace')[:SHOWN]}".strip()
                if error.code not in TRANSIENT:
                    raise RefusedError(f"{self.url}: {_line(last)}; {_remedy(error.code)}", error.code) from error
                named = error.headers.get("Retry-After", "")
            except (OSError, http.client.HTTPException, json.JSONDecodeError) as error:
                last, named = f"{type(error).__name__}: {error}", ""
            if attempt < self.retries:
                # Noise keeps the workers from coming back all at once.
                wanted = float(named) if named.isdigit() else self.pause * 2**attempt * random.uniform(0.5, 1)
                time.sleep(min(wanted, LONGEST_PAUSE))
        raise UnreachableError(
            f"{self.url}: no answer in {self.retries + 1} attempts (last: {_line(last)}); start the server or give another "
            "base_url; answers that came are kept where a cache is given"
        )

    def _post(self, body: Mapping[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        request = urllib.request.Request(self.url, json.dumps(body).encode(), headers, method="POST")
        with urllib.request.urlopen(request, timeout=self.timeout) as response:
            return json.load(response)

    def _content(self, answer: Any) -> str:
        try:
            return answer["choices"][0]["message"].get("content") or ""
        except (KeyError, IndexError, TypeError, AttributeError):
            text = _line(json.dumps(answer))
            raise RefusedError(f"{self.url}: no chat completion: {text}; give the base_url of one", 200) from None


def key_from(variable: str) -> str | None:
    """Read a key from the environment."""
    return os.environ.get(variable) or None


def _line(text: str) -> str:
    return " ".join(text.split())[:SHOWN]


def _remedy(status: int) -> str:
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
