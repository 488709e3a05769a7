"""What people read keeps to the word list in prose.toml and is spelled correctly."""

from __future__ import annotations

import subprocess
import sys

import prose
import pytest

#: Pages about the past quote the words of their time.
_HISTORY = ("CHANGELOG.md", "train/LOG.md")


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


def test_words_are_spelled_correctly(passages: list[prose.Passage]) -> None:
    lines = [f"{' '.join(prose.plain(p.text).split())} [{p.path}:{p.line}]" for p in passages]
    command = [sys.executable, "-m", "codespell_lib", "-"]
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, cwd=prose.ROOT)
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0
