"""Tests that only pages and programs with the token are answered, and that nothing foreign or oversized comes in."""

from __future__ import annotations

import errno
import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from importlib.resources import files

import pytest
from helpers import has_facts, run
from sqlalchemy.exc import OperationalError, ProgrammingError
from starlette.testclient import TestClient

Connect = Callable[..., TestClient]


def test_a_wrong_or_missing_token_is_refused(connect: Connect) -> None:
    for token in (None, "wrong"):
        client = connect(token=token)
        assert client.get("/").status_code == 401
        assert client.get("/api/v1/next?coder=a").status_code == 401
        assert client.get("/?token=wrong").status_code == 401
        assert client.get("/metrics").status_code == 401


def test_the_token_of_the_address_becomes_a_cookie_that_is_valid_on_all_pages(connect: Connect) -> None:
    client = connect(token=None)
    first = client.get("/code?token=the-token-of-the-tests&coder=anna", follow_redirects=False)
    assert first.status_code == 303
    assert first.headers["location"] == "/code?coder=anna"
    cookie = first.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/code").status_code == 200


def test_the_server_without_pages_accepts_only_bearer_tokens(connect: Connect) -> None:
    client = connect(with_pages=False, token=None)
    assert client.get("/?token=the-token-of-the-tests").status_code == 401
    known = connect(with_pages=False)
    assert known.get("/").status_code == 404
    assert known.get("/api/v1/queues").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:1", "127.0.0.1.evil.example:8123", ""])
def test_a_foreign_host_is_refused(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1:8123", "http://127.0.0.1:9999", "http://[", "http://"]
)
def test_a_foreign_origin_is_refused(client: TestClient, origin: str) -> None:
    assert client.post("/code", data={}, headers={"Origin": origin}).status_code == 403
    assert "access-control-allow-origin" not in client.get("/", headers={"Origin": origin}).headers


def test_a_request_that_another_site_sends_is_refused(client: TestClient) -> None:
    assert client.get("/", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}).status_code == 403
    assert client.post("/code", data={}, headers={"Origin": "http://127.0.0.1:8123"}).status_code == 422


@pytest.mark.parametrize("path", ["/", "/code", "/health", "/static/app.css", "/api/v1/next", "/nothing", "/api/v1/"])
def test_every_response_has_the_headers_that_protect_it(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"


def test_an_oversized_body_is_refused_with_and_without_its_length(client: TestClient) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(50):
            yield b"x" * 100_000

    headers = {"Content-Type": "application/json"}
    for content in (b"x" * 5_000_000, pieces()):
        answer = client.post("/api/v1/codings", content=content, headers=headers)
        assert answer.status_code == 413
        assert "large" in answer.json()["error"]


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b'{"coder": 1}', b"\xff\xfe", b"[" * 100_000])
def test_malformed_json_is_refused_with_a_reason(client: TestClient, body: bytes) -> None:
    answer = client.post("/api/v1/codings", content=body, headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py",
        "/static/%2e%2e/server.py",
        "/static/..%2f..%2fserver.py",
        "/jobs/../../x",
        "/jobs/%2e%2e",
    ],
)
def test_paths_do_not_leave_their_folder(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_vendored_files_are_those_that_were_recorded() -> None:
    folder = files("communique.app").joinpath("static", "vendor")
    recorded = json.loads(folder.joinpath("vendored.json").read_text(encoding="utf-8"))
    present = {one.name for one in folder.iterdir()} - {"vendored.json"}
    assert present == set(recorded) | {entry["license_file"] for entry in recorded.values()}
    for name, entry in recorded.items():
        assert hashlib.sha256(folder.joinpath(name).read_bytes()).hexdigest() == entry["sha256"]


@pytest.mark.parametrize(("given", "shown"), [("", True), ("secret", False)])
def test_a_token_that_is_set_to_nothing_is_replaced_by_a_random_one_that_is_printed(
    monkeypatch: pytest.MonkeyPatch, given: str, shown: bool
) -> None:
    tokens: list[str | None] = []

    def start(project: None, *, token: str | None, ready: Callable[[str, str], None], **_: object) -> None:
        tokens.append(token)
        ready("http://127.0.0.1:1/", token or "random")

    monkeypatch.setattr("communique.app.server.run", start)
    monkeypatch.setenv("COMMUNIQUE_TOKEN", given)
    output = run("serve").output
    assert tokens == [given or None]
    assert ("Token: random" in output) == shown


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x/text.txt"), "/x/text.txt: No space left on device"),
        (OSError(errno.EROFS, "Read-only file system"), "Read-only file system"),
    ],
)
def test_a_disk_that_cannot_be_written_is_reported_in_words(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("communique.app.coding.Desk.queues", fail)
    answer = client.get("/api/v1/queues")
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert "Free some disk space" in answer.json()["error"]


def test_an_index_that_is_in_use_is_not_reported_as_a_full_disk(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = sqlite3.OperationalError("database is locked")
    locked.sqlite_errorname = "SQLITE_BUSY"
    errors: list[Exception] = [
        OperationalError("INSERT", {}, locked),
        ProgrammingError("?", {}, sqlite3.ProgrammingError("bind")),
    ]

    def fail(*_: object) -> None:
        raise errors.pop(0)

    monkeypatch.setattr("communique.app.coding.Desk.queues", fail)
    answer = client.get("/api/v1/queues")
    assert answer.status_code == 400
    assert has_facts(answer.json()["error"], "database is locked", "Another process")
    assert "disk" not in answer.json()["error"]
    assert client.get("/api/v1/queues").status_code == 500
