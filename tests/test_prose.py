"""What people read keeps to the word list in prose.toml and is spelled correctly."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import prose
import pytest
import typer

from communique.cli.app import app

#: Pages about the past quote the words of their time.
_HISTORY = ("CHANGELOG.md", "train/LOG.md")

#: Options of other programs that the package mentions.
_OTHER_PROGRAMS = {"--view-id"}

#: What goes wrong where pieces of a message are joined: no space after a full stop, or two marks in a row.
_JOINED_BADLY = re.compile(r"[a-z)}][.;!?][A-Z][a-z]|(?<!\.)\.\.(?!\.)|[.,;:] [.,;:](?!\S)")


@pytest.fixture(scope="module")
def passages() -> list[prose.Passage]:
    return prose.passages()


@pytest.mark.parametrize("rule", prose.rules(), ids=lambda rule: rule.pattern.pattern[:40])
def test_nothing_is_written_that_the_word_list_rules_out(rule: prose.Rule, passages: list[prose.Passage]) -> None:
    found = [str(p) for p in passages if p.path not in _HISTORY and rule.pattern.search(prose.plain(p.text))]
    assert not found, f"write {rule.instead}:\n" + "\n".join(found)


def test_a_rule_finds_what_it_rules_out_and_leaves_quotations_alone() -> None:
    (rule,) = (rule for rule in prose.rules() if rule.instead.startswith("next to"))
    assert rule.pattern.search(prose.plain("The model stands beside the baseline."))
    assert not rule.pattern.search(prose.plain('Do not write `beside`, and besides, do not write "beside".'))


def test_labelled_sentences_in_a_table_are_not_prose(tmp_path: Path) -> None:
    rows = "| kind of text | sentence |\n| --- | --- |\n| a speech on trade | We will go on with it. |\n"
    (tmp_path / "card.md").write_text(f"{rows}\nA paragraph between them.\n\n{rows.replace('sentence', 'meaning')}")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "card.md"], cwd=tmp_path, check=True)
    found = [passage.text for passage in prose.passages(tmp_path)]
    assert found.count("We will go on with it.") == 1
    assert found.count("a speech on trade") == 2


def test_words_are_spelled_correctly(passages: list[prose.Passage]) -> None:
    lines = [f"{' '.join(prose.plain(p.text).split())} [{p.path}:{p.line}]" for p in passages]
    command = [sys.executable, "-m", "codespell_lib", "-"]
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, cwd=prose.ROOT)
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


def test_options_and_commands_in_messages_and_docstrings_exist(passages: list[prose.Passage]) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    options = {
        name for one in commands.values() for param in one.params for name in (*param.opts, *param.secondary_opts)
    }
    options |= _OTHER_PROGRAMS | {"--help"}
    checked = 0
    for passage in passages:
        if (
            passage.path.startswith("src/")
            and not passage.path.endswith(".html")
            and passage.kind in ("messages", "docstrings")
        ):
            for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", passage.text):
                assert option in options, f"{option}: {passage}"
                checked += 1
            for name in re.findall(r"(?:`|\b[Rr]un )communique ([a-z-]+)", passage.text):
                assert name in commands, f"communique {name}: {passage}"
                checked += 1
    assert checked > 100


def test_pieces_of_a_message_are_joined_with_a_space_and_one_mark(passages: list[prose.Passage]) -> None:
    found = [str(p) for p in passages if p.kind == "messages" and _JOINED_BADLY.search(prose.plain(p.text))]
    assert found == []
    for text in ("the file is gone.Copy it", "it ended.. Copy it", "it ended. . Copy it", "row {}.Copy it"):
        assert _JOINED_BADLY.search(text)
