"""Sentences: the hash of a text, defaults, and years of dates."""

from __future__ import annotations

import hashlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from communique.data.leakage import Fingerprint
from communique.data.sentence import Sentence, text_sha256
from communique.text.language import UNDETERMINED


def test_the_hash_is_the_sha256_of_the_normalized_text_in_utf8() -> None:
    assert text_sha256("水属于所有人。") == hashlib.sha256("水属于所有人。".encode()).hexdigest()
    nfd = unicodedata.normalize("NFD", " Nous  déplorons. ")
    assert text_sha256(nfd) == hashlib.sha256("Nous déplorons.".encode()).hexdigest()
    assert text_sha256("") == hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pêche", unicodedata.normalize("NFD", "pêche")),
        ("їжа", unicodedata.normalize("NFD", "їжа")),
        ("가나", unicodedata.normalize("NFD", "가나")),
        ("We  will\thelp. ", " We will help."),
        ("We will\r\nhelp.", "We will help."),
        ("Nous refusons\u00a0!", "Nous refusons !"),
        ("a\u2028b", "a b"),
        ("a\u3000b", "a b"),
    ],
)
def test_unicode_forms_and_spaces_do_not_change_the_hash(one: str, other: str) -> None:
    assert one != other
    assert text_sha256(one) == text_sha256(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("We will help.", "we will help."), ("We will help.", "We will help"), ("ab", "a b"), ("ﬁ", "fi"), ("é", "e")],
)
def test_different_texts_have_different_hashes(one: str, other: str) -> None:
    assert text_sha256(one) != text_sha256(other)


@given(st.text(max_size=30))
def test_the_hash_does_not_depend_on_normal_form_or_outer_space(text: str) -> None:
    nfd = unicodedata.normalize("NFD", text)
    assert text_sha256(nfd) == text_sha256(text) == text_sha256(f"\n {text}\t")


def test_a_sentence_has_the_hash_of_its_text_and_default_values() -> None:
    sentence = Sentence(id="a", text=" Вода  наша.", document="d")
    assert sentence.sha256 == text_sha256("Вода наша.")
    assert sentence.language == UNDETERMINED == "und"
    assert (sentence.index, sentence.previous, sentence.labels) == (0, None, None)
    assert (sentence.source, sentence.sampling) == (None, None)


@pytest.mark.parametrize(
    ("date", "year"),
    [
        ("2022-02-24", "2022"),
        ("24.02.2022", "2022"),
        ("2022", "2022"),
        ("２０２２年2月", "2022"),
        ("n.d.", None),
        ("20220224", None),
    ],
)
def test_the_year_is_found_in_any_date_format(date: str, year: str | None) -> None:
    assert Sentence("a", "A text.", "d", date=date).year == year


def test_a_row_that_is_its_own_document_is_shared_only_if_its_text_is() -> None:
    """Row 2 of a file coded.csv without a document column is not row 2 of another file with this name."""
    trained = Fingerprint.of([Sentence("coded:2", "One text.", "coded:2"), Sentence("a", "Another.", "d")])
    assert trained.overlap(Sentence("coded:2", "Something else.", "coded:2")) is None
    assert trained.overlap(Sentence("coded:2", "One text.", "coded:2")) == "text"
    assert trained.overlap(Sentence("coded:2", "Something else.", "d")) == "document"
