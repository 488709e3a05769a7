"""The sets of a recipe: rows that train, and rows of other documents that tune a model or check an export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.standoff import read_sources
from ..errors import DataError
from .recipe import Recipe

#: Below so many rows left over for the parity check of an export, half of the held-out documents go to it.
MIN_PARITY_ROWS = 100


@dataclass(frozen=True)
class DataSplits:
    """Corpora of which `train` shares no document with the others, and no row is in two.

    `train` trains; `validation` tunes temperature and thresholds; `parity` does neither, and an exported model is held against
    its checkpoint there. `messages` are lines for the user.
    """

    train: Corpus
    validation: Corpus
    parity: Corpus
    messages: tuple[str, ...]

    @classmethod
    def read(cls, recipe: Recipe, codebook: Codebook, texts: Path | None = None) -> DataSplits:
        """Read a recipe's corpora and hold out validation documents.

        Validation is drawn from rows with `sampling: random`, where rows say how they were sampled: rows picked on purpose
        would bend thresholds and calibration. The other rows of the drawn documents cannot train either; they are the
        parity rows.

        Args:
            recipe: The recipe.
            codebook: Its codebook.
            texts: A file or folder of texts for stand-off labels.

        Raises:
            DataError: Rows are at fault, or too few to hold some out.
        """
        corpus, messages = read_sources(recipe.sources("train"), codebook, texts)
        messages += corpus.notes
        if sources := recipe.sources("validation"):
            held_out, more = read_sources(sources, codebook, texts)
            messages += more
            corpus.fingerprint().check(held_out, held_out.name)
            train = corpus
        else:
            train, held_out = corpus.split(recipe.validation_share, seed=recipe.seed)
            # A formula that opens many speeches must not be in both sets.
            known = {s.sha256 for s in held_out}
            repeated = sum(s.sha256 in known for s in train)
            if repeated:
                train = train.where(lambda s: s.sha256 not in known)
                messages.append(f"{repeated} training rows left out: their texts are validation rows too")
        validation, parity = (
            held_out.where(lambda s: s.sampling == "random"),
            held_out.where(lambda s: s.sampling != "random"),
        )
        if len(validation) == 0 or len(parity) < MIN_PARITY_ROWS:
            random_rows = held_out.where(lambda s: s.sampling in ("random", None))
            if unused := len(held_out) - len(random_rows):
                messages.append(
                    f"{unused} rows of validation documents are not used: they were not sampled at random, and are too few to "
                    "check an export"
                )
            validation, parity = random_rows.split(0.5, seed=recipe.seed)
        if not (len(train) and len(validation) and len(parity)):
            raise DataError(
                f"{', '.join(corpus.files) or 'no corpus'}: {len(corpus)} labelled rows in {len(corpus.documents)} documents are "
                "too few to hold out validation documents; give more documents, or a validation corpus"
            )
        messages.append(
            f"{len(train)} rows train, {len(validation)} tune temperature and thresholds, {len(parity)} check the export; "
            "none of the latter is from a training document"
        )
        return cls(train, validation, parity, tuple(messages))

    @property
    def ids(self) -> dict[str, list[str]]:
        """Ids of the held-out rows."""
        return {"validation": [s.id for s in self.validation], "parity": [s.id for s in self.parity]}

    @property
    def texts(self) -> list[str]:
        """Texts of all rows, held-out ones too."""
        return [s.text for part in (self.train, self.validation, self.parity) for s in part]
