"""Tests of the chat baseline with a server in this process that implements the API."""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chat_server import Answer, Server, by_cues, completion
from helpers import ROOT, TINY, TINY_MULTICLASS

from communique import baselines
from communique.baselines.chat import ChatClassifier
from communique.baselines.endpoint import ChatEndpoint
from communique.baselines.prompt import instructions, read_answer
from communique.data.codebook import Codebook
from communique.data.corpus import Corpus
from communique.data.sentence import Sentence
from communique.errors import DataError, RecipeError, UnreachableError


@pytest.fixture
def server(chat_server: Server) -> Server:
    return chat_server


def sentence(number: int, text: str, labels: tuple[str, ...] | None = None) -> Sentence:
    return Sentence(id=f"s{number}", text=text, document=f"d{number}", labels=labels)


TRAIN = Corpus((sentence(0, "a", ("criticism",)), sentence(1, "b", ("policy_claim",))))
TEXTS = [sentence(0, "We condemn it."), sentence(1, "They should pledge."), sentence(2, "Good day.")]
GOLD = [[1, 0, 0], [0, 1, 1], [0, 0, 0]]


def classifier(server: Server, codebook: Codebook = TINY, **options: Any) -> ChatClassifier:
    settings: dict[str, Any] = {"base_url": server.url, "model": "small", "pause": 0.001, "retries": 3} | options
    found = baselines.make("chat", codebook, **settings)
    assert isinstance(found, ChatClassifier)
    return found.fit(TRAIN)


def test_requests_follow_the_protocol_and_labels_are_read_from_answers(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "secret")
    found = classifier(server, key_variable="MY_KEY", seed=5).predict_proba([*TEXTS, TEXTS[0]])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [*GOLD, GOLD[0]])
    assert len(server.requests) == 3  # Equal texts are sent once.
    assert set(server.paths) == {"/v1/chat/completions"}
    assert set(server.keys) == {"Bearer secret"}
    request = next(r for r in server.requests if r["messages"][-1]["content"] == "We condemn it.")
    assert (request["model"], request["seed"], request["temperature"]) == ("small", 5, 0.0)
    form = request["response_format"]["json_schema"]["schema"]
    assert form["properties"]["labels"]["items"]["enum"] == list(TINY.names)


def test_invisible_characters_are_not_sent_to_the_endpoint(server: Server) -> None:
    classifier(server).predict_proba([sentence(0, "We con\u00addemn\u200b it.")])
    assert server.requests[0]["messages"][-1]["content"] == "We condemn it."


def test_no_authorization_header_is_sent_without_a_key(server: Server) -> None:
    classifier(server).predict_proba(TEXTS[:1])
    assert server.keys == [None]


def test_a_multiclass_codebook_asks_for_exactly_one_label(server: Server) -> None:
    server.answer = lambda request: completion('{"label": "policy_claim"}')
    np.testing.assert_array_equal(classifier(server, TINY_MULTICLASS).predict_proba(TEXTS[:1]), [[0, 1, 0]])
    assert server.requests[0]["response_format"]["json_schema"]["schema"]["required"] == ["label"]


def test_the_prompt_contains_the_whole_codebook() -> None:
    book = Codebook.load(ROOT / "data" / "codebook.yaml")
    prompt = instructions(book)
    for label in book.labels:
        for part in (label.name, label.definition, *label.includes, *label.excludes, *(e.text for e in label.examples)):
            assert part in prompt
    assert all(rule in prompt for rule in book.rules)
    assert '-> {"labels": ["criticism", "policy_claim"]}' in prompt


@pytest.mark.parametrize(
    ("answer", "labels"),
    [
        ('{"labels": []}', ()),
        ('```json\n{"labels": ["policy_claim", "criticism"]}\n```', ("criticism", "policy_claim")),
        ("", None),
        ("criticism", None),
        ('{"labels": ["hope"]}', None),
        ('{"labels": "criticism"}', None),
        ('{"labels": null}', None),
        ('{"label": "criticism"}', None),
        ('{"labels": ["criti', None),
        ("{}", None),
        ("[]", None),
    ],
)
def test_read_answer_returns_labels_or_none(answer: str, labels: tuple[str, ...] | None) -> None:
    assert read_answer(answer, TINY) == labels


def test_read_answer_requires_exactly_one_label_for_a_multiclass_codebook() -> None:
    assert read_answer('{"label": "criticism"}', TINY_MULTICLASS) == ("criticism",)
    assert read_answer('{"label": null}', TINY_MULTICLASS) is None
    assert read_answer('{"label": ""}', TINY_MULTICLASS) is None


@pytest.mark.parametrize("failure", [(429, "slow down", {"Retry-After": "0"}), (500, "oops", {}), (200, "<html>", {})])
def test_a_request_is_sent_again_after_a_transient_failure(server: Server, failure: Answer) -> None:
    answers = [failure, failure]
    server.answer = lambda request: answers.pop() if answers else by_cues(request)
    np.testing.assert_array_equal(classifier(server, concurrency=1).predict_proba(TEXTS), GOLD)
    assert len(server.requests) == 5


def test_the_error_for_a_lasting_failure_states_the_reason(server: Server) -> None:
    server.answer = lambda request: (503, "overloaded", {})
    with pytest.raises(UnreachableError, match=r"no answer in 4 attempts \(last: HTTP 503 .*overloaded"):
        classifier(server, concurrency=1).predict_proba(TEXTS[:1])
    assert len(server.requests) == 4


def test_a_rejected_request_is_not_sent_again(server: Server) -> None:
    server.answer = lambda request: (401, "no key", {})
    with pytest.raises(UnreachableError, match=r"HTTP 401.*no key; set the environment variable"):
        classifier(server, concurrency=1).predict_proba(TEXTS)
    assert len(server.requests) == 1


def test_a_server_that_is_not_running_raises_an_error(server: Server) -> None:
    server.http.server_close()
    with pytest.raises(UnreachableError, match=r"no answer in 2 attempts .*Start the server or set another base_url"):
        classifier(server, retries=1).predict_proba(TEXTS)


def test_a_server_that_does_not_answer_in_time_raises_an_error(server: Server) -> None:
    def slow(request: dict[str, Any]) -> Answer:
        time.sleep(0.3)
        return by_cues(request)

    server.answer = slow
    with pytest.raises(UnreachableError, match="timed out"):
        classifier(server, timeout=0.05, retries=0).predict_proba(TEXTS[:1])


def test_a_server_that_is_not_a_chat_server_raises_an_error(server: Server) -> None:
    server.answer = lambda request: (200, {"object": "list"}, {})
    with pytest.raises(UnreachableError, match="the answer is not a chat completion"):
        classifier(server).predict_proba(TEXTS[:1])
    with pytest.raises(RecipeError, match="base_url 'file:///x'"):
        classifier(server, base_url="file:///x").predict_proba(TEXTS[:1])


def test_a_server_without_support_for_schemas_gets_requests_without_a_schema(server: Server) -> None:
    def plain(request: dict[str, Any]) -> Answer:
        return (400, {"error": "response_format"}, {}) if "response_format" in request else by_cues(request)

    server.answer = plain
    asked = classifier(server, concurrency=1)
    np.testing.assert_array_equal(asked.predict_proba(TEXTS), GOLD)
    assert len(server.requests) == 5  # Schema, JSON and text for the first text; text only for the others.


def test_unreadable_answers_are_requested_again_counted_and_reported(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    def stubborn(request: dict[str, Any]) -> Answer:
        return completion("I'd rather not.") if "condemn" in request["messages"][-1]["content"] else by_cues(request)

    server.answer = stubborn
    asked = classifier(server, most_invalid=0.5)
    found = asked.predict_proba(TEXTS)
    np.testing.assert_allclose(
        found, np.array([[0.5, 0.5, 0.0], *GOLD[1:]])
    )  # The first row has the proportions in training.
    assert asked.invalid_ == {"s0": "I'd rather not."}
    assert "1 of 3 answers from 'small' could not be read (first: id 's0'" in caplog.text
    assert sorted(r["seed"] for r in server.requests) == [0, 0, 0, 1]
    with pytest.raises(DataError, match=r"1 of 3 answers.*allowed: 5%"):
        classifier(server).predict_proba(TEXTS)


def test_an_empty_answer_counts_as_unreadable_and_not_as_no_label(server: Server) -> None:
    server.answer = lambda request: completion(None)
    with pytest.raises(DataError, match="3 of 3 answers"):
        classifier(server).predict_proba(TEXTS)


def test_a_killed_run_resumes_from_its_stored_answers(server: Server, tmp_path: Path) -> None:
    cache = tmp_path / "answers" / "chat.sqlite"
    left = [1, 1]

    def dies(request: dict[str, Any]) -> Answer:
        return by_cues(request) if left and left.pop() else (403, "quota", {})

    server.answer = dies
    with pytest.raises(UnreachableError):
        classifier(server, concurrency=1, cache=cache).predict_proba(TEXTS)
    server.answer, server.requests = by_cues, []
    np.testing.assert_array_equal(classifier(server, cache=cache).predict_proba(TEXTS), GOLD)
    assert [r["messages"][-1]["content"] for r in server.requests] == ["Good day."]
    # With another model or seed, every question is new.
    for options in ({"model": "large"}, {"seed": 1}):
        server.requests = []
        classifier(server, cache=cache, **options).predict_proba(TEXTS)
        assert len(server.requests) == 3
    rows = sqlite3.connect(cache).execute("SELECT * FROM answers").fetchall()
    assert len(rows) == 9
    assert not any("condemn" in part for row in rows for part in row)


def test_unreadable_answers_are_not_stored(server: Server, tmp_path: Path) -> None:
    server.answer = lambda request: completion("?")
    with pytest.raises(DataError):
        classifier(server, cache=tmp_path / "c.sqlite").predict_proba(TEXTS)
    server.answer = by_cues
    np.testing.assert_array_equal(classifier(server, cache=tmp_path / "c.sqlite").predict_proba(TEXTS), GOLD)


def test_the_number_of_simultaneous_requests_is_limited(server: Server) -> None:
    many = [sentence(i, f"We condemn {i}.") for i in range(12)]
    classifier(server, concurrency=3).predict_proba(many)
    assert 1 <= server.most_at_once <= 3


def test_no_request_is_sent_without_sentences(server: Server) -> None:
    assert classifier(server).predict_proba([]).shape == (0, 3)
    assert server.requests == []


def test_a_redirect_is_refused_and_the_key_is_not_sent_elsewhere(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    other = Server()
    thread = threading.Thread(target=other.http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    for status in (301, 302, 303, 307, 308):
        server.answer = lambda request, status=status: (status, "", {"Location": other.url})  # type: ignore[misc]
        with pytest.raises(UnreachableError, match=rf"HTTP {status}.*redirects are not followed"):
            classifier(server).predict_proba(TEXTS[:1])
    assert not other.requests
    other.http.shutdown()
    other.http.server_close()


@pytest.mark.parametrize(
    "body",
    [
        "[" * 200_000,
        '{"choices": ' + "9" * 6000 + "}",
        "\x1b[2J{",
        {"choices": None},
        {"choices": [{"message": {"content": [{"type": "text", "text": "x"}]}}]},
        {"choices": [{"message": {"content": {"labels": []}}}]},
        {"choices": [{"message": {"content": 7}}]},
        {"choices": [{"message": "x"}]},
        {"choices": {"a": 1}},
        ["x"],
        7,
        None,
    ],
)
def test_the_error_for_an_unexpected_answer_is_one_line_that_states_what_was_expected(
    server: Server, body: Any
) -> None:
    server.answer = lambda request: (200, body, {})
    with pytest.raises(UnreachableError, match=r"a chat completion, which is JSON .*was expected") as caught:
        classifier(server, retries=0).predict_proba(TEXTS[:1])
    message = str(caught.value)
    assert server.url in message
    assert message.isprintable()
    assert len(message) < 1000


def test_an_answer_is_read_up_to_a_size_limit(server: Server) -> None:
    server.answer = lambda request: (200, " " * 5_000_000, {})
    with pytest.raises(UnreachableError, match="more than 4,000,000 bytes"):
        classifier(server).predict_proba(TEXTS[:1])
    server.answer = lambda request: (400, "x" * 5_000_000, {})
    with pytest.raises(UnreachableError, match="HTTP 400") as caught:
        classifier(server).predict_proba(TEXTS[:1])
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_the_whole_answer_has_to_arrive_in_time(start: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                connection.sendall(start)
                for _ in range(600):
                    connection.sendall(b" ")
                    time.sleep(0.05)

        threading.Thread(target=drip, daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        endpoint = ChatEndpoint(url, key=None, timeout=0.5, retries=0, pause=0)
        began = time.monotonic()
        with pytest.raises(UnreachableError, match="timed out"):
            endpoint.complete({})
        assert time.monotonic() - began < 20


def test_an_answer_with_a_lone_surrogate_can_be_stored(server: Server, tmp_path: Path) -> None:
    server.answer = lambda request: (200, '{"choices":[{"message":{"content":"{\\"labels\\":[]} \\ud800"}}]}', {})
    np.testing.assert_array_equal(classifier(server, cache=tmp_path / "c").predict_proba(TEXTS[:1]), [[0, 0, 0]])


@pytest.mark.parametrize("key", ["a b", "a\nb", "é", "a\x00"])
def test_a_key_that_cannot_be_sent_in_a_header_is_refused(key: str) -> None:
    with pytest.raises(RecipeError, match="API key"):
        ChatEndpoint("http://localhost/v1", key=key, timeout=1, retries=0, pause=0)


@pytest.mark.parametrize("url", ["http://", "http://[", "http://a:x/", "http://a b/", "ftp://a", "http://a\n/"])
def test_an_invalid_address_is_refused(url: str) -> None:
    with pytest.raises(RecipeError, match="base_url"):
        ChatEndpoint(url, key=None, timeout=1, retries=0, pause=0)
