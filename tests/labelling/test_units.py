"""Units that are not sentences: whole texts in a row, fragments, and rows without letters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from reading import written

from communique.io.paths import find_files
from communique.labelling.options import Options
from communique.labelling.units import fragments_line, rows_of_texts

SENTENCE = "We condemn the attack on the harbour and we will help the people who had to leave their homes at once. "


def message(tmp_path: Path, texts: list[str]) -> str | None:
    path = written(tmp_path, "t.jsonl", "".join(json.dumps({"text": text}) + "\n" for text in texts))
    return rows_of_texts(find_files([path]).files, Options())


@pytest.mark.parametrize("long", [1, 10])
def test_rows_that_contain_whole_texts_are_found(tmp_path: Path, long: int) -> None:
    found = message(tmp_path, [SENTENCE * 30] * long + [SENTENCE] * (10 - long))
    assert found is not None
    assert f"{long} of the first 10 rows contain{'s' * (long == 1)} more than 5 sentences" in found


@pytest.mark.parametrize(
    "text", [SENTENCE, "Yes. No. Why? Stop! Go. Now. Really? OK. " * 3, "a long sentence without an end " * 60]
)
def test_sentences_and_posts_do_not_count_as_whole_texts(tmp_path: Path, text: str) -> None:
    assert message(tmp_path, [text] * 20) is None


def test_fragments_are_reported_with_counts() -> None:
    line = fragments_line(100, 40, 60, 0)
    assert line is not None
    assert "60 of 100 sentences end without punctuation, and 40 begin with a lower-case letter" in line
    assert "--split" in line
    # Headlines end without punctuation, and posts may begin with a lower-case letter.
    assert fragments_line(100, 2, 90, 0) is None
    assert fragments_line(100, 60, 10, 0) is None


def test_many_units_without_letters_are_reported() -> None:
    line = fragments_line(60, 0, 0, 40)
    assert line is not None
    assert "40 of 100 units contain no letters" in line
