"""Extract the plain text of a Markdown document."""

from __future__ import annotations

import re
from typing import Any

from .blocks import unwrap

#: YAML front matter. It must begin with a key, so that a document that begins with a horizontal rule keeps its text up to the next
#: rule.
_FRONT_MATTER = re.compile(r"\A---\r?\n(?=[\w.-]+\s*:).*?\r?\n---(?:\r?\n|\Z)", re.DOTALL)
_HTML_BREAK = re.compile(r"<br\b", re.IGNORECASE)


def markdown_blocks(text: str, links: dict[str, Any] | None = None) -> list[str]:
    """Return the plain text of each heading, paragraph, list item and table cell of a Markdown document, without code blocks.

    Args:
        text: The document, or a part of it.
        links: The parser's state from earlier parts, which contains the links that they define. It is updated.
    """
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table")
    blocks = (
        _inline_text(token) for token in parser.parse(_FRONT_MATTER.sub("", text), links) if token.type == "inline"
    )
    return [block for block in map(unwrap, blocks) if block]


def _inline_text(token: Any) -> str:
    pieces = []
    for child in token.children or ():
        if child.type in ("text", "code_inline"):
            pieces.append(child.content)
        elif child.type == "softbreak":
            pieces.append("\n")
        elif child.type == "hardbreak" or (child.type == "html_inline" and _HTML_BREAK.match(child.content)):
            pieces.append(" ")
        elif child.type == "image":
            pieces.append(_inline_text(child))
    return "".join(pieces)
