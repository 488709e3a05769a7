"""Labelling with a language model behind a server in this process."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from chat_server import Answer, Server, by_cues, completion
from helpers import CODEBOOK, CUES, has_facts, run, succeed

from communique.data.codebook import Codebook
from communique.sampling.population import read_population
from communique.sampling.size import needed

TEXTS = [
    "We condemn the closure of the port.",
    "Water tariffs should fall.",
    "The minister spoke today.",
    "1998",
    "",
    "We condemn the closure of the port.",
    "They pledge grain, and it should come.",
]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.csv"
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "document", "language", "country", "text"])
        writer.writerows((f"s{i}", f"d{i // 2}", "en", "FR" if i % 2 else "DE", t) for i, t in enumerate(TEXTS))
    return path


@pytest.fixture
def codebook(tmp_path: Path) -> Path:
    Codebook.model_validate(CODEBOOK | {"name": "mine"}).dump(tmp_path / "mine.yaml")
    return tmp_path / "mine.yaml"


def arguments(server: Server, corpus: Path, codebook: Path, out: Path) -> list[object]:
    return [
        *("label", corpus, "--labeler", "chat", "--codebook", codebook, "--endpoint", server.url),
        *("--chat-model", "small", "-o", out),
    ]


def rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return found


def record(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(f"{out}.chat.json").read_text())
    return content


def asked(server: Server) -> list[str]:
    return [request["messages"][-1]["content"] for request in server.requests]


def reporting(request: Mapping[str, Any]) -> Answer:
    """Answer by cue words, and report 1,000 tokens in and 10 out."""
    text = request["messages"][-1]["content"]
    return completion(json.dumps({"labels": [label for label, cue in CUES.items() if cue in text]}), (1000, 10))


def refusing(word: str) -> Any:
    """Answer like `reporting`, but without JSON for texts with a word."""

    def answer(request: Mapping[str, Any]) -> Answer:
        if word in request["messages"][-1]["content"]:
            return completion("I would rather not.", (1000, 10))
        return reporting(request)

    return answer


def test_the_table_has_the_columns_of_label_with_empty_probabilities(
    chat_server: Server, corpus: Path, codebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "secret-key")
    chat_server.answer = reporting
    out = tmp_path / "labels.parquet"
    done = succeed(
        *arguments(chat_server, corpus, codebook, out),
        *("--api-key-variable", "MY_KEY", "--price-in", 2, "--price-out", 10, "--max-cost", 1),
    )
    assert pq.read_schema(out).names == [
        *("id", "document", "index", "language", "text", "labels", "probabilities", "truncated", "error", "country"),
    ]
    found = rows(out)
    assert all(row["probabilities"] == dict.fromkeys(CUES) for row in found)
    assert [row["id"] for row in found] == [f"s{i}" for i in range(7)]
    assert [row["labels"] for row in found] == [
        *(["criticism"], ["policy_claim"], [], [], [], ["criticism"], ["policy_claim", "cooperation_pledge"]),
    ]
    assert [row["error"] for row in found] == [None, None, None, "no letters", None, None, None]
    # Equal texts are sent once; a text without letters and an empty text are not sent.
    assert sorted(asked(chat_server)) == sorted({TEXTS[0], TEXTS[1], TEXTS[2], TEXTS[6]})
    assert set(chat_server.keys) == {"Bearer secret-key"}
    written = record(out)
    assert written["requests"] == 4
    assert (written["tokens_in"], written["tokens_out"]) == (4000, 40)
    assert written["cost"] == pytest.approx(0.0084)
    assert (written["model"], written["temperature"], written["labelled"], written["failed"]) == ("small", 0, 5, 0)
    assert written["endpoint"] == chat_server.url.removeprefix("http://").removesuffix("/v1")
    assert written["prompt"] == chat_server.requests[0]["messages"][0]["content"]
    assert "secret-key" not in Path(f"{out}.chat.json").read_text() + done.output
    assert has_facts(done.stderr, "4 requests", "4,000 tokens in", "40 out", "0.0084")
    assert not Path(f"{out}.shards").exists()


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".xlsx"])
def test_other_formats_have_empty_probabilities(
    chat_server: Server, corpus: Path, codebook: Path, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"labels{suffix}"
    succeed(*arguments(chat_server, corpus, codebook, out))
    found = read_population(out)
    assert found.names == tuple(CUES)
    assert found.n_without_probabilities == len(found) == 5
    assert found.predicted(0) == ("criticism",)


def test_rows_without_an_answer_are_not_part_of_the_population(
    chat_server: Server, corpus: Path, codebook: Path, tmp_path: Path
) -> None:
    out = tmp_path / "labels.csv"
    chat_server.answer = refusing("minister")
    run(*arguments(chat_server, corpus, codebook, out))
    for book in (None, Codebook.load(codebook)):
        found = read_population(out, book)
        assert found.ids.to_pylist() == ["s0", "s1", "s5", "s6"]
        assert found.unlabelled == 3


def test_the_output_is_sampled_compared_with_coders_and_corrected(
    chat_server: Server, codebook: Path, tmp_path: Path
) -> None:
    corpus, out, sheet = tmp_path / "many.csv", tmp_path / "labels.parquet", tmp_path / "sheet.csv"
    with corpus.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "document", "language", "country", "text"])
        for i in range(240):
            text = f"{TEXTS[(0, 1, 2, 6)[i % 4]]} Case {i}."
            writer.writerow([f"s{i}", f"d{i // 4}", "en", "FR" if i % 3 else "DE", text])
    succeed(*arguments(chat_server, corpus, codebook, out))
    drawn = succeed("sample", out, "--codebook", codebook, "-n", 80, "--by", "country", "-o", sheet)
    assert "80" in drawn.stderr
    # The coder finds the labels by the cue words, but never sees a pledge.
    with sheet.open(encoding="utf-8-sig", newline="") as handle:
        coded = list(csv.DictReader(handle))
    for row in coded:
        row |= {
            label: "1" if cue in row["text"] and label != "cooperation_pledge" else "0" for label, cue in CUES.items()
        }
    with sheet.open("w", encoding="utf-8-sig", newline="") as handle:
        sheet_writer = csv.DictWriter(handle, list(coded[0]))
        sheet_writer.writeheader()
        sheet_writer.writerows(coded)
    gold = tmp_path / "gold.csv"
    agreed = succeed("agree", sheet, "--model", out, "--gold", gold)
    assert "criticism" in agreed.stdout
    done = succeed("estimate", out, gold, "--codebook", codebook, "--by", "country", "--target", "finite-population")
    assert has_facts(done.stderr, "240 rows have no probabilities", "0 or 1")
    assert has_facts(done.stdout, "criticism", "country=FR")


def test_what_needs_probabilities_is_refused(chat_server: Server, corpus: Path, codebook: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels.parquet"
    succeed(*arguments(chat_server, corpus, codebook, out))
    for options in (("--for", "training"), ("--strata", "uncertainty")):
        refused = run("sample", out, "--codebook", codebook, "-n", 2, "-o", tmp_path / "s.csv", *options)
        assert refused.exit_code == 1
        assert has_facts(refused.stderr, " ".join(options), "probabilities")


def test_the_size_of_a_sample_is_planned_as_if_nothing_were_predicted(
    chat_server: Server, corpus: Path, codebook: Path, tmp_path: Path
) -> None:
    out = tmp_path / "labels.parquet"
    succeed(*arguments(chat_server, corpus, codebook, out))
    for need in needed(read_population(out), 0.05):
        assert need.residual == pytest.approx(need.share * (1 - need.share))


def test_a_row_without_a_usable_answer_has_the_reason_and_can_be_asked_about_again(
    chat_server: Server, corpus: Path, codebook: Path, tmp_path: Path
) -> None:
    out = tmp_path / "labels.parquet"
    chat_server.answer = refusing("minister")
    command = arguments(chat_server, corpus, codebook, out)
    first = run(*command)
    assert first.exit_code == 1
    assert has_facts(first.stderr, "1 row", "no usable answer", "--resume")
    before = rows(out)
    assert before[2]["labels"] == []
    assert has_facts(before[2]["error"], "2 requests", "I would rather not.")
    assert record(out)["failed"] == 1

    chat_server.answer, chat_server.requests = reporting, []
    second = succeed(*command, "--resume")
    assert asked(chat_server) == [TEXTS[2]]
    after = rows(out)
    assert after[2]["error"] is None
    assert [row for i, row in enumerate(after) if i != 2] == [row for i, row in enumerate(before) if i != 2]
    assert record(out)["requests"] == 6
    assert has_facts(second.stderr, "1 request", "with earlier runs: 6 requests")

    chat_server.requests = []
    third = succeed(*command, "--resume")
    assert "nothing to do" in third.stderr
    assert not chat_server.requests


def test_an_edited_output_or_one_without_its_answers_is_not_replaced(
    chat_server: Server, corpus: Path, codebook: Path, tmp_path: Path
) -> None:
    out = tmp_path / "labels.csv"
    command = arguments(chat_server, corpus, codebook, out)
    chat_server.answer = refusing("minister")
    run(*command)
    stored = Path(f"{out}.answers.sqlite")
    stored.rename(tmp_path / "elsewhere")
    assert has_facts(run(*command, "--resume").stderr, stored, "is missing")
    (tmp_path / "elsewhere").rename(stored)
    out.write_text(out.read_text() + "a,b\n")
    refused = run(*command, "--resume")
    assert refused.exit_code == 2
    assert has_facts(refused.stderr, out, "--overwrite")


def test_a_text_that_the_server_refuses_does_not_end_the_run(
    chat_server: Server, corpus: Path, codebook: Path, tmp_path: Path
) -> None:
    def filtering(request: dict[str, Any]) -> Answer:
        if "condemn" in request["messages"][-1]["content"]:
            return 400, {"error": "content_filter"}, {}
        return by_cues(request)

    chat_server.answer = filtering
    out = tmp_path / "labels.parquet"
    done = run(*arguments(chat_server, corpus, codebook, out), "--parallel", 1)
    assert done.exit_code == 1
    found = rows(out)
    assert [bool(row["error"]) for row in found] == [True, False, False, True, False, True, False]
    assert has_facts(found[0]["error"], "HTTP 400", "content_filter")
    assert chat_server.url not in found[0]["error"], "the address can contain secrets"
    # The strict format of the answer is kept for the texts after the refused one.
    assert all("json_schema" in json.dumps(r) for r in chat_server.requests if "condemn" not in json.dumps(r))


def test_a_model_that_never_answers_usably_ends_the_run(
    chat_server: Server, corpus: Path, codebook: Path, tmp_path: Path
) -> None:
    chat_server.answer = lambda request: completion("?")
    out = tmp_path / "labels.parquet"
    done = run(*arguments(chat_server, corpus, codebook, out))
    assert done.exit_code == 1
    assert has_facts(done.stderr, "'small'", "4 texts in a row", "Use another model")
    assert not out.exists()


def test_a_run_that_was_stopped_resumes_to_the_same_bytes_and_pays_for_no_text_twice(
    chat_server: Server, corpus: Path, codebook: Path, tmp_path: Path
) -> None:
    whole, out = tmp_path / "whole" / "labels.parquet", tmp_path / "labels.parquet"
    whole.parent.mkdir()
    options = ("--shard-rows", 2, "--parallel", 1)
    chat_server.answer = reporting
    succeed(*arguments(chat_server, corpus, codebook, whole), *options)

    left = [1] * 3

    def dies(request: dict[str, Any]) -> Answer:
        return reporting(request) if left and left.pop() else (403, "quota", {})

    chat_server.answer, chat_server.requests = dies, []
    command = [*arguments(chat_server, corpus, codebook, out), *options]
    stopped = run(*command)
    assert stopped.exit_code == 1
    assert has_facts(stopped.stderr, "HTTP 403", "API key", "--resume")
    described = json.loads((Path(f"{out}.shards") / "run.json").read_text())["chat"]
    assert (described["model"], described["temperature"]) == ("small", 0)
    assert "--resume" in run(*command).stderr
    chat_server.answer, chat_server.requests = reporting, []
    succeed(*command, "--resume")
    assert len(asked(chat_server)) == 1
    assert out.read_bytes() == whole.read_bytes()
    assert record(out)["requests"] == 4


def test_a_text_that_the_server_refuses_does_not_end_a_resumed_run(
    chat_server: Server, corpus: Path, codebook: Path, tmp_path: Path
) -> None:
    left = [1] * 3

    def answer(request: dict[str, Any]) -> Answer:
        if "They pledge" in request["messages"][-1]["content"]:
            return (400, {"error": "content_filter"}, {}) if not left else (403, "quota", {})
        left.pop()
        return reporting(request)

    chat_server.answer = answer
    out = tmp_path / "labels.parquet"
    command = [*arguments(chat_server, corpus, codebook, out), "--shard-rows", 6, "--parallel", 1]
    left.append(1)
    assert run(*command).exit_code == 1
    assert not out.exists()
    # All that is left to ask about is the refused text. The finished shard shows that the model can label others.
    left.clear()
    assert has_facts(run(*command, "--resume").stderr, "1 row", "no usable answer")
    assert [bool(row["error"]) for row in rows(out)] == [False, False, False, True, False, False, True]


def test_another_temperature_cannot_resume_the_run(
    chat_server: Server, corpus: Path, codebook: Path, tmp_path: Path
) -> None:
    out = tmp_path / "labels.parquet"
    chat_server.answer = reporting
    command = [*arguments(chat_server, corpus, codebook, out), "--shard-rows", 2]
    assert run(*command, "--max-tokens", 3000, "--parallel", 1).exit_code == 1
    assert has_facts(run(*command, "--resume", "--temperature", 1).stderr, "chat temperature: 0.0 then, 1.0 now")


@pytest.mark.parametrize(
    "limit", [("--max-tokens", 2500), ("--max-cost", 0.0025, "--price-in", 1, "--price-out", 0)], ids=["tokens", "cost"]
)
def test_a_limit_stops_the_run_before_it_is_exceeded(
    chat_server: Server, corpus: Path, codebook: Path, tmp_path: Path, limit: tuple[object, ...]
) -> None:
    out = tmp_path / "labels.parquet"
    chat_server.answer = reporting
    command = [*arguments(chat_server, corpus, codebook, out), "--parallel", 1]
    stopped = run(*command, *limit)
    assert stopped.exit_code == 1
    assert has_facts(stopped.stderr, "stopped", "higher limit", "--resume")
    assert len(chat_server.requests) == 2
    assert not out.exists()
    succeed(*command, "--resume")
    assert len(chat_server.requests) == 4
    assert record(out)["tokens_in"] == 4000


def test_tokens_are_estimated_if_the_server_does_not_report_them(
    chat_server: Server, corpus: Path, codebook: Path, tmp_path: Path
) -> None:
    out = tmp_path / "labels.parquet"
    done = succeed(*arguments(chat_server, corpus, codebook, out))
    assert has_facts(done.stderr, "about", "did not report the tokens of 4 requests")
    written = record(out)
    assert written["tokens_estimated"] == 4
    assert written["tokens_in"] > 4 * len(written["prompt"]) / 4


def test_the_newer_name_of_the_limit_is_used_where_a_server_requires_it(
    chat_server: Server, corpus: Path, codebook: Path, tmp_path: Path
) -> None:
    def newer(request: dict[str, Any]) -> Answer:
        if "max_tokens" in request:
            return 400, {"error": "Use 'max_completion_tokens' instead of 'max_tokens'."}, {}
        if "temperature" in request:
            return 400, {"error": "temperature"}, {}
        return by_cues(request)

    chat_server.answer = newer
    command = arguments(chat_server, corpus, codebook, tmp_path / "labels.csv")
    assert has_facts(run(*command).stderr, "temperature")
    succeed(*command, "--no-temperature", "--answer-tokens", 3000)
    assert chat_server.requests[-1]["max_completion_tokens"] == 3000


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--labeler", "chat"), ("--codebook", "--endpoint", "--chat-model")),
        (("--labeler", "chat", "--endpoint", "http://127.0.0.1:9/v1", "--chat-model", "m"), ("--codebook",)),
        (("--endpoint", "http://127.0.0.1:9/v1"), ("--endpoint", "--labeler chat")),
        (("--max-cost", 1), ("--max-cost", "--labeler chat")),
        (("--temperature", 1), ("--temperature", "--labeler chat")),
        (("--no-temperature",), ("--no-temperature", "--labeler chat")),
        (("--api-key-variable", "KEY"), ("--api-key-variable", "--labeler chat")),
        (("--parallel", 2), ("--parallel", "--labeler chat")),
    ],
)
def test_incomplete_options_are_refused(corpus: Path, tmp_path: Path, options: Any, words: Any) -> None:
    done = run("label", corpus, "-o", tmp_path / "x.csv", *options)
    assert done.exit_code == 2
    assert has_facts(done.stderr, *words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--threads", 2), ("--threads", "Omit it")),
        (("--model", "m"), ("--model", "Omit it")),
        (("--max-cost", 1), ("--max-cost", "--price-in")),
        (("--price-in", 1), ("--price-out",)),
        (("--endpoint", "http://me:pw@127.0.0.1/v1"), ("--endpoint", "password")),
        (("--endpoint", "ftp://x"), ("--endpoint", "HTTP address")),
        (("-o", "x.html"), ("--out", ".xlsx")),
        (("-o", "-"), ("-o FILE",)),
    ],
)
def test_options_that_do_not_work_together_are_refused_before_any_request(
    chat_server: Server, corpus: Path, codebook: Path, tmp_path: Path, options: Any, words: Any
) -> None:
    done = run(*arguments(chat_server, corpus, codebook, tmp_path / "x.csv"), *options)
    assert done.exit_code == 2
    assert has_facts(done.stderr, *words)
    assert "pw" not in done.stderr
    assert not chat_server.requests


def test_a_file_that_is_not_a_file_of_answers_is_left_alone(
    chat_server: Server, corpus: Path, codebook: Path, tmp_path: Path
) -> None:
    out = tmp_path / "labels.csv"
    stored = Path(f"{out}.answers.sqlite")
    stored.write_bytes(b"not a database" * 100)
    refused = run(*arguments(chat_server, corpus, codebook, out))
    assert refused.exit_code == 1
    assert has_facts(refused.stderr, stored)
    stored.unlink()
    with sqlite3.connect(stored) as base:
        base.execute("CREATE TABLE mine (a)")
    base.close()
    assert has_facts(run(*arguments(chat_server, corpus, codebook, out), "--restart").stderr, stored, "mine")


def test_the_default_model_is_not_needed(
    chat_server: Server, corpus: Path, codebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMUNIQUE_MODEL", str(tmp_path / "nothing"))
    succeed(*arguments(chat_server, corpus, codebook, tmp_path / "out.jsonl"))


def test_options_of_ray_are_refused(chat_server: Server, corpus: Path, codebook: Path, tmp_path: Path) -> None:
    found = run(*arguments(chat_server, corpus, codebook, tmp_path / "out.jsonl"), "--actors", 2)
    assert found.exit_code == 2
    assert has_facts(found.stderr, "--actors", "--labeler chat")
