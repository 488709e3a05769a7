"""Measure unwrapping: wrap authored texts at a column width, and count the sentences that are recovered exactly.

::

    python benchmarks/unwrapping.py --json benchmarks/results/unwrapping.json
"""

from __future__ import annotations

import argparse
import json
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from communique.text.blocks import text_blocks
from communique.text.sentences import split_sentences

AUTHORED = Path(__file__).parents[1] / "data" / "authored"
LANGUAGES = ("de", "en", "es", "fr", "ru", "zh")
WIDTHS = range(40, 111, 10)

#: Sentences per paragraph, in turn.
LENGTHS = (4, 2, 5, 3)


def documents(language: str) -> Iterator[list[list[str]]]:
    """Yield the authored documents of a language as paragraphs of the sentences that the splitter finds."""
    found = defaultdict(list)
    for line in (AUTHORED / f"{language}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found[row["document"]].append(row["text"])
    space = "" if language == "zh" else " "
    for sentences in found.values():
        paragraphs, start, turn = [], 0, 0
        while start < len(sentences):
            paragraphs.append(sentences[start : start + LENGTHS[turn % len(LENGTHS)]])
            start, turn = start + len(paragraphs[-1]), turn + 1
        yield [split_sentences(space.join(paragraph), language) for paragraph in paragraphs]


def wrapped(paragraph: str, width: int, indent: str, language: str) -> str:
    """Wrap a paragraph as an editor does."""
    if language == "zh":
        text = indent + paragraph
        return "\n".join(text[i : i + width // 2] for i in range(0, len(text), width // 2))
    return textwrap.fill(paragraph, width, initial_indent=indent, break_on_hyphens=False, break_long_words=False)


def recovered(language: str, width: int, *, blank: bool, indent: bool) -> tuple[int, int]:
    """Return the number of sentences and the number of those that are recovered exactly."""
    units = found = 0
    space = "" if language == "zh" else " "
    for paragraphs in documents(language):
        expected = Counter(sentence for paragraph in paragraphs for sentence in paragraph)
        lines = [wrapped(space.join(p), width, "    " if indent else "", language) for p in paragraphs]
        text = ("\n\n" if blank else "\n").join(lines)
        got = Counter(sentence for block in text_blocks(text) for sentence in split_sentences(block, language))
        units += expected.total()
        found += (expected & got).total()
    return units, found


def main() -> None:
    """Print the proportions of recovered sentences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="Write the figures to this file.")
    arguments = parser.parse_args()
    figures = []
    for language in LANGUAGES:
        for blank in (True, False):
            for indent in (False, True):
                counts = [recovered(language, width, blank=blank, indent=indent) for width in WIDTHS]
                worst = min(found / n for n, found in counts)
                n, found = sum(n for n, _ in counts), sum(found for _, found in counts)
                row = {"language": language, "blank_lines": blank, "indents": indent, "units": n, "recovered": found}
                figures.append(row | {"worst_width": round(worst, 4)})
                print(f"{row}  {found / n:.4f}, worst width {worst:.4f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
