"""README, docs/ and the notebooks: commands parse and run, links lead somewhere, the site builds without warnings."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from helpers import ROOT

from communique.cli.app import app
from communique.cli.in_project import InProject

PAGES = (
    *(
        ROOT / name
        for name in ("README.md", "CONTRIBUTING.md", "data/README.md", "benchmarks/README.md", "seeds/README.md")
    ),
    *sorted((ROOT / "docs").rglob("*.md")),
)
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
#: Pages whose blocks of code run, in order, in a copy of the sample files. Blocks below a comment `not run in the tests` do not.
RUN = (
    ROOT / "README.md",
    *sorted((ROOT / "docs/get-started").glob("*.md")),
    ROOT / "docs/walkthrough.md",
    ROOT / "docs/reference/python.md",
)
#: Seconds for one block of code. Training on a slow machine takes minutes.
BLOCK_SECONDS = 1800

_BLOCK = re.compile(
    r"(?P<comment><!-- not run in the tests: .+? -->\n)?^ *```(?P<language>\w*)\n(?P<code>.*?)^ *```",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A fenced block of code."""

    language: str
    code: str
    runs: bool


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _blocks(path: Path) -> list[Block]:
    found = _BLOCK.finditer(path.read_text(encoding="utf-8"))
    return [Block(one["language"], one["code"], one["comment"] is None) for one in found]


def _prose(path: Path) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


# Commands


def _split(line: str) -> Iterator[list[str]]:
    """Split a line of a shell into its commands, without comments and redirections."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if set(word) <= set("|&;<>"):
            yield words
            words = []
        else:
            words.append(word)
    yield words


def _commands(path: Path) -> list[list[str]]:
    """List the words after `communique` of every command in the blocks of a page."""
    found = []
    for block in _blocks(path):
        if block.language in ("", "sh", "bash", "console"):
            for line in block.code.replace("\\\n", " ").splitlines():
                if re.search(r"(^|\s)communique [a-z]", line.split("#")[0]) and not line.lstrip().startswith("pip "):
                    found += [words[words.index("communique") + 1 :] for words in _split(line) if "communique" in words]
    return found


def _calls(path: Path) -> list[list[str]]:
    """List the words of every call of a notebook's function `communique`. An argument that is computed counts as one word."""
    found = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            for node in ast.walk(ast.parse("".join(cell["source"]))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "communique":
                    found.append([_word(argument) for argument in _arguments(node.args)])
    return found


def _arguments(nodes: list[ast.expr]) -> Iterator[ast.expr]:
    for node in nodes:
        if isinstance(node, ast.Starred) and isinstance(node.value, ast.Tuple):
            yield from node.value.elts
        else:
            yield node


def _word(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else "COMPUTED"


@cache
def _program() -> Any:
    return typer.main.get_command(app)


def _parse(words: list[str]) -> None:
    """Parse a command without running it."""
    words = [word for word in words if word != "..."]
    if not words or words[0].startswith("-"):
        return
    command = _program().commands.get(words[0])
    assert command is not None, f"communique has no command {words[0]!r}"
    if "--help" in words:
        return
    try:
        command.make_context(words[0], words[1:])
    except Exception as error:
        if type(error).__name__ == "MissingParameter" and isinstance(command, InProject) and "INPUT" not in words:
            # In the folder of a project, the input need not be named.
            _parse([*words, *("INPUT" for one in command.params if one.param_type_name == "argument")])
            return
        message = error.format_message() if hasattr(error, "format_message") else error
        pytest.fail(f"communique {shlex.join(words)}: {message}")


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_commands_in_blocks_parse(path: Path) -> None:
    for words in _commands(path):
        _parse(words)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=_name)
def test_commands_in_notebooks_parse(path: Path) -> None:
    for words in _calls(path):
        _parse(words)


def test_commands_are_found_in_pages_and_notebooks() -> None:
    assert sum(len(_commands(path)) for path in PAGES) > 40
    assert sum(len(_calls(path)) for path in NOTEBOOKS) >= 8


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_commands_and_options_in_prose_exist(path: Path) -> None:
    for span in re.findall(r"(?<!`)`communique ([a-z][^`]*)`", _prose(path)):
        name, *words = span.replace("\\|", "|").split()
        command = _program().commands.get(name)
        assert command is not None, f"communique has no command {name!r}"
        options = {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"--help"}
        for word in words:
            if word.startswith("-") and word != "-":
                assert word.split("=")[0] in options, f"communique {name} has no option {word}"


# Links


def _slug(heading: str) -> str:
    """Return the anchor of a heading, as GitHub makes it."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")


@cache
def _anchors(path: Path) -> set[str]:
    found: dict[str, int] = {}
    anchors = set()
    for heading in re.findall(r"^#{1,6} +(.+?)(?: +#+)? *$", _prose(path), re.MULTILINE):
        slug = _slug(heading)
        count = found.get(slug, 0)
        found[slug] = count + 1
        anchors.add(f"{slug}-{count}" if count else slug)
    return anchors


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_links_lead_to_files_and_headings(path: Path) -> None:
    text = re.sub(r"(`+).+?\1", "", _prose(path))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = Path(os.path.normpath(path.parent / name)) if name else path
        assert linked.exists(), f"{target}: no such file"
        assert linked.is_relative_to(ROOT), f"{target}: outside the repository"
        if anchor:
            assert anchor in _anchors(linked), f"{target}: no such heading; there are {sorted(_anchors(linked))}"


# Code


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_python_blocks_parse(path: Path) -> None:
    for block in _blocks(path):
        if block.language == "python":
            ast.parse(textwrap.dedent(block.code))


@pytest.mark.slow
@pytest.mark.timeout(2 * BLOCK_SECONDS)
@pytest.mark.parametrize("path", RUN, ids=_name)
def test_code_runs_in_a_copy_of_the_samples(path: Path, tmp_path: Path) -> None:
    for name in ("seeds", "data"):
        shutil.copytree(ROOT / name, tmp_path / name)
    environment = os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    run = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}
    blocks = [block for block in _blocks(path) if block.runs and block.language in run]
    assert blocks
    folder, reached = tmp_path, tmp_path / "reached"
    for block in blocks:
        # As in a terminal, `cd` is still in effect in the next block.
        after = f"\npwd >{shlex.quote(str(reached))}" if block.language == "sh" else ""
        done = subprocess.run(
            [*run[block.language], block.code + after],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=BLOCK_SECONDS,
        )
        assert done.returncode == 0, f"{block.code}\n{done.stdout}"
        if after:
            folder = Path(reached.read_text(encoding="utf-8").strip())


# Generated pages and the site


def test_command_line_reference_is_current() -> None:
    path = ROOT / "docs/site/command_line.py"
    spec = importlib.util.spec_from_file_location("command_line", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.render(), f"run python {_name(path)} --write"


def test_every_example_of_the_command_line_reference_is_in_a_block_of_code() -> None:
    prose = _prose(ROOT / "docs/reference/command-line.md")
    assert re.findall(r"^(?:\w+=\S+ )*communique .*", prose, re.MULTILINE) == []


def test_the_table_of_contents_lists_every_page() -> None:
    folder = ROOT / "docs"
    text = (folder / "README.md").read_text(encoding="utf-8")
    pages = {path.relative_to(folder).as_posix() for path in folder.rglob("*.md")} - {"README.md"}
    assert {page for page in pages if f"({page})" not in text} == set()


def test_the_page_of_benchmarks_names_every_program() -> None:
    text = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    assert [path.name for path in (ROOT / "benchmarks").glob("*.py") if f"`{path.name}`" not in text] == []


@pytest.mark.slow
def test_site_builds_without_warnings_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", "docs/site/mkdocs.yml", "-d", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    loaded = re.compile(r"""<(?:script|img|iframe|link|source)\b[^>]*(?:src|href)="(?:https?:)?//[^>]*>""")
    for path in tmp_path.rglob("*.html"):
        assert loaded.search(path.read_text(encoding="utf-8")) is None, path
    for path in tmp_path.rglob("*.css"):
        assert not re.search(r"""(?:url\(|@import )["']?(?:https?:)?//""", path.read_text(encoding="utf-8")), path
