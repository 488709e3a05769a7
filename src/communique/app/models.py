"""The models that a page offers, and the one that is loaded."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import load
from ..data.acts import Act
from ..data.codebook import Codebook
from ..data.sentence import Sentence
from ..errors import CommuniqueError, NotFoundError
from ..models.classifier import Classifier, predict_fully
from ..models.folder import read_codebook, read_info
from ..models.info import ModelInfo
from ..models.predictor import model_folder
from ..project import Project

#: Name of the model that is part of the program.
SHIPPED = "shipped"

#: Number of texts whose holders and targets are kept.
_KEPT = 20_000


@dataclass(frozen=True)
class ModelChoice:
    """A model that a page offers.

    Attributes:
        name: Its name in addresses and forms: the name of its folder in the project, or `SHIPPED`.
        folder: Its folder.
        info: Its description.
    """

    name: str
    folder: Path
    info: ModelInfo

    @property
    def title(self) -> str:
        """The name that people see."""
        return f"{self.info.name} {self.info.version}" + (", shipped" if self.name == SHIPPED else "")


class Models:
    """The models of a project and the shipped one. The model that was used last stays loaded.

    Args:
        project: The project.
        shipped: Folder of the model that is offered in addition. Default: the shipped model.
    """

    def __init__(self, project: Project, shipped: Path | None = None) -> None:
        self._project, self._shipped = project, shipped
        self._lock = threading.Lock()
        self._loaded: tuple[tuple[Path, str], Classifier] | None = None
        self._acts: OrderedDict[tuple[str, str], dict[str, Act]] = OrderedDict()

    def choices(self) -> list[ModelChoice]:
        """Return the models of the project, from the newest to the oldest, and the shipped one."""
        own = [ModelChoice(path.name, path, info) for path, info in reversed(self._project.models().infos.items())]
        try:
            folder = model_folder(self._shipped)
            return [*own, ModelChoice(SHIPPED, folder, read_info(folder))]
        except CommuniqueError:
            return own  # an installation without the shipped model

    def problems(self) -> tuple[str, ...]:
        """Return why other models of the project cannot be used, one line per model."""
        return self._project.models().problems

    def get(self, name: str) -> ModelChoice:
        """Return a model.

        Raises:
            NotFoundError: There is no such model.
        """
        choices = self.choices()
        found = next((one for one in choices if one.name == name), None)
        if found is None:
            allowed = ", ".join(one.name for one in choices) or "none"
            raise NotFoundError(f"There is no model {name!r} in this project. Models: {allowed}")
        return found

    def default(self) -> ModelChoice | None:
        """Return the newest model for the codebook in use, otherwise the shipped model, or None."""
        choices, current = self.choices(), self._project.codebook.sha256
        fitting = [one for one in choices if one.info.codebook_sha256 == current]
        return next(iter(fitting), choices[-1] if choices else None)

    def codebook(self, choice: ModelChoice) -> Codebook:
        """Return the codebook of a model."""
        return read_codebook(choice.folder, choice.info)

    def open(self, choice: ModelChoice) -> Classifier:
        """Load a model. Only one is in memory at a time, because a network needs hundreds of megabytes."""
        key = choice.folder.resolve(), choice.info.sha256
        with self._lock:
            if self._loaded is None or self._loaded[0] != key:
                self._loaded = None
                self._loaded = key, load.load_model(choice.folder, info=choice.info)
            return self._loaded[1]

    def acts(self, choice: ModelChoice, texts: Sequence[str]) -> list[dict[str, Act]]:
        """Return the kind, the holder and the target of every label in each text, whether or not the label applies.

        The dicts are empty if the model does not predict them.
        """
        if choice.info.acts is None:
            return [{} for _ in texts]
        sha256 = choice.info.sha256
        missing = [text for text in dict.fromkeys(texts) if (sha256, text) not in self._acts]
        found: dict[str, dict[str, Act]] = {}
        if missing:
            sentences = [Sentence(str(i), text, str(i), 0) for i, text in enumerate(missing)]
            outputs = predict_fully(self.open(choice), sentences)
            if outputs.acts is not None:
                every = outputs.decisions | True
                found = dict(zip(missing, outputs.acts.given(every), strict=True))
        with self._lock:
            self._acts.update({(sha256, text): acts for text, acts in found.items()})
            result = [self._acts.get((sha256, text), {}) for text in texts]
            while len(self._acts) > _KEPT:
                self._acts.popitem(last=False)
        return result
