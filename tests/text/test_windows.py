"""Test that documents read in windows have the same sentences as whole documents, in constant memory."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import pytest
from reading import SENTENCES, read, written

from communique.io.paths import find_files
from communique.labelling import reader
from communique.labelling.options import Options
from communique.text import windows as long_documents
from communique.text.blocks import find_wrapping, paragraph_blocks, paragraphs, text_blocks
from communique.text.language import identify_language
from communique.text.markdown import markdown_blocks
from communique.text.sentences import split_sentences
from communique.text.windows import long_sentences


def windows(text: str, size: int) -> Iterator[str]:
    return (text[i : i + size] for i in range(0, len(text), size))


def whole(text: str, form: str, window: int | None = None) -> list[tuple[str, str]]:
    """Split a text like a short document. If `window` is set, the first window alone determines how lines are wrapped."""
    blocks = text_blocks(text) if form == "text" else markdown_blocks(text)
    if window is not None:
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        ends = [size for size in accumulate(len(line) for line in lines) if size <= window]
        wrapping = find_wrapping(lines[: len(ends) + 1])
        blocks = [block for lines in paragraphs(lines) for block in paragraph_blocks(lines, wrapping)]
    language = identify_language("\n".join(blocks))
    return [(language, s) for block in blocks for s in split_sentences(block, language)]


def sentence(draw: random.Random, language: str) -> str:
    return draw.choice(SENTENCES[language])


def paragraph(draw: random.Random, language: str, kinds: tuple[str, ...]) -> str:
    space = "" if language in ("zh", "ja") else " "
    kind = draw.choice(kinds)
    if kind == "lines":
        return "\n".join(sentence(draw, language) for _ in range(draw.randint(1, 60)))
    text = space.join(sentence(draw, language) for _ in range(draw.randint(1, 120)))
    if kind == "line" or not space:
        return text
    lines: list[str] = []
    line = ""
    for word in text.split():
        # Break lines inside sentences, so that every part of the paragraph shows that its lines are wrapped.
        if len(line) > 45 and not line.endswith((".", "!", "?", "؟", "।")):
            lines, line = [*lines, line], ""
        line = f"{line} {word}".strip()
    return "\n".join([*lines, line])


@pytest.mark.parametrize("language", ["en", "fr", "de", "es", "ru", "uk", "zh", "ar", "sv", "hi"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("kinds", [("line", "lines"), ("wrapped",)])
def test_windows_have_the_same_sentences_as_the_whole_document(
    language: str, end: str, kinds: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(f"{language} {end!r}")
    # The beginning of a document decides whether its lines are wrapped.
    text = "\n\n".join(paragraph(draw, language, kinds) for _ in range(12)).replace("\n", end)
    # Paragraphs of up to 120 sentences are longer than these windows, and so are some lines.
    for window in (2000, 3500, len(text) // 2):
        monkeypatch.setattr(long_documents, "WINDOW", window)
        expected = whole(text, "text", window)
        for size in (window, 777):
            assert list(long_sentences(windows(text, size), "text", None)) == expected


def test_wrapped_chinese_longer_than_a_window_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["我们支持谈判也愿意合作，" * 5 + "各方都应当遵守协议的规定", "并且保护平民。" + "他们反对战争，" * 8] * 40
    monkeypatch.setattr(long_documents, "WINDOW", 1000)
    text = "\n".join(lines)
    assert find_wrapping(lines).width
    assert list(long_sentences(windows(text, 1000), "text", None)) == whole(text, "text")


def test_a_page_number_between_blank_lines_does_not_cut_a_sentence_of_a_long_document(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(long_documents, "WINDOW", 1000)
    page = (
        "We condemn the attack on the harbour of the\nneighbouring state and reject all that was done\n"
        "by those who now wish, whatever it may cost, to\n\n{}\n\n\nconquer it. We will help all who had to leave."
    )
    text = "\n\n".join(page.format(number) for number in range(50))
    found = [sentence for _, sentence in long_sentences(windows(text, 300), "text", "en")]
    assert found == [sentence for _, sentence in whole(text, "text", 1000)]
    assert sum(sentence.startswith("We condemn") and sentence.endswith("to conquer it.") for sentence in found) == 50


def test_markdown_is_cut_between_its_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    section = (
        "# The *port* of {n}\n\nThe ministers met in [the capital][c] on day {n}.\nThey agreed.\n\n"
        "1. First item.\n\n   It goes on, says [the report][c].\n   - nested item\n2. second item\n\n"
        "```\n\n# Not a heading {n}\n\nNot a sentence.\n```\n\n> A quotation.\n>\n> Another of {n}.\n\n"
        "| Party | Position |\n|---|---|\n| North | in favour |\n\nHeading {n}\n=====\n\n~~~~\n\nNot.\n\n~~~\n\nNot.\n\n~~~~\n"
    )
    text = "---\ntitle: Not a sentence.\n---\n[c]: https://example.org\n\n" + "\n".join(
        section.format(n=n) for n in range(60)
    )
    expected = whole(text, "markdown")
    assert ("en", "The ministers met in the capital on day 59.") in expected
    for window in (300, 5000):
        monkeypatch.setattr(long_documents, "WINDOW", window)
        assert list(long_sentences(windows(text, 333), "markdown", None)) == expected


def test_a_long_line_without_sentence_ends_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_documents, "WINDOW", 1000)
    text = "word " * 20_000
    assert list(long_sentences(windows(text, 1000), "text", "en")) == [("en", text.strip())]


@pytest.mark.parametrize("name", ["talks.txt", "talks.md"])
def test_a_long_document_has_the_same_rows_as_a_short_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "".join(f"The port of day {n} stays closed. <b>We condemn it!</b>\n\n" for n in range(300))
    path = written(tmp_path, name, text)
    expected, notes = read(path)
    for module in (reader, long_documents):
        monkeypatch.setattr(module, "WINDOW", 1000)
    monkeypatch.setattr(reader, "CHUNK", 7)
    assert read(path) == (expected, notes)
    assert [row["index"] for row in expected] == list(range(len(expected)))
    assert len(notes) == 1


def test_damaged_bytes_in_a_long_document_are_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "a.txt", "Où sont les pêcheurs ?\n".encode() * 200 + b"\xff perdus.\n" * 3)
    expected = read(path)
    for module in (reader, long_documents):
        monkeypatch.setattr(module, "WINDOW", 500)
    assert read(path) == expected
    assert expected[1] == [f"{path}: 3 places are not valid utf-8 and read as '\ufffd'"]


def test_memory_does_not_grow_with_the_length_of_a_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (reader, long_documents):
        monkeypatch.setattr(module, "WINDOW", 20_000)
    monkeypatch.setattr(reader, "CHUNK", 64)
    peaks = []
    for n in (2_000, 16_000):
        path = written(tmp_path, f"{n}.txt", "Our delegation will support all parties in the port. " * n)
        shards = reader.ShardReader(find_files([path]), Options(language="en", shard_rows=200)).shards()
        tracemalloc.start()
        rows = sum(len(shard.rows[0]["text"]) for shard in shards)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert rows == n
    assert peaks[1] < 1.5 * peaks[0]
