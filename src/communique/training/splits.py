"""The sets of a recipe: rows that train, and rows of other documents that tune or prove an export."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.standoff import read_sources
from ..errors import DataError
from ..models.info import TrainingData
from .recipe import Recipe

#: Below so many rows left over for the proof of an export, half of the held-out documents go to it.
MIN_PROOF = 100


@dataclass(frozen=True)
class TrainingSets:
    """Corpora of which `train` shares no document with the others, and no row is in two.

    `train` trains; `tuning` tunes temperature and thresholds; `proof` does neither, and an exported model is held against
    its checkpoint there. `told` are lines for the user.
    """

    train: Corpus
    tuning: Corpus
    proof: Corpus
    told: tuple[str, ...]

    @classmethod
    def read(cls, recipe: Recipe, codebook: Codebook, texts: Path | None = None) -> TrainingSets:
        """Read a recipe's corpora and hold out validation documents.

        Validation is drawn from rows with `sampling: random`, where rows say how they were sampled: rows picked on purpose
        would bend thresholds and calibration. The other rows of the drawn documents cannot train either; they are the
        proof.

        Args:
            recipe: The recipe.
            codebook: Its codebook.
            texts: A file or folder of texts for reference labels.

        Raises:
            DataError: Rows are at fault, or too few to hold some out.
        """
        corpus, told = read_sources(recipe.sources("train"), codebook, texts)
        told += corpus.notes
        if sources := recipe.sources("validation"):
            held_out, told_too = read_sources(sources, codebook, texts)
            told += told_too
            corpus.fingerprint().check(held_out, held_out.name)
            train = corpus
        else:
            train, held_out = corpus.split(recipe.validation_share, seed=recipe.seed)
            # A formula that opens many speeches must not be in both sets.
            known = {s.sha256 for s in held_out}
            repeated = sum(s.sha256 in known for s in train)
            if repeated:
                train = train.where(lambda s: s.sha256 not in known)
                told.append(f"{repeated} training rows left out: their texts are validation rows too")
        tuning, proof = (
            held_out.where(lambda s: s.sampling == "random"),
            held_out.where(lambda s: s.sampling != "random"),
        )
        if len(tuning) == 0 or len(proof) < MIN_PROOF:
            random_rows = held_out.where(lambda s: s.sampling in ("random", None))
            if unused := len(held_out) - len(random_rows):
                told.append(
                    f"{unused} rows of validation documents are not used: they were not sampled at random, and are too few to "
                    "prove an export"
                )
            tuning, proof = random_rows.split(0.5, seed=recipe.seed)
        if not (len(train) and len(tuning) and len(proof)):
            raise DataError(
                f"{', '.join(corpus.files) or 'no corpus'}: {len(corpus)} labelled rows in {len(corpus.documents)} documents are "
                "too few to hold out validation documents; give more documents, or a validation corpus"
            )
        told.append(
            f"{len(train)} rows train, {len(tuning)} tune temperature and thresholds, {len(proof)} prove the export; "
            "none of the latter is from a training document"
        )
        return cls(train, tuning, proof, tuple(told))

    @property
    def ids(self) -> dict[str, list[str]]:
        """Ids of the held-out rows."""
        return {"tuning": [s.id for s in self.tuning], "proof": [s.id for s in self.proof]}

    @property
    def texts(self) -> list[str]:
        """Texts of all rows, held-out ones too."""
        return [s.text for part in (self.train, self.tuning, self.proof) for s in part]

    def describe(self, codebook: Codebook) -> TrainingData:
        """Count what trains, and hash all rows that evaluation data may not share: held-out ones too."""
        everything = (self.train + self.tuning + self.proof).fingerprint()
        labels = Counter(label for s in self.train for label in s.labels or ())
        return TrainingData(
            statements=len(self.train),
            documents=len(self.train.documents),
            by_language=dict(sorted(Counter(s.language for s in self.train).items())),
            by_source=dict(sorted(Counter(s.source or "unknown" for s in self.train).items())),
            by_label={name: labels[name] for name in codebook.names} | {"none": sum(not s.labels for s in self.train)},
            files={"/".join(Path(name).parts[-2:]): digest for name, digest in self.train.files.items()},
            document_hashes=tuple(sorted(everything.documents)),
            text_hashes=tuple(sorted(everything.texts)),
        )
