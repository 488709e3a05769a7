"""Test the blocks, sentences and languages of documents: no sentence is lost, repeated, cut or joined with the next block."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import SENTENCES, read, written

from communique.errors import DataError
from communique.io.paths import files_below, find_files
from communique.text.blocks import text_blocks
from communique.text.language import identify_language
from communique.text.markdown import markdown_blocks
from communique.text.sentences import split_sentences


def sentences_of(*paths: Path, language: str | None = None) -> list[object]:
    return [row["text"] for row in read(*paths, language=language)[0]]


# Sentences


@pytest.mark.parametrize("language", SENTENCES)
def test_text_is_split_into_sentences_in_each_language(language: str) -> None:
    sentences = SENTENCES[language]
    text = ("" if language in ("zh", "ja") else " ").join(sentences)
    assert split_sentences(text, language) == sentences
    assert split_sentences(text, f"{language}-XX") == sentences


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        (
            "en",
            "She said: “We will help. We will not stop. Never!” Then she left.",
            ["She said: “We will help. We will not stop. Never!”", "Then she left."],
        ),
        ("en", "“We will help. We will not stop,” he said.", ["“We will help. We will not stop,” he said."]),
        (
            "fr",
            "« Nous refusons. Nous ne céderons pas », a-t-elle dit. Elle est partie.",
            ["« Nous refusons. Nous ne céderons pas », a-t-elle dit.", "Elle est partie."],
        ),
        (
            "de",
            "Er sagte: „Wir helfen. Wir bleiben.“ Dann ging er.",
            ["Er sagte: „Wir helfen. Wir bleiben.“", "Dann ging er."],
        ),
        (
            "ru",
            "Она сказала: «Мы поможем. Мы не уйдём». Потом ушла.",
            ["Она сказала: «Мы поможем. Мы не уйдём».", "Потом ушла."],
        ),
        ("zh", "他说：“我们会帮助。我们不会停。”然后离开了。", ["他说：“我们会帮助。我们不会停。”", "然后离开了。"]),
        (
            "ja",
            "大臣は「協力する。約束する。」と述べた。拍手。",
            ["大臣は「協力する。約束する。」と述べた。", "拍手。"],
        ),
        (
            "ja",
            "大臣は「協力する。」ところが何も起きなかった。",
            ["大臣は「協力する。」", "ところが何も起きなかった。"],
        ),
    ],
)
def test_a_quotation_of_several_sentences_is_not_split(language: str, text: str, expected: list[str]) -> None:
    assert split_sentences(text, language) == expected


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("zh", ["“我们反对战争……。”他说。", "随后他离开了。"]),
        ("zh", ["“我们反对战争。”发言人表示，“我们愿意合作。”", "会议结束。"]),
        # The reporting clause may also begin a new sentence.
        ("zh", ["“我们反对战争。”", "他说，这不够。"]),
        ("fr", ["La position de l'U.E. est claire.", "Elle aide les pays de l'U.E.", "Nous aussi."]),
        ("de", ["Der 20. Bundestag trat zusammen.", "Das war im 20. Jahrhundert.", "Unser 3. Antrag liegt vor."]),
        (
            "de",
            [
                "Wir treffen uns am 20. Dezember.",
                "Er kam am 20.",
                "Dann gingen wir.",
                "Wir waren 20.",
                "Alle sprachen.",
            ],
        ),
    ],
)
def test_reporting_clauses_acronyms_and_ordinals_do_not_end_a_sentence(language: str, sentences: list[str]) -> None:
    assert split_sentences(("" if language == "zh" else " ").join(sentences), language) == sentences


def test_text_of_an_unknown_language_is_split() -> None:
    assert split_sentences("One. Two!", "und") == ["One.", "Two!"]
    assert split_sentences("One. Two!", "xx") == ["One.", "Two!"]


@pytest.mark.parametrize("text", ["", "  ", "\n\t\u3000"])
def test_empty_text_has_no_sentences(text: str) -> None:
    assert split_sentences(text, "en") == []


@given(
    st.lists(
        st.sampled_from([*(s for group in SENTENCES.values() for s in group), "M.", "A", "1.", "«", "”", "\n"]),
        max_size=8,
    ),
    st.sampled_from([*SENTENCES, "und"]),
)
def test_no_character_is_lost_repeated_or_moved(parts: list[str], language: str) -> None:
    text = " ".join(parts)
    sentences = split_sentences(text, language)
    assert "".join("".join(sentences).split()) == "".join(text.split())
    assert all(sentence and sentence == sentence.strip() for sentence in sentences)


# Plain text


def test_each_line_is_a_block_and_empty_lines_are_ignored() -> None:
    text = "Water talks\n\n \n\nThe ministers met. They agreed.\nA second line\n\t\n  Indented.  \n"
    assert text_blocks(text) == ["Water talks", "The ministers met. They agreed.", "A second line", "Indented."]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_blocks_are_the_same_with_every_line_end(line_end: str) -> None:
    assert text_blocks(line_end.join(["Heading", "", "One.", "Two.", ""])) == ["Heading", "One.", "Two."]


def test_hard_wrapped_paragraphs_are_joined() -> None:
    text = (
        "JOINT STATEMENT\n\n"
        "The two governments agreed on Monday to reopen the lock at the\n"
        "mouth of the river and to share the cost of its repair. They\n"
        "also called on upstream states to publish the amount of water\n"
        "that they take.\n\n"
        "Nothing was signed."
    )
    first = "The two governments agreed on Monday to reopen the lock at the mouth of the river and to share the cost of its repair."
    second = "They also called on upstream states to publish the amount of water that they take."
    assert text_blocks(text) == ["JOINT STATEMENT", f"{first} {second}", "Nothing was signed."]
    assert split_sentences(text_blocks(text)[1], "en") == [first, second]


def test_hard_wrapped_chinese_is_joined_without_spaces() -> None:
    line = "双方同意共同修复河口的船闸并分担费用同时呼吁上游国家公布各自的取水量和今后十年的用水计划以及相关的"
    assert len(line) >= 40
    assert text_blocks(f"{line}\n{line}\n数据。") == [f"{line}{line}数据。"]


def test_wrapped_lines_are_joined_even_if_a_line_ends_with_a_sentence() -> None:
    lines = [
        "The minister rejected the claim of the neighbouring country.",
        "She promised that the harbour would stay open to the ships",
        "of all states, and that no fee would be asked of fishermen",
        "this year.",
    ]
    assert text_blocks("\n".join(lines)) == [" ".join(lines)]


def test_lines_that_end_sentences_are_not_joined() -> None:
    lines = [
        "The minister rejected the claim of the neighbouring country.",
        "She promised that the harbour would stay open to all ships.",
        "The opposition asked when the inquiry would be published.",
    ]
    assert text_blocks("\n".join(lines)) == lines


@pytest.mark.parametrize("mark", ["- ", "* ", "• ", "– ", "1. ", "(2) ", "a) "])
def test_list_items_are_not_joined(mark: str) -> None:
    items = [
        f"{mark}reopen the lock at the mouth of the river this year",
        f"{mark}share the cost of its repair in two equal parts",
        f"{mark}publish the amount of water taken by each party",
    ]
    assert text_blocks("\n".join(items)) == items


def test_a_text_file_is_split_into_headings_list_items_and_sentences(tmp_path: Path) -> None:
    content = (
        "\ufeffАгентство новостей\r\n\r\nМинистр осудил удар. Он обещал помощь!\r\n\r\n\r\n"
        "- открыть порт\r\n- починить мост\r\n\r\n«Мы не уйдём. Мы останемся», — сказал он.\r\n"
    )
    path = written(tmp_path, "news.ru.txt", content)
    assert read(path) == read(path, language="ru")
    assert sentences_of(path) == [
        "Агентство новостей",
        "Министр осудил удар.",
        "Он обещал помощь!",
        "- открыть порт",
        "- починить мост",
        "«Мы не уйдём. Мы останемся», — сказал он.",
    ]


# Markdown


def test_markdown_is_split_into_blocks_of_plain_text() -> None:
    text = (
        "---\ntitle: Not a sentence.\ntags: [a, b]\n---\n"
        "# Water *talks*\n\n"
        "The **ministers** met in [the capital](https://example.org/a_b).\n"
        "They `agreed` &amp; left<br>early\\*.\n\n"
        "```python\nprint('Not a sentence.')\n```\n\n"
        "    Not a sentence either.\n\n"
        "1. First item.\n"
        "   It goes on.\n"
        "   - nested item\n"
        "2. second item\n\n"
        "> A quotation.\n\n"
        "| Party | Position |\n|---|---|\n| North | in favour |\n| South | <br/>against it |\n\n"
        "![A map](map.png) See <https://example.org>.\n\n"
        "Second heading\n==============\n\n"
        "<div>not a sentence</div>\n\n"
        "[link]: https://example.org\n\nA [link] again.\n\n***\n"
    )
    assert markdown_blocks(text) == [
        "Water talks",
        "The ministers met in the capital. They agreed & left early*.",
        "First item. It goes on.",
        "nested item",
        "second item",
        "A quotation.",
        "Party",
        "Position",
        "North",
        "in favour",
        "South",
        "against it",
        "A map See https://example.org.",
        "Second heading",
        "A link again.",
    ]


@pytest.mark.parametrize(
    "content", ["---\ntitle: x\n---", "---\r\ntitle: x\r\n---\r\n", "", "\n\n", "```\ncode\n```\n"]
)
def test_markdown_without_text_has_no_blocks(content: str) -> None:
    assert markdown_blocks(content) == []


def test_text_between_horizontal_rules_is_not_front_matter() -> None:
    text = "---\nThe talks failed.\n\n---\n\nThe port stays closed.\n"
    assert markdown_blocks(text) == ["The talks failed.", "The port stays closed."]


def test_a_horizontal_rule_in_the_middle_does_not_begin_front_matter() -> None:
    assert markdown_blocks("Note: one.\n\n---\nkey: two.\n\n---\nthree") == ["Note: one.", "key: two.", "three"]


def test_wrapped_chinese_in_markdown_is_joined_without_spaces() -> None:
    assert markdown_blocks("我们支持谈判，\n也愿意合作。\nThe port\nis open 今天\n开放。") == [
        "我们支持谈判，也愿意合作。 The port is open 今天开放。"
    ]


@pytest.mark.parametrize("name", ["a.md", "a.markdown", "A.MD"])
def test_markdown_files_are_read_as_markdown(tmp_path: Path, name: str) -> None:
    content = "---\nauthor: x\n---\n# La eau\n\nNous *refusons*. Nous\nattendons !\n\n- un\n- deux\n"
    path = written(tmp_path, name, content)
    assert sentences_of(path, language="fr") == ["La eau", "Nous refusons.", "Nous attendons !", "un", "deux"]


# Whole documents


def test_a_document_is_named_after_its_file_and_its_language_is_identified_unless_specified(tmp_path: Path) -> None:
    path = written(tmp_path, "talks.fr.txt", "Nous refusons cet accord. Nous attendons une réponse de la préfecture.")
    rows, notes = read(path)
    assert notes == []
    assert [(row["id"], row["document"], row["index"], row["language"]) for row in rows] == [
        ("talks.fr:0", "talks.fr", 0, "fr"),
        ("talks.fr:1", "talks.fr", 1, "fr"),
    ]
    assert {row["language"] for row in read(path, language="en")[0]} == {"en"}


def test_a_legacy_encoding_is_reported_in_a_note(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "Où sont les pêcheurs ? Nous déplorons leur départ forcé.".encode("cp1252"))
    assert sentences_of(path) == ["Où sont les pêcheurs ?", "Nous déplorons leur départ forcé."]
    (note,) = read(path)[1]
    assert "read as cp1252, which is a guess" in note


def test_an_empty_document_has_no_sentences_and_a_note(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", " \n\n")
    assert read(path) == ([], [f"{path}: the document contains no text"])


@pytest.mark.parametrize("name", ["absent.txt", "absent"])
def test_a_missing_document_or_folder_is_an_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name}: no such file or folder"


def test_documents_in_a_folder_and_its_subfolders_are_found_in_order(tmp_path: Path) -> None:
    for name in ("b.txt", "a.MD", "sub/c.markdown", "sub/d.csv", ".hidden.txt", ".git/e.txt", "f.png", "sub/.g/h.txt"):
        written(tmp_path, name, "x")
    (tmp_path / "folder.txt").mkdir()
    found = find_files([tmp_path]).files
    assert [file.path.relative_to(tmp_path).as_posix() for file in found] == ["a.MD", "b.txt", "sub/c.markdown"]


def test_a_named_folder_inside_a_hidden_folder_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, ".cache/texts/a.txt", "x")
    assert [file.path for file in find_files([tmp_path / ".cache" / "texts"]).files] == [path]


def test_circular_links_are_not_followed_and_broken_links_are_reported(tmp_path: Path) -> None:
    written(tmp_path, "a.txt", "x")
    (tmp_path / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "b.txt").symlink_to(tmp_path / "b.txt")
    assert files_below(tmp_path) == (
        [tmp_path / "a.txt"],
        [f"{tmp_path / 'b.txt'}: a broken link. Repair or delete it"],
    )


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_compressed_documents_are_read(tmp_path: Path, ending: str) -> None:
    import pyarrow as pa

    with pa.output_stream(str(tmp_path / f"talk.md{ending}"), compression="detect") as stream:
        stream.write(b"# Water\n\nWe *agree*.\n")
    rows, _ = read(tmp_path / f"talk.md{ending}", language="en")
    assert [(row["document"], row["text"]) for row in rows] == [("talk", "Water"), ("talk", "We agree.")]


# Languages


@pytest.mark.parametrize("language", SENTENCES)
def test_language_is_identified(language: str) -> None:
    assert identify_language(" ".join(SENTENCES[language])) == language


def test_chinese_text_is_not_taken_for_japanese_which_contains_kana() -> None:
    # The model behind the identification returns `ja` for all three.
    assert identify_language("我们将与伙伴合作。") == "zh"
    assert identify_language("台湾当局的图谋不会得逞。") == "zh"
    assert identify_language("政府は攻撃を強く非難する。") == "ja"


def test_languages_have_bcp_47_codes() -> None:
    assert identify_language("Kinukondena ng pamahalaan ang pag-atake at nananawagan ng tigil-putukan.") == "fil"


@pytest.mark.parametrize("text", ["", "12/12/2024 15:30", "1 234 567,89 €", "— … !", "🙂"])
def test_language_is_undetermined_if_the_text_has_no_letters(text: str) -> None:
    assert identify_language(text) == "und"


def test_the_language_of_a_document_of_digits_is_undetermined(tmp_path: Path) -> None:
    rows, _ = read(written(tmp_path, "a.txt", "2024\n12.5 %\n"))
    assert [(row["text"], row["language"]) for row in rows] == [("2024", "und"), ("12.5 %", "und")]


def test_all_sentences_of_a_document_have_the_same_language(tmp_path: Path) -> None:
    content = "2024\n\nNous refusons cet accord.\n\nOK.\n\nLes ministres se sont réunis hier à la préfecture.\n"
    assert {row["language"] for row in read(written(tmp_path, "a.txt", content))[0]} == {"fr"}
