"""Measure sentence splitting on the hard cases of `tests/text/splitting`: exact matches per language.

::

    python benchmarks/splitting.py                       # table of all languages
    python benchmarks/splitting.py de fr --failures      # wrong cases in two languages
    python benchmarks/splitting.py --json benchmarks/results/splitting.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from communique.text.sentences import split_sentences

CASES = Path(__file__).parents[1] / "tests" / "text" / "splitting"

#: Languages that write no space between sentences.
UNSPACED = ("zh", "ja")


def languages(folder: Path = CASES) -> list[str]:
    """Return the languages that have cases."""
    return sorted(path.stem for path in folder.glob("*.txt"))


def cases(language: str, folder: Path = CASES) -> list[tuple[str, list[str]]]:
    """Return the cases of a language: text and sentences."""
    found = []
    for line in (folder / f"{language}.txt").read_text(encoding="utf-8").splitlines():
        sentences = line.split(" ‖ ")
        found.append((("" if language in UNSPACED else " ").join(sentences), sentences))
    return found


def failures(language: str, folder: Path = CASES) -> list[tuple[list[str], list[str]]]:
    """Return the expected and the returned sentences of the cases that are split wrongly."""
    split = [(sentences, split_sentences(text, language)) for text, sentences in cases(language, folder)]
    return [(expected, found) for expected, found in split if expected != found]


def main() -> None:
    """Print the accuracy per language, or write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("languages", nargs="*", help="Default: all.")
    parser.add_argument("--folder", type=Path, default=CASES, help="Folder of the cases.")
    parser.add_argument("--failures", action="store_true", help="Print the cases that are split wrongly.")
    parser.add_argument("--json", type=Path, help="Write the figures to this file.")
    arguments = parser.parse_args()
    figures = {}
    for language in arguments.languages or languages(arguments.folder):
        n, wrong = len(cases(language, arguments.folder)), failures(language, arguments.folder)
        figures[language] = {"cases": n, "correct": n - len(wrong), "accuracy": round(1 - len(wrong) / n, 3)}
        print(f"{language:4} {n - len(wrong):3} of {n:3}  {figures[language]['accuracy']:.3f}")
        if arguments.failures:
            for expected, found in wrong:
                print(f"     expected {' ‖ '.join(expected)}\n     found    {' ‖ '.join(found)}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
