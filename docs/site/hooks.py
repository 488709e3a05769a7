"""mkdocs hooks: pages and files outside `docs/` that pages link to become part of the site.

A link such as `../benchmarks/README.md` works on GitHub. On the site, the file it leads to is added under `repository/`, and the
link is rewritten. `<!-- ::: communique.Predictor -->` becomes a directive of mkdocstrings; on GitHub it stays an invisible comment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
#: Folder of the site for files that are outside `docs/`.
REPOSITORY = "repository"

#: A fenced code block, inline code, or the target of a link. Code matches first, so links in code are left alone.
_CODE_OR_LINK = re.compile(
    r"^(?P<fence>`{3,}|~{3,}).*?^(?P=fence)|(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)|(?<=\]\()(?P<target>[^()\s]+)(?=\))",
    re.MULTILINE | re.DOTALL,
)
_DIRECTIVE = re.compile(r"^<!-- (::: [\w.]+) -->$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files outside `docs/` that pages lead to, directly or through other such files."""
    waiting = [_source(file.src_uri) for file in files.documentation_pages()]
    while waiting:
        page = waiting.pop()
        for path in _linked(page):
            if path.is_relative_to(DOCS) or files.get_file_from_path(_uri(path)):
                continue
            files.append(File.generated(config, _uri(path), abs_src_path=str(path)))
            if path.suffix == ".md":
                waiting.append(path)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite links that leave `docs/`, and turn the comments with directives into directives."""
    source = _source(page.file.src_uri)
    folder = os.path.dirname(page.file.src_uri)

    def rewritten(target: str) -> str:
        path = _resolve(source, target)
        if path is None or (path.is_relative_to(DOCS) and source.is_relative_to(DOCS)):
            return target
        _, separator, anchor = target.partition("#")
        return os.path.relpath(_uri(path), folder or ".") + separator + anchor

    return _DIRECTIVE.sub(r"\1", _each_link(markdown, rewritten))


def _each_link(markdown: str, change: Callable[[str], str]) -> str:
    def replace(match: re.Match[str]) -> str:
        return match[0] if match["target"] is None else change(match["target"])

    return _CODE_OR_LINK.sub(replace, markdown)


def _linked(source: Path) -> list[Path]:
    """List the files of the repository to which a page links."""
    found: list[Path] = []

    def keep(target: str) -> str:
        path = _resolve(source, target)
        if path is not None:
            found.append(path)
        return target

    _each_link(source.read_text(encoding="utf-8"), keep)
    return found


def _resolve(source: Path, target: str) -> Path | None:
    """Return the file that a link in `source` leads to, or None if it leads to a web page, an anchor or nowhere."""
    name = unquote(target.partition("#")[0])
    if not name or ":" in name:
        return None
    path = Path(os.path.normpath(source.parent / name))
    if path.is_dir():
        path = path / "README.md"
    return path if path.is_file() and path.is_relative_to(ROOT) else None


def _source(uri: str) -> Path:
    """Return the file of a page, from its place in the site."""
    inside = uri.removeprefix(f"{REPOSITORY}/")
    return (DOCS if inside == uri else ROOT) / inside


def _uri(path: Path) -> str:
    """Return the place of a file in the site."""
    if path.is_relative_to(DOCS):
        return path.relative_to(DOCS).as_posix()
    return f"{REPOSITORY}/{path.relative_to(ROOT).as_posix()}"
