"""Write a comparison of two models as Markdown, JSON and a web page, and list the sentences whose labels differ."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import __version__
from ..io.atomic import replacing
from ..io.write import write_csv, write_jsonl
from ..reporting.format import rounded, without_nan
from ..reporting.render import render
from .changed import ChangedSentence
from .compare import LabelChange, ModelComparison

#: Files of `write`.
FILES = ("comparison.md", "comparison.json", "comparison.html", "changed.csv", "changed.jsonl")

#: Number of changed sentences on the web page. The tables have all.
SHOWN = 500

#: Digits of a probability in the lists of changed sentences.
_DIGITS = 4


def to_markdown(comparison: ModelComparison) -> str:
    """Write a comparison as Markdown, without any sentence of the corpus."""
    return render("comparison.md.jinja", c=comparison, groups=_groups(comparison))


def to_html(comparison: ModelComparison) -> str:
    """Write a comparison as one self-contained page, with the `SHOWN` largest changes."""
    return render(
        "comparison.html",
        c=comparison,
        groups=_groups(comparison),
        changed=comparison.changed[:SHOWN],
        version=__version__,
    )


def to_dict(comparison: ModelComparison) -> dict[str, Any]:
    """Return plain values for JSON, without any sentence of the corpus. Undefined values are None."""
    c, pairs = comparison, comparison.pairs
    plain: dict[str, Any] = without_nan(
        {
            "communique": __version__,
            "first": c.first,
            "second": c.second,
            "labels": c.labels,
            "only_first": c.only_first,
            "only_second": c.only_second,
            "n": len(pairs),
            "documents": c.documents,
            "rows_only_first": pairs.only_first,
            "rows_only_second": pairs.only_second,
            "rows_with_other_text": pairs.other_text,
            "changed_sentences": c.n_changed,
            "by": c.by,
            "changes": [asdict(change) for change in c.changes],
            "scores": None if c.scores is None else asdict(c.scores),
            "codebooks": c.codebooks,
            "notes": c.notes,
            "seed": c.seed,
            "resamples": c.resamples,
        }
    )
    return plain


def to_json(comparison: ModelComparison) -> str:
    """Write a comparison as JSON, without any sentence of the corpus."""
    return json.dumps(to_dict(comparison), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write(folder: Path, comparison: ModelComparison) -> list[Path]:
    """Write all files of a comparison into a folder, and return their paths. Existing files of these names are replaced.

    In the CSV file, cells that a spreadsheet would run as formulas begin with an apostrophe.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "comparison.md": to_markdown(comparison),
        "comparison.json": to_json(comparison),
        "comparison.html": to_html(comparison),
    }
    for name, text in texts.items():
        with replacing(folder / name) as handle:
            handle.write(text)
    write_csv(folder / "changed.csv", _columns(comparison), map(_row, comparison.changed), escape_formulas=True)
    write_jsonl(folder / "changed.jsonl", map(_row, comparison.changed))
    return [folder / name for name in FILES]


def _groups(comparison: ModelComparison) -> list[tuple[str, list[LabelChange]]]:
    groups: dict[str, list[LabelChange]] = {}
    for change in comparison.changes:
        groups.setdefault(change.name, []).append(change)
    return list(groups.items())


def _row(sentence: ChangedSentence) -> dict[str, Any]:
    return {
        "id": sentence.id,
        "document": sentence.document,
        "language": sentence.language,
        "text": sentence.text,
        "first_labels": list(sentence.first),
        "second_labels": list(sentence.second),
        "gained": list(sentence.gained),
        "lost": list(sentence.lost),
        "largest_change": None if sentence.change is None else rounded(sentence.change, _DIGITS),
        **dict(_probabilities(sentence)),
    }


def _probabilities(sentence: ChangedSentence) -> Iterator[tuple[str, float | None]]:
    for side, values in (("first", sentence.first_probabilities), ("second", sentence.second_probabilities)):
        for label, value in values.items():
            yield f"{side}_probability_{label}", rounded(value, _DIGITS)


def _columns(comparison: ModelComparison) -> list[str]:
    rows = [_row(sentence) for sentence in comparison.changed[:1]]
    known = ["id", "document", "language", "text", "first_labels", "second_labels", "gained", "lost", "largest_change"]
    return list(dict.fromkeys([*known, *(name for row in rows for name in row)]))
