"""A language model in the role of a classifier: failures, limits and estimates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chat_server import Answer, Server, by_cues, completion
from helpers import TINY, TINY_MULTICLASS

from communique.baselines.answers import AnswerCache, Usage
from communique.baselines.budget import Budget
from communique.baselines.chat_labelling import GIVE_UP, ChatLabeler, ChatSettings, chat_info
from communique.baselines.endpoint import RefusedError
from communique.errors import DataError, LimitReachedError


def labeler(server: Server, cache: AnswerCache | None = None, **options: Any) -> ChatLabeler:
    settings = ChatSettings(server.url, "small", pause=0.001, retries=1, parallel=1)
    return ChatLabeler(TINY, settings, cache or AnswerCache(None), **options)


def reporting(request: dict[str, Any]) -> Answer:
    return completion(json.dumps({"labels": []}), (900, 100))


def test_predictions_are_decisions_without_probabilities(chat_server: Server) -> None:
    found = labeler(chat_server).predict(["We condemn it.", "Good day.", "We condemn it."])
    assert found.labels == [["criticism"], [], ["criticism"]]
    assert np.isnan(found.probabilities).all()
    assert found.errors == (None, None, None)
    assert len(chat_server.requests) == 2
    assert labeler(chat_server).predict([]).decisions.shape == (0, 3)


def test_a_run_stops_after_many_failures_in_a_row_unless_most_texts_were_labelled(chat_server: Server) -> None:
    def answer(request: dict[str, Any]) -> Answer:
        return completion("?") if "odd" in request["messages"][-1]["content"] else by_cues(request)

    chat_server.answer = answer
    odd = [f"odd {i}" for i in range(GIVE_UP)]
    with pytest.raises(DataError, match=f"{GIVE_UP} texts in a row"):
        labeler(chat_server).predict(["We condemn it.", *odd, "Good day."])
    assert "Good day." not in [request["messages"][-1]["content"] for request in chat_server.requests]
    good = [f"We condemn {i}." for i in range(GIVE_UP)]
    found = labeler(chat_server).predict([*good, *odd])
    assert [error is None for error in found.errors] == [True] * GIVE_UP + [False] * GIVE_UP


def test_a_limit_includes_earlier_runs_and_stored_answers_cost_nothing(chat_server: Server, tmp_path: Path) -> None:
    chat_server.answer = reporting
    texts = [f"Text {i}." for i in range(5)]
    with pytest.raises(LimitReachedError, match="2,000 tokens"):
        labeler(chat_server, AnswerCache(tmp_path / "a"), budget=Budget(max_tokens=2999)).predict(texts)
    with pytest.raises(LimitReachedError, match="3,000 tokens"):
        labeler(chat_server, AnswerCache(tmp_path / "a"), budget=Budget(max_tokens=3999)).predict(texts)
    assert len(chat_server.requests) == 3
    # All that is asked is stored, so no request is necessary.
    labeler(chat_server, AnswerCache(tmp_path / "a"), budget=Budget(max_tokens=1)).predict(texts[:3])
    assert len(chat_server.requests) == 3


def test_the_estimate_refers_to_the_work_of_this_run(chat_server: Server, tmp_path: Path) -> None:
    chat_server.answer = reporting
    labeler(chat_server, AnswerCache(tmp_path / "a")).predict(["First."])
    budget = Budget(price_in=1.0, price_out=10.0)
    second = labeler(chat_server, AnswerCache(tmp_path / "a"), budget=budget)
    second.predict(["Second.", "Third."])
    assert second.used == Usage(2, 1800, 200, 0)
    assert "1,800 tokens in, 200 out" in second.progress(0.25)
    assert "whole run: 0.0152" in second.progress(0.25)  # four times (1,800 x 1 + 200 x 10) / 1,000,000
    assert "estimate" not in second.progress(1.0)
    assert "with earlier runs: 3 requests" in second.summary()[1]


def test_every_text_is_reported(chat_server: Server) -> None:
    lines: list[str] = []
    labeler(chat_server, report=lines.append).predict(["First.", "Second."])
    assert [line.split(" of this part")[0] for line in lines] == ["1 of 2 texts", "2 of 2 texts"]


def test_equal_settings_have_equal_descriptions_without_address_or_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    settings = ChatSettings("https://host.example:8443/secret-path/v1", "small")
    info = chat_info(TINY, settings)
    assert info.sha256 == chat_info(TINY, settings).sha256
    assert info.version == "host.example:8443"
    assert "secret" not in info.model_dump_json()
    assert not info.has_probabilities
    changed = ChatSettings("https://host.example:8443/v1", "small", temperature=1.0)
    assert chat_info(TINY, changed).sha256 != info.sha256
    assert chat_info(TINY_MULTICLASS, settings).recipe["prompt_sha256"] != info.recipe["prompt_sha256"]


def test_a_text_that_was_labelled_at_the_second_question_is_not_asked_about_again(
    chat_server: Server, tmp_path: Path
) -> None:
    chat_server.answer = lambda request: completion("?") if request["seed"] == 0 else by_cues(request)
    first = labeler(chat_server, AnswerCache(tmp_path / "a")).predict(["We condemn it."])
    assert len(chat_server.requests) == 2
    chat_server.answer = lambda request: completion(json.dumps({"labels": []}))
    again = labeler(chat_server, AnswerCache(tmp_path / "a")).predict(["We condemn it."])
    assert len(chat_server.requests) == 2
    assert again.labels == first.labels == [["criticism"]]


def test_requests_under_way_count_towards_the_limit(chat_server: Server) -> None:
    chat_server.answer = reporting
    settings = ChatSettings(chat_server.url, "small", parallel=8)
    cache = AnswerCache(None)
    ChatLabeler(TINY, settings, cache).predict(["First."])
    with pytest.raises(LimitReachedError):
        ChatLabeler(TINY, settings, cache, budget=Budget(max_tokens=3999)).predict([f"Text {i}." for i in range(8)])
    assert len(chat_server.requests) == 3
    assert cache.usage.tokens == 3000


def test_a_key_that_the_server_repeats_is_not_shown(chat_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    chat_server.answer = lambda request: (401, {"error": "Incorrect API key provided: secret-key."}, {})
    with pytest.raises(RefusedError, match="Incorrect API key provided") as refused:
        labeler(chat_server).predict(["First."])
    assert "secret-key" not in str(refused.value)


def test_earlier_rows_show_that_a_model_is_suitable(chat_server: Server) -> None:
    chat_server.answer = lambda request: completion("?")
    assert labeler(chat_server, earlier=1).predict(["Odd."]).errors[0] is not None
    with pytest.raises(DataError, match="could not label the text"):
        labeler(chat_server).predict(["Odd."])
