"""Test that words divided by a hyphen and a space are rejoined only if that is certain to be right."""

from __future__ import annotations

from itertools import product

import pytest

from communique.text.hyphenation import rejoin_words


def test_a_word_that_also_occurs_undivided_is_rejoined() -> None:
    assert rejoin_words(["The Gover- nment acts.", "The government of Japan."])[0] == "The Government acts."
    assert rejoin_words(["Der Vor\u00ad schlag kam.", "Ein Vorschlag."])[0] == "Der Vorschlag kam."


@pytest.mark.parametrize(
    "text", ["Vor- und Nachteile", "pre- and post-war", "Ein- bzw. Ausfuhr", "Nord- Süd", "a 5- year plan"]
)
def test_a_hyphen_that_may_belong_to_the_text_is_kept_even_if_the_joined_word_occurs(text: str) -> None:
    assert rejoin_words([text, "Vorund preand Einbzw Nordsüd NordSüd 5year"])[0] == text


def test_a_word_that_never_occurs_undivided_is_not_rejoined() -> None:
    assert rejoin_words(["I agree- we must act."]) == ["I agree- we must act."]


def test_in_a_large_vocabulary_parts_that_are_not_words_are_rejoined() -> None:
    vocabulary = " ".join("".join(letters) for letters in product("abcdefghijk", repeat=3))
    assert rejoin_words([vocabulary, "The gover- nment acts and the abc- unheard stays."])[1] == (
        "The government acts and the abc- unheard stays."
    )
