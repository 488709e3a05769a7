"""Describe the content of a model folder: `bundle.json` and the names of the files."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from ..data.codebook import MAX_LABELS, Codebook
from ..data.corpus import Corpus
from ..data.leakage import Fingerprint
from ..data.sentence import Sentence
from ..metrics.report import Report, ScoreCI
from ..reporting.format import without_nan

#: Version of the layout and of `bundle.json`. A folder with another number is refused.
FORMAT = 2
INFO, CODEBOOK, CARD, VALIDATION = "bundle.json", "codebook.yaml", "README.md", "validation.json"
IR, WEIGHTS, TOKENIZER = "model.xml", "model.bin", "tokenizer.json"
BASELINE, ARRAYS = "baseline.json", "baseline.npz"
NEAR_DUPLICATES = "near_duplicates.npz"

#: Limits on a shipped bundle, so that common hosts of git repositories take it.
MAX_BUNDLE_BYTES, MAX_FILE_BYTES = 96_000_000, 95_000_000


#: Longest input that a model may have; attention over more tokens needs more memory than a computer has.
MAX_TOKENS = 100_000

#: Shortest input that a network may have: a marker at each end and a token between them.
MIN_TOKENS = 3

Probability = Annotated[float, Field(ge=0, le=1)]
FileHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Model(BaseModel):
    # Neither NaN nor infinity: a threshold of NaN would silently withhold a label from every sentence.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Score(_Model):
    """A measured number with its 95 % interval, its n and where it comes from; None where one is not defined."""

    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    documents: int
    data: str
    command: str

    @classmethod
    def of(cls, macro_f1: ScoreCI, *, n: int, documents: int, data: str, command: str) -> Score:
        """Return a macro-F1 as it is kept.

        Args:
            macro_f1: The score; NaN becomes None.
            n: Number of sentences.
            documents: Number of documents.
            data: What was scored.
            command: What measured it.
        """
        value, low, high = map(without_nan, (macro_f1.value, macro_f1.low, macro_f1.high))
        return cls(
            metric="macro_f1", value=value, low=low, high=high, n=n, documents=documents, data=data, command=command
        )


class TrainingData(_Model):
    """What a model was trained on: counts, and hashes against which evaluation data are held."""

    sentences: int
    documents: int
    by_language: dict[str, int]
    by_source: dict[str, int]
    by_label: dict[str, int]
    files: dict[str, str] = Field(description="SHA-256 of each file")
    document_hashes: tuple[str, ...]
    text_hashes: tuple[str, ...]

    @classmethod
    def from_corpora(cls, train: Corpus, held_out: Corpus, codebook: Codebook) -> TrainingData:
        """Count what trains, and hash all rows that evaluation data may not share, including held-out ones."""
        everything = (train + held_out).fingerprint()
        labels = Counter(label for s in train for label in s.labels or ())
        return cls(
            sentences=len(train),
            documents=len(train.documents),
            by_language=dict(sorted(Counter(s.language for s in train).items())),
            by_source=dict(sorted(Counter(s.source or "unknown" for s in train).items())),
            by_label={name: labels[name] for name in codebook.names} | {"none": sum(not s.labels for s in train)},
            files={"/".join(Path(name).parts[-2:]): digest for name, digest in train.files.items()},
            document_hashes=tuple(sorted(everything.documents)),
            text_hashes=tuple(sorted(everything.texts)),
        )

    @property
    def fingerprint(self) -> Fingerprint:
        """Hashes of all documents and texts that trained or tuned the model."""
        return Fingerprint(frozenset(self.document_hashes), frozenset(self.text_hashes))


class ParityRow(_Model):
    """Decisions of export and checkpoint compared for a label within a group of sentences.

    `agreement` is the F1 of the export's decisions against the checkpoint's, None where neither decides for the label.
    """

    group: str
    label: str
    n: int
    gold: int
    f1_checkpoint: float | None
    f1_export: float | None
    agreement: float | None
    mean_difference: float

    @property
    def change(self) -> float | None:
        """How much F1 against gold changed."""
        return None if self.f1_checkpoint is None or self.f1_export is None else self.f1_export - self.f1_checkpoint


class ParityReport(_Model):
    """An exported model held against its checkpoint on rows that tuned nothing; one row a group and label."""

    n: int
    documents: int
    data: str
    macro_f1_checkpoint: float
    macro_f1_export: float
    rows: tuple[ParityRow, ...]


class ModelInfo(_Model):
    """The content of `bundle.json`."""

    format: int = FORMAT
    kind: Literal["checkpoint", "bundle", "baseline"]
    name: str
    version: str
    description: str
    license: str
    labels: tuple[str, ...] = Field(max_length=MAX_LABELS)
    task: Literal["multilabel", "multiclass"]
    codebook_name: str
    codebook_version: str
    codebook_sha256: str
    thresholds: tuple[Probability, ...] | None = Field(description="one per label; None if exactly one label is chosen")
    temperature: float = Field(
        ge=0.001, le=1000, description="divides the logits; 1 in a checkpoint, whose weights contain it"
    )
    bias: tuple[float, ...] | None = Field(
        None,
        description="one per label, added to the divided logits; None if it is 0 or, in a checkpoint, part of the weights",
    )
    max_tokens: int = Field(ge=0, le=MAX_TOKENS, description="longest input; 0 where nothing is cut")
    recipe: dict[str, Any] = Field(description="settings; in a checkpoint with whole paths, for the export")
    texts: str | None = Field(None, description="in a checkpoint: where the texts of stand-off labels were")
    training: TrainingData
    training_seconds: float
    precision: str
    classifier: str = Field("transformer", description="what was trained: transformer, frozen-encoder, or a baseline")
    tuned_on: int = Field(description="number of sentences that tuned temperature and thresholds")
    tuned_by: Literal["validation", "out-of-fold"] = Field(
        "validation",
        description="predictions that tuned them: of rows held out of training, or of the rows that train, each by a model of "
        "the cross-validation that has not seen its document",
    )
    scores: tuple[Score, ...] = ()
    warnings: tuple[str, ...] = Field(
        (), description="why the model is not fit for use, such as that it predicts one label"
    )
    parity: ParityReport | None = None
    versions: dict[str, str]
    commit: str | None
    created: str
    files: dict[str, FileHash] = Field({}, description="SHA-256 of each other file of the folder but the card")

    @field_validator("files")
    @classmethod
    def _inside(cls, files: dict[str, str]) -> dict[str, str]:
        for name in files:
            if not name or name in (".", "..") or any(character in name for character in "/\\\0:"):
                raise ValueError(f"{name!r} is not the name of a file in the model's folder")
        return files

    @model_validator(mode="after")
    def _consistent(self) -> ModelInfo:
        if len(set(self.labels)) != len(self.labels) or len(self.labels) < 2:
            raise ValueError("labels: two or more different names are needed")
        if (self.thresholds is None) == self.multilabel:
            raise ValueError("thresholds: a multilabel model has one per label, and a multiclass model has none")
        for name, values in (("thresholds", self.thresholds), ("bias", self.bias)):
            if values is not None and len(values) != len(self.labels):
                raise ValueError(f"{name}: {len(values)} numbers for {len(self.labels)} labels. Write one per label")
        if self.kind != "baseline" and self.max_tokens < MIN_TOKENS:
            raise ValueError(
                f"max_tokens: {self.max_tokens} is not allowed. Write a whole number of at least {MIN_TOKENS}"
            )
        return self

    @classmethod
    def create(cls, codebook: Codebook, *, packages: Sequence[str], **fields: Any) -> ModelInfo:
        """Describe a new model.

        Args:
            codebook: Its codebook.
            packages: Packages whose versions are recorded, next to Python's.
            fields: The other fields.
        """
        return cls(
            labels=codebook.names,
            task=codebook.task,
            codebook_name=codebook.name,
            codebook_version=codebook.version,
            codebook_sha256=codebook.sha256,
            versions={"python": platform.python_version(), **package_versions(*packages)},
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            **fields,
        )

    @property
    def sha256(self) -> str:
        """Hash of the content, and through the hashes in it of all files of the folder."""
        content = json.dumps(self.model_dump(mode="json"), ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def multilabel(self) -> bool:
        """Whether a sentence can carry several labels."""
        return self.task == "multilabel"


def package_versions(*packages: str) -> dict[str, str]:
    """List installed versions of packages."""
    return {package: metadata.version(package) for package in packages}


def git_commit() -> str | None:
    """Return the commit of communique's own source, marked `+changes` where files differ from it; None outside a clone."""
    # Not the working folder: a model trained from another repository must not record that repository's commit.
    source = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(source), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        if not git("ls-files", Path(__file__).name):
            return None  # installed inside somebody else's repository
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def score_tuning_rows(
    sentences: Sequence[Sentence], decisions: NDArray[np.bool_], codebook: Codebook, *, seed: int, command: str
) -> Score:
    """Return the macro-F1 of decisions (n, k) on the validation rows that tuned the model.

    Args:
        sentences: The n validation rows.
        decisions: (n, k).
        codebook: The codebook.
        seed: Seed of the bootstrap.
        command: What measured it.
    """
    data = "validation rows, which tuned temperature, biases and thresholds"
    overall = Report.compare(sentences, decisions, codebook, data=data, seed=seed).overall
    return Score.of(overall.macro_f1, n=overall.n, documents=overall.documents, data=data, command=command)
