"""Create projects for benchmarks of the web app: generated sentences with labels of a model, a sample, and two coders."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from communique.app.indexing import rebuild
from communique.app.store import Store
from communique.data.codebook import Codebook
from communique.project import Coding, Project
from communique.project.coding import now
from communique.sampling.design import draw_sample
from communique.sampling.population import display_sha256, read_population

#: Labels, and the words by which the generated sentences show them.
CUES = {"criticism": "condemn", "policy_claim": "should", "cooperation_pledge": "pledge"}

CODEBOOK = Codebook.model_validate(
    {
        "name": "generated",
        "version": "1",
        "task": "multilabel",
        "labels": [{"name": name, "definition": f"The word {word} occurs."} for name, word in CUES.items()],
    }
)

_WORDS = "the river trade minister of grain port and our water treaty border with fish in a year council road".split()  # noqa: SIM905

#: Sentences per document.
_PER_DOCUMENT = 20


def create(
    folder: Path, sentences: int, *, sample: int, coded: int, outside: int = 0, wrong: float = 0.1, seed: int = 0
) -> Project:
    """Create a project with an index.

    Args:
        folder: Its folder, which does not exist yet.
        sentences: Number of sentences.
        sample: Number of sentences of its sample.
        coded: Number of sentences of the sample that the first coder has coded. A second one has coded a third of them.
        outside: Number of sentences outside the sample that the first coder has coded. They can train a model.
        wrong: Proportion of the sentences on which the second coder errs.
        seed: Seed of the texts and of the sample.
    """
    draw = random.Random(seed)
    table = folder.with_name(f"{folder.name}.jsonl")
    with table.open("w", encoding="utf-8") as handle:
        for number in range(sentences):
            handle.write(json.dumps(_row(number, draw)) + "\n")
    book = folder.with_name(f"{folder.name}.yaml")
    CODEBOOK.dump(book)
    project = Project.create(folder, codebook=book, documents=[table])
    population = read_population(table)
    plan = draw_sample(population, sample, CODEBOOK, seed=seed)
    plan.dump(project.design_path("sample-1"))
    rows = dict(zip(population.ids.to_pylist(), range(len(population)), strict=True))
    members = [population.sentence(rows[row.id]) for row in plan.rows[:coded]]
    project.keep_codebook(CODEBOOK)
    drawn = {row.id for row in plan.rows}
    others = [population.sentence(n) for name, n in rows.items() if name not in drawn][:outside]
    project.log.append([_coding(one, "Anna", labels_of(one.text, draw), "sample-1") for one in members])
    project.log.append(
        [_coding(one, "Ben", labels_of(one.text, draw, wrong), "sample-1") for one in members[: coded // 3]]
    )
    project.log.append([_coding(one, "Anna", labels_of(one.text, draw), None) for one in others])
    store = Store(project.folder)
    rebuild(project, store)
    store.close()
    return project


def labels_of(text: str, draw: random.Random, wrong: float = 0.0) -> list[str]:
    """Return the labels that a simulated coder gives to a sentence. With the probability `wrong`, one of them is wrong."""
    found = {name for name, cue in CUES.items() if cue in text}
    if draw.random() < wrong:
        found ^= {draw.choice(CODEBOOK.names)}
    return [name for name in CODEBOOK.names if name in found]


def _row(number: int, draw: random.Random) -> dict[str, Any]:
    document = number // _PER_DOCUMENT
    labels = [name for name in CUES if draw.random() < 0.3]
    words = draw.choices(_WORDS, k=draw.randint(8, 25)) + [CUES[name] for name in labels]
    draw.shuffle(words)
    return {
        "id": f"d{document}:{number % _PER_DOCUMENT}",
        "document": f"d{document}",
        "index": number % _PER_DOCUMENT,
        "language": "en",
        "text": f"{' '.join(words).capitalize()} {number}.",
        "labels": labels,
        "probabilities": {name: 0.9 if name in labels else 0.1 for name in CUES},
        "truncated": False,
        "country": ("Norland", "Karsund", "Safara")[document % 3],
        "year": 2020 + document % 5,
    }


def _coding(sentence: Any, coder: str, labels: list[str], sample: str | None) -> Coding:
    return Coding(
        id=sentence.id,
        sha256=display_sha256(sentence.text),
        text=sentence.text,
        document=sentence.document,
        index=sentence.index,
        language=sentence.language,
        labels=CODEBOOK.validate_labels(labels),
        coder=coder,
        time=now(),
        codebook=CODEBOOK.title,
        codebook_sha256=CODEBOOK.sha256,
        sample=sample,
        model_shown=False,
    )
