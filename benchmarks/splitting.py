"""Measure sentence splitting on the hard cases of `tests/text/splitting`: exact matches per language.

::

    python benchmarks/splitting.py                       # table of all languages
    python benchmarks/splitting.py de fr --failures      # wrong cases in two languages
    python benchmarks/splitting.py --json benchmarks/results/splitting.json
    python benchmarks/splitting.py --speed corpus.jsonl  # seconds on 5,000 sentences, compared with sentencex
    python benchmarks/splitting.py --hostile             # seconds on hostile texts of a million characters
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from itertools import groupby, islice
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


def speed(path: Path, n: int = 5000, rounds: int = 5) -> dict[str, float]:
    """Return the fastest of several alternating runs of each splitter, in seconds, on paragraphs of ten sentences."""
    from sentencex import segment

    with path.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in islice(lines, n)]
    paragraphs = [
        (language, " ".join(row["text"] for row in members))
        for (language, _), group in groupby(enumerate(rows), lambda pair: (pair[1]["language"], pair[0] // 10))
        for members in [[row for _, row in group]]
    ]
    splitters: dict[str, Callable[[str, str], list[str]]] = {
        "communique": lambda language, text: split_sentences(text, language),
        "sentencex": lambda language, text: list(segment(language.split("-")[0], text)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in splitters}
    for _ in range(rounds):
        for name, split in splitters.items():
            begin = time.process_time()
            for language, text in paragraphs:
                split(language, text)
            seconds[name].append(time.process_time() - begin)
    return {name: min(found) for name, found in seconds.items()}


def hostile(n: int = 1_000_000) -> dict[str, float]:
    """Return the seconds that hostile texts of n characters take."""
    found = {}
    for part in ('"', "“", ".", "e.g.", "z.B.", "«", "(", "1.", "。", "! ", "A. ", "gem. § 5 "):
        text = part * (n // len(part))
        begin = time.process_time()
        split_sentences(text, "de")
        found[part] = round(time.process_time() - begin, 2)
    return found


def main() -> None:
    """Print the accuracy per language, or write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("languages", nargs="*", help="Default: all.")
    parser.add_argument("--folder", type=Path, default=CASES, help="Folder of the cases.")
    parser.add_argument("--failures", action="store_true", help="Print the cases that are split wrongly.")
    parser.add_argument("--json", type=Path, help="Write the figures to this file.")
    parser.add_argument("--speed", type=Path, help="JSON Lines with `text` and `language`: compare the speed on them.")
    parser.add_argument("--hostile", action="store_true", help="Measure hostile texts.")
    arguments = parser.parse_args()
    if arguments.speed or arguments.hostile:
        print(json.dumps(speed(arguments.speed) if arguments.speed else hostile(), ensure_ascii=False, indent=1))
        return
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
