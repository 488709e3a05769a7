"""Tests of the options that decide how texts are read."""

from __future__ import annotations

import inspect

import pytest
from helpers import has_facts

from communique.cli.label import label
from communique.errors import DataError
from communique.labelling.reading import TextReading


@pytest.mark.parametrize(
    "reading",
    [
        TextReading(),
        TextReading(split=True),
        TextReading(split=False, encoding="cp1252"),
        # A value can look like an option.
        TextReading(text_column="--sheet", language="de", sheet="--split"),
        TextReading("a", "b", "c_{d}", "fr", "csv", "utf-16", "2", True),
    ],
)
def test_arguments_are_parsed_into_the_same_reading(reading: TextReading) -> None:
    assert TextReading.parse(reading.arguments()) == reading


def test_the_names_are_parameters_of_the_command() -> None:
    assert TextReading.names() <= inspect.signature(label).parameters.keys()


def test_rows_are_split_only_if_that_was_chosen() -> None:
    assert [TextReading(split=split).options().split for split in (None, False, True)] == [False, False, True]


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        (["--langage", "de"], ["'--langage'", "did you mean '--language'?", "--sheet"]),
        (["--language"], ["'--language'", "no value"]),
        (["--language", "de", "--split"], ["'--split'", "only at the beginning"]),
    ],
)
def test_edited_arguments_are_refused(arguments: list[str], facts: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        TextReading.parse(arguments)
    assert has_facts(str(caught.value), *facts)
