"""Count the labelled sentences in this folder for the tables of the datasheet.

`python data/counts.py` prints the tables. With `--write`, it writes them into data/README.md. With `--check`, it exits with 1
if the tables in data/README.md differ from them.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from communique.data.codebook import Codebook
from communique.data.sentence import text_sha256
from communique.data.standoff import HASH
from communique.errors import CommuniqueError, DataError
from communique.io.atomic import replacing
from communique.io.paths import list_files
from communique.io.read import read_table

DATA = Path(__file__).resolve().parent
README = DATA / "README.md"
BEGIN, END = "<!-- counts -->", "<!-- /counts -->"

#: Location of each part of the data.
PARTS = {"authored": "authored", "train": "reference/train.jsonl", "dev": "reference/dev.jsonl"}

#: Values of the field `sampling`, in the order of the datasheet.
SAMPLINGS = ("random", "enriched", "selected")


@dataclass(frozen=True)
class Sentence:
    """A labelled sentence. `acts` contains offsets and kinds by label, and `sha256` is the hash of the text."""

    part: str
    language: str
    source: str
    document: str
    sampling: str
    labels: tuple[str, ...]
    acts: Mapping[str, Mapping[str, Any]]
    sha256: str


def read(codebook: Codebook) -> list[Sentence]:
    """Read all labelled sentences.

    Raises:
        DataError: A row cannot be read, lacks a field or has labels that are not in the codebook.
    """
    return [sentence for part, place in PARTS.items() for sentence in _read_part(part, DATA / place, codebook)]


def _read_part(part: str, place: Path, codebook: Codebook) -> Iterator[Sentence]:
    for path in list_files(place):
        table = read_table(path)
        if table.problems:
            raise DataError(*table.problems)
        for number, row in table.rows:
            try:
                yield Sentence(
                    part=part,
                    language=str(row["language"]),
                    source=str(row["source"]),
                    document=str(row["document"]),
                    sampling=str(row["sampling"]) if part != "authored" else "",
                    labels=codebook.validate_labels(row["labels"]),
                    acts=row["acts"],
                    sha256=str(row[HASH]) if part != "authored" else text_sha256(str(row["text"])),
                )
            except KeyError as error:
                raise DataError(f"{path}, row {number}: the field {error} is missing. Add it") from error
            except ValueError as error:
                raise DataError(f"{path}, row {number}: {error}") from error


def tables(sentences: Sequence[Sentence], codebook: Codebook) -> str:
    """Render the tables of the datasheet as Markdown.

    A document counts once in each table row that includes one of its sentences. For example, a UN document in five languages
    counts as one document in total and as one document for each language.
    """
    names = codebook.names
    reference = [s for s in sentences if s.sampling]
    blocks = [
        "All sentences. Those with two or three labels count under `several` and under each of their labels.",
        _table(("part",), sentences, names, lambda s: (s.part,), total=True),
        "Kinds of labels.",
        _kinds(sentences, codebook),
        "Labels whose holder or target is named in the sentence.",
        _named(sentences, names),
        "By language.",
        _table(("part", "language"), sentences, names, lambda s: (s.part, s.language)),
        "Stand-off labels by source and language.",
        _table(("part", "source", "language"), reference, names, lambda s: (s.part, s.source, s.language)),
        "Stand-off labels by sampling, with the proportion of the sentences that have the label.",
        _table(("part", "sampling"), reference, names, lambda s: (s.part, s.sampling), shares=True),
        "Sentences with stand-off labels by language and sampling.",
        _crosstab(reference),
        _overlaps(sentences),
    ]
    return "\n\n".join(blocks)


def _table(
    heads: tuple[str, ...],
    sentences: Sequence[Sentence],
    names: Sequence[str],
    key: Callable[[Sentence], tuple[str, ...]],
    *,
    shares: bool = False,
    total: bool = False,
) -> str:
    """Render the numbers of sentences, documents and labels in each group."""
    rows = [(*group, *_counts(members, names, shares)) for group, members in _groups(sentences, key)]
    if total:
        rows.append(("all", *[""] * (len(heads) - 1), *_counts(sentences, names, shares)))
    return _markdown((*heads, "sentences", "documents", *names, "none", "several"), rows, len(heads))


def _kinds(sentences: Sequence[Sentence], codebook: Codebook) -> str:
    """Render the number of sentences of each kind, for labels that have kinds."""
    heads = [kind.name for label in codebook.labels for kind in label.kinds]
    rows = []
    for label in (label for label in codebook.labels if label.kinds):
        for group, members in _groups(sentences, lambda s: (s.part,)):
            counted = Counter(s.acts[label.name]["kind"] for s in members if label.name in s.acts)
            rows.append((*group, label.name, *(f"{counted[kind]:,}" for kind in heads)))
    return _markdown(("part", "label", *heads), rows, 2)


def _named(sentences: Sequence[Sentence], names: Sequence[str]) -> str:
    """Render the number of sentences per label that have a span for the holder and for the target."""
    rows = []
    for group, members in _groups(sentences, lambda s: (s.part,)):
        for name in names:
            acts = [s.acts[name] for s in members if name in s.acts]
            spans = (sum(act[f"{part}_span"] is not None for act in acts) for part in ("holder", "target"))
            rows.append((*group, name, f"{len(acts):,}", *(f"{n:,} ({100 * n / len(acts):.0f} %)" for n in spans)))
    return _markdown(("part", "label", "sentences", "holder", "target"), rows, 2)


def _counts(members: Sequence[Sentence], names: Sequence[str], shares: bool) -> list[str]:
    counts = [sum(name in s.labels for s in members) for name in names]
    counts += [sum(not s.labels for s in members), sum(len(s.labels) > 1 for s in members)]
    documents = len({(s.source, s.document) for s in members})
    cells = [f"{n:,} ({100 * n / len(members):.1f} %)" if shares else f"{n:,}" for n in counts]
    return [f"{len(members):,}", f"{documents:,}", *cells]


def _groups(
    sentences: Sequence[Sentence], key: Callable[[Sentence], tuple[str, ...]]
) -> list[tuple[tuple[str, ...], list[Sentence]]]:
    """Group sentences by a key. Parts and samplings keep their order; all other values are sorted by name."""
    groups: dict[tuple[str, ...], list[Sentence]] = {}
    for sentence in sentences:
        groups.setdefault(key(sentence), []).append(sentence)
    places = {name: i for i, name in enumerate((*PARTS, *SAMPLINGS))}
    return sorted(groups.items(), key=lambda item: [(places.get(name, len(places)), name) for name in item[0]])


def _crosstab(sentences: Sequence[Sentence]) -> str:
    rows = []
    for group, members in _groups(sentences, lambda s: (s.part, s.language)):
        rows.append((*group, *(f"{sum(s.sampling == sampling for s in members):,}" for sampling in SAMPLINGS)))
    return _markdown(("part", "language", *SAMPLINGS), rows, 2)


def _overlaps(sentences: Sequence[Sentence]) -> str:
    """Render the numbers of documents and texts that two parts have in common."""
    documents = {part: {(s.source, s.document) for s in sentences if s.part == part} for part in PARTS}
    texts = {part: {s.sha256 for s in sentences if s.part == part} for part in PARTS}
    lines = []
    for first, second in (("train", "dev"), ("authored", "train"), ("authored", "dev")):
        shared = len(documents[first] & documents[second]), len(texts[first] & texts[second])
        lines.append(f"- `{first}` and `{second}` share {shared[0]:,} documents and {shared[1]:,} texts.")
    return "\n".join(lines)


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]], words: int) -> str:
    """Render a table. The first `words` columns contain words, and the others contain numbers."""
    rule = ["---"] * words + ["---:"] * (len(heads) - words)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (heads, rule, *rows))


def replaced(readme: str, content: str) -> str:
    """Return the datasheet with new tables between the markers.

    Raises:
        DataError: A marker is missing or occurs more than once, or the markers are in the wrong order.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or readme.count(BEGIN) != 1 or readme.count(END) != 1:
        raise DataError(f"{README.name}: {BEGIN} and {END} must each occur once, in this order. Restore these markers")
    return f"{before}{BEGIN}\n\n{content}\n\n{END}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit code: 0, or 1 if the datasheet differs or the data are invalid.
    """
    parser = argparse.ArgumentParser(description="Count the labelled sentences of data/.")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true", help="exit with 1 if the counts in data/README.md differ")
    action.add_argument("--write", action="store_true", help="write the counts into data/README.md")
    chosen = parser.parse_args(arguments)
    try:
        codebook = Codebook.load(DATA / "codebook.yaml")
        content = tables(read(codebook), codebook)
        if not (chosen.check or chosen.write):
            print(content)
            return 0
        old = README.read_text(encoding="utf-8")
        new = replaced(old, content)
    except (CommuniqueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if new != old and chosen.check:
        print("data/README.md: the counts differ from the data. Run python data/counts.py --write", file=sys.stderr)
        return 1
    if new != old:
        with replacing(README) as handle:
            handle.write(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
