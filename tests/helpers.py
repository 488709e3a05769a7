"""What several tests share: the repository's root, a tiny codebook, and rows whose words decide their labels."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]

CODEBOOK = {
    "name": "tiny",
    "version": "1",
    "task": "multilabel",
    "labels": [
        {"name": "criticism", "definition": "Somebody condemns."},
        {"name": "policy_claim", "definition": "Something should be."},
        {"name": "cooperation_pledge", "definition": "Somebody will help."},
    ],
}

#: A word of each label, and words that mean nothing.
CUES = {"criticism": "condemn", "policy_claim": "should", "cooperation_pledge": "pledge"}
FILLERS = """the of river trade minister grain port today water treaty border fish a in we it . oov""".split()  # noqa: SIM905

#: Cells that say yes and no in every table, see `data.labels.yes_no`.
YES_CELLS = (1, 1.0, True, "1", "1.0", "TRUE", "Yes", " y ", "X", "✓", "✔", "✔\ufe0f", "☑")
NO_CELLS = (0, 0.0, False, "0", "0.0", "false", "NO", " n ", "-", "–")


def tiny_rows(documents: int = 60, per_document: int = 10, seed: int = 0) -> list[dict[str, object]]:
    """Make labelled sentences: each cue word that occurs is a label."""
    draw = random.Random(seed)
    rows: list[dict[str, object]] = []
    for document in range(documents):
        for index in range(per_document):
            labels = [label for label in CUES if draw.random() < 0.35]
            words = draw.choices(FILLERS, k=draw.randint(3, 20)) + [CUES[label] for label in labels]
            draw.shuffle(words)
            rows.append(
                {
                    "id": f"d{document}.{index}",
                    "document": f"d{document}",
                    "index": index,
                    "language": ("en", "fr")[document % 2],
                    "text": " ".join(words) + f" {document * per_document + index}",
                    "labels": labels,
                    "sampling": "random" if index % 2 else "enriched",
                }
            )
    return rows


def write_rows(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def predictions(path: Path, documents: int = 40, per_document: int = 10, seed: int = 0) -> Path:
    """Write what `communique label -o` writes, with calibrated probabilities that documents share."""
    draw = np.random.default_rng(seed)
    rows = []
    for document in range(documents):
        lean = draw.normal(size=3)
        for index in range(per_document if document else 3 * per_document):
            p = 1 / (1 + np.exp(-(lean + 1.5 * draw.normal(size=3) - 1)))
            rows.append(
                {
                    "id": f"d{document}:{index}",
                    "document": f"d{document}",
                    "index": index,
                    "language": ("en", "fr", "ar")[document % 3],
                    "text": f"Sentence {index} of document {document}.",
                    "labels": [name for name, value in zip(CUES, p, strict=True) if value > 0.5],
                    "probabilities": dict(zip(CUES, p.tolist(), strict=True)),
                    "truncated": False,
                    "country": ("FR", "DE")[document % 2],
                    "year": 2020 + document % 4,
                }
            )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
