"""The coded sentences that are most similar to a sentence, as an explanation of its labels."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import NamedTuple

from ..data.sentence import Sentence, text_sha256
from ..io.vectors import VectorCache
from ..models.nearest import ClassifierWithVectors, nearest
from ..project import Project
from .models import ModelChoice, Models
from .store import APP_FOLDER

#: Folder of the vectors inside `APP_FOLDER`.
VECTORS = "vectors"

#: Number of examples that are shown, and of sentences whose vectors one request computes, so that it takes seconds at most.
SHOWN, STEP = 5, 200


class Example(NamedTuple):
    """A coded sentence, and its cosine similarity."""

    sentence: Sentence
    similarity: float


@dataclass(frozen=True)
class Examples:
    """The most similar coded sentences.

    Attributes:
        found: The sentences, from the most similar one on.
        compared: Number of coded sentences that were compared so far.
        total: Number of coded sentences.
        reason: Why there are no examples, or nothing.
    """

    found: tuple[Example, ...] = ()
    compared: int = 0
    total: int = 0
    reason: str = ""


class Finder:
    """Find coded sentences of a project that are similar to a sentence.

    Vectors are computed once per model and text, and kept in the folder of the app.

    Args:
        project: The project.
        models: Its models.
    """

    def __init__(self, project: Project, models: Models) -> None:
        self._project, self._models = project, models
        self._lock = threading.Lock()
        self._cache: tuple[str, VectorCache] | None = None

    def find(self, choice: ModelChoice | None, text: str) -> Examples:
        """Return the coded sentences that a model finds most similar to a text. The text itself is left out.

        If many vectors are missing, only some of them are computed; ask again until all sentences are compared.

        Args:
            choice: The model, or None if it is not known.
            text: The text.
        """
        if choice is None:
            return Examples(reason="The model that labelled this text is not in the project any more.")
        if (domain := choice.info.domain) is None:
            return Examples(
                reason="This model has no sentence vectors. Models that are trained and exported now have them."
            )
        with self._lock:
            own = text_sha256(text)
            coded = [one for one in self._project.coded().rows.corpus if one.sha256 != own]
            if not coded:
                return Examples(reason="No other sentence of this project is coded yet.")
            model = self._models.open(choice)
            if not isinstance(model, ClassifierWithVectors):
                return Examples(reason="Only bundles compute sentence vectors. Export this model to a bundle.")
            cache = self._vectors(choice, domain.width)
            missing = cache.missing(one.text for one in coded)
            if missing:
                cache.add(missing[:STEP], model.predict_vectors(missing[:STEP], domain.width))
            unknown = set(missing[STEP:])
            known = [one for one in coded if one.text not in unknown]
            [vector] = model.predict_vectors([text], domain.width)
            rows = nearest(vector, cache.get([one.text for one in known]), SHOWN)
        found = tuple(Example(known[row], similarity) for row, similarity in rows)
        return Examples(found, len(known), len(coded))

    def _vectors(self, choice: ModelChoice, width: int) -> VectorCache:
        if self._cache is None or self._cache[0] != choice.info.sha256:
            folder = self._project.folder / APP_FOLDER / VECTORS
            self._cache = choice.info.sha256, VectorCache(folder / choice.info.sha256[:16], width)
        return self._cache[1]
