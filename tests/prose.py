"""Find the English that users and maintainers read: documents, tables, docstrings, comments, messages and names of tests.

Run in tests/:

    python -m prose list messages                 print every message and help text with its file and line
    python -m prose grade [--root CHECKOUT]       print the Flesch-Kincaid grade of each kind of text

`test_prose.py` checks the same passages against the word list in prose.toml and for spelling.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import re
import subprocess
import tokenize
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
WORDS = Path(__file__).with_suffix(".toml")

#: Kinds of passages, in the order in which they are printed.
KINDS = ("documents", "tables", "docstrings", "comments", "messages", "tests")

#: Data in other languages, and pages whose text is generated.
_SKIPPED = ("src/communique/actors/", "tests/text/splitting/", "docs/reference/command-line.md")

#: Folders in which strings are messages to users. Strings of tests are data.
_PROGRAMS = ("src/", "benchmarks/")

#: Folder of the templates, which contain the words of reports and pages.
_TEMPLATES = "src/communique/reporting/templates/"

_WORDS = re.compile(r"[A-Za-z]{2,} [a-z]+ [a-z]+")
_TAG = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<[^>]*>", re.DOTALL)
_CODE = re.compile(r"`[^`]*`")
_QUOTED = re.compile(r"`[^`]*`|\"[^\"]*\"|'[^']{2,40}'|“[^”]*”")


@dataclass(frozen=True)
class Passage:
    """A piece of English, with the file (relative to the checkout) and the line where it begins."""

    path: str
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {' '.join(self.text.split())}"


@dataclass(frozen=True)
class Rule:
    """An expression that is not to be written, and what to write instead."""

    pattern: re.Pattern[str]
    instead: str


def plain(text: str) -> str:
    """Return a text without the parts that the rules leave alone: code and what is quoted."""
    return _QUOTED.sub("…", text)


def rules() -> list[Rule]:
    """Return the rules of the word list."""
    content = tomllib.loads(WORDS.read_text(encoding="utf-8"))
    return [Rule(re.compile(rule["avoid"], re.IGNORECASE), rule["write"]) for rule in content["rule"]]


def passages(root: Path = ROOT) -> list[Passage]:
    """Return all passages of the files that Git tracks in a checkout."""
    names = subprocess.run(["git", "ls-files"], cwd=root, check=True, capture_output=True, text=True).stdout.split("\n")
    found: list[Passage] = []
    for name in filter(None, names):
        path = root / name
        if name.startswith(_SKIPPED) or not path.exists():
            continue
        if path.suffix == ".md":
            found += _markdown(name, path.read_text(encoding="utf-8"))
        elif path.suffix == ".ipynb":
            found += _notebook(name, path.read_text(encoding="utf-8"))
        elif path.suffix == ".py":
            found += _python(name, path.read_text(encoding="utf-8"))
        elif name.startswith(_TEMPLATES) and path.suffix in (".jinja", ".html"):
            found += _template(name, path.read_text(encoding="utf-8"))
    return found


def _markdown(name: str, content: str) -> Iterator[Passage]:
    """Yield headings, paragraphs, list items, and cells of tables with several words.

    Code blocks and comments are left out, and so is a column `sentence`, which contains sentences that were labelled.
    """
    line, table = 0, False
    column, quoted = -1, -1
    for token in MarkdownIt("commonmark").enable("table").parse(content):
        line = token.map[0] + 1 if token.map else line
        table = (table or token.type == "table_open") and token.type != "table_close"
        if token.type == "table_open":
            quoted = -1
        elif token.type == "tr_open":
            column = -1
        elif token.type in ("th_open", "td_open"):
            column += 1
        if token.type == "inline" and token.children:
            parts = [
                f"`{child.content}`" if child.type == "code_inline" else child.content or " "
                for child in token.children
            ]
            if table and "".join(parts) == "sentence":
                quoted = column
            if not table or (column != quoted and _WORDS.search("".join(parts))):
                yield Passage(name, line, "tables" if table else "documents", "".join(parts))


def _notebook(name: str, content: str) -> Iterator[Passage]:
    for cell in json.loads(content)["cells"]:
        if cell["cell_type"] == "markdown":
            yield from _markdown(name, "".join(cell["source"]))


def _template(name: str, content: str) -> Iterator[Passage]:
    """Yield the lines of a template with "…" in place of tags and values."""
    blank = _TAG.sub(lambda match: "…" + "\n" * match[0].count("\n"), content)
    for number, line in enumerate(blank.splitlines(), 1):
        if _WORDS.search(line):
            yield Passage(name, number, "messages", line.strip(" …"))


def _python(name: str, content: str) -> Iterator[Passage]:
    tree = ast.parse(content)
    tests = name.startswith("tests/")
    documented = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                documented.add(first.value)
                yield Passage(name, first.lineno, "tests" if tests else "docstrings", first.value.value)
            if tests and isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield Passage(name, node.lineno, "tests", node.name.removeprefix("test_").replace("_", " "))
    if name.startswith(_PROGRAMS):
        yield from (Passage(name, line, "messages", text) for line, text in _strings(tree, documented))
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type == tokenize.COMMENT and " " in token.string and "type:" not in token.string:
            yield Passage(name, token.start[0], "tests" if tests else "comments", token.string.lstrip("#: "))


def _strings(tree: ast.Module, documented: set[ast.Constant]) -> Iterator[tuple[int, str]]:
    """Yield the strings that are English: at least three words, no letters of other alphabets."""
    parts = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(v.value) if isinstance(v, ast.Constant) else "{}" for v in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in documented | parts:
            text = node.value
        else:
            continue
        if _WORDS.search(text) and not re.search(r"[^\W\d_a-zA-Z]", text):
            yield node.lineno, text


def _grade(texts: list[str]) -> dict[str, float]:
    """Return the number of words, words per sentence and the Flesch-Kincaid grade of sentences of at least four words."""
    import textstat

    cleaned = [re.sub(r"[^\w\s.,;:!?'()%-]", " ", _CODE.sub("code", text)).strip() for text in texts]
    whole = " ".join(
        text if text.endswith((".", "!", "?")) else f"{text}." for text in cleaned if len(text.split()) > 3
    )
    words = textstat.lexicon_count(whole)
    return {
        "words": words,
        "words per sentence": words / max(textstat.sentence_count(whole), 1),
        "grade": textstat.flesch_kincaid_grade(whole),
    }


def main() -> None:
    """List passages, or print the grade of each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list")
    listing.add_argument("kind", choices=KINDS)
    grade = commands.add_parser("grade")
    for command in (listing, grade):
        command.add_argument("--root", type=Path, default=ROOT, help="Checkout to read. Default: this one.")
    arguments = parser.parse_args()
    found = passages(arguments.root)
    if arguments.command == "list":
        print(*(p for p in found if p.kind == arguments.kind), sep="\n")
        return
    for kind in KINDS:
        measured = _grade([p.text for p in found if p.kind == kind])
        print(kind, *(f"{name} {value:,.1f}" for name, value in measured.items()), sep="; ")


if __name__ == "__main__":
    main()
