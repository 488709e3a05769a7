"""A server in this process that implements OpenAI's chat completions API. The fixture `chat_server` starts it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from helpers import CUES

#: The answer of a server: status, body (JSON or text) and headers.
Answer = tuple[int, Any, dict[str, str]]


def completion(content: str | None, usage: tuple[int, int] | None = None) -> Answer:
    """Return a chat completion, with the numbers of tokens sent and received if the server reports them."""
    body: dict[str, Any] = {
        "choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]
    }
    if usage is not None:
        body["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1]}
    return 200, body, {}


def by_cues(request: dict[str, Any]) -> Answer:
    """Answer as a good model does, with the labels whose cue words are in the text."""
    text = request["messages"][-1]["content"]
    return completion(json.dumps({"labels": [label for label, cue in CUES.items() if cue in text]}))


class Server:
    """A server that answers with the result of a function and records the requests."""

    def __init__(self) -> None:
        self.answer: Callable[[dict[str, Any]], Answer] = by_cues
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.paths: list[str] = []
        self.most_at_once = self._now = 0
        lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    server.requests.append(request)
                    server.keys.append(self.headers["Authorization"])
                    server.paths.append(self.path)
                    server._now += 1
                    server.most_at_once = max(server.most_at_once, server._now)
                    status, body, headers = server.answer(request)
                time.sleep(0.01)
                with lock:
                    server._now -= 1
                data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(data)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
