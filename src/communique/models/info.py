"""Define the content of a model folder: the fields of `bundle.json` and the names of the files."""

from __future__ import annotations

import hashlib
import json
import math
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
from .distillation import Distillation
from .limits import DomainInfo, Limits, UsualLength

#: Name of the shipped model.
DEFAULT_MODEL = "communique-small"

#: Version of the folder layout and of `bundle.json`. Folders with another version are refused.
FORMAT = 2
INFO, CODEBOOK, CARD, VALIDATION = "bundle.json", "codebook.yaml", "README.md", "validation.json"
IR, WEIGHTS, TOKENIZER = "model.xml", "model.bin", "tokenizer.json"
BASELINE, ARRAYS = "baseline.json", "baseline.npz"
ACT_HEADS, DOMAIN, OUT_OF_FOLD = "acts.safetensors", "domain.npz", "out_of_fold.json"

#: Names of the auxiliary outputs of a bundle's network, and of its sentence vectors.
KINDS_OUTPUT, ACTS_OUTPUT, VECTOR_OUTPUT = "kinds", "acts", "vector"
NEAR_DUPLICATES = "near_duplicates.npz"

#: Limits on a shipped bundle, so that common hosts of Git repositories accept it.
MAX_BUNDLE_BYTES, MAX_FILE_BYTES = 100_000_000, 95_000_000

#: Maximum input length of a model, in tokens. Attention over more tokens needs more memory than a computer has.
MAX_TOKENS = 100_000

#: Minimum for the input length of a network, in tokens: one token between a marker at each end.
MIN_TOKENS = 3

Probability = Annotated[float, Field(ge=0, le=1)]
FileHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Model(BaseModel):
    # NaN and infinity are refused: with a threshold of NaN, a label would silently never be predicted.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Score(_Model):
    """A measured score with its 95 % interval, sample size and origin. Values that are not defined are None."""

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
        """Return the record of a macro-F1.

        Args:
            macro_f1: The score; NaN becomes None.
            n: Number of sentences.
            documents: Number of documents.
            data: Description of the scored rows. If there is no interval, the reason is added.
            command: Command that measured the score.
        """
        value, low, high = map(without_nan, (macro_f1.value, macro_f1.low, macro_f1.high))
        data = f"{data}; {macro_f1.reason}" if macro_f1.reason else data
        return cls(
            metric="macro_f1", value=value, low=low, high=high, n=n, documents=documents, data=data, command=command
        )


class TrainingData(_Model):
    """Description of the training data: counts, and hashes with which evaluation data are compared."""

    sentences: int
    documents: int
    by_language: dict[str, int]
    by_source: dict[str, int]
    by_label: dict[str, int]
    files: dict[str, str] = Field(description="SHA-256 of each file of training data")
    document_hashes: tuple[str, ...]
    text_hashes: tuple[str, ...]

    @classmethod
    def from_corpora(cls, train: Corpus, others: Corpus, codebook: Codebook) -> TrainingData:
        """Count the training rows, and hash them and the other rows that evaluation data must not contain."""
        everything = (train + others).fingerprint()
        labels = Counter(label for s in train for label in s.labels or ())
        return cls(
            sentences=len(train),
            documents=len(train.documents),
            by_language=dict(sorted(Counter(s.language for s in train).items())),
            by_source=dict(sorted(Counter(s.source or "unknown" for s in train).items())),
            by_label={name: labels[name] for name in codebook.names} | {"none": sum(not s.labels for s in train)},
            files={short_path(name): digest for name, digest in train.files.items()},
            document_hashes=tuple(sorted(everything.documents)),
            text_hashes=tuple(sorted(everything.texts)),
        )

    @property
    def fingerprint(self) -> Fingerprint:
        """The hashes of all documents and texts that trained or tuned the model."""
        return Fingerprint(frozenset(self.document_hashes), frozenset(self.text_hashes))


class ParityRow(_Model):
    """Comparison of an export with its checkpoint for one label in one group of sentences.

    `agreement` is the F1 of the export's decisions, with the checkpoint's decisions as the reference. It is None if neither
    predicts the label.
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
        """The change in F1 on the gold labels, from the checkpoint to the export."""
        return None if self.f1_checkpoint is None or self.f1_export is None else self.f1_export - self.f1_checkpoint


class ActsParityRow(_Model):
    """Comparison of an auxiliary output of an export with its checkpoint, on rows that have the label in gold.

    `output` is `kind`, `holder` or `target`. Scores are accuracies for kinds, and overlaps of characters for holder and target (see
    `metrics.spans`), compared with gold where it was annotated. `agreement` is the same score of the export compared with the
    checkpoint, and `n` the number of rows for it.
    """

    output: Literal["kind", "holder", "target"]
    label: str
    n: int
    score_checkpoint: float | None
    score_export: float | None
    agreement: float | None


class NewTextsRow(_Model):
    """Comparison of an export with its checkpoint for one label on sentences without gold.

    `checkpoint`, `export` and `both` are the numbers of sentences for which they predict the label. `agreement` is as in
    `ParityRow`.
    """

    label: str
    checkpoint: int
    export: int
    both: int
    agreement: float | None

    @property
    def differs(self) -> bool:
        """Whether one of them predicts the label clearly more often: by a tenth, and by more than chance would explain."""
        low, high = sorted((self.checkpoint, self.export))
        # If the sentences with different decisions were split by chance, the difference would be below this limit 95 times of 100.
        return high - low > max(0.1 * high, 2 * math.sqrt(low + high - 2 * self.both))


class NewTextsParity(_Model):
    """The part of a parity check on `n` sentences without gold that did not train the model."""

    n: int
    rows: tuple[NewTextsRow, ...]


class ParityReport(_Model):
    """Parity check of an export: a comparison with its checkpoint, with one row per group and label.

    `new_texts` is the comparison on texts that the user named; None if none were named.
    """

    n: int
    documents: int
    data: str
    macro_f1_checkpoint: float
    macro_f1_export: float
    rows: tuple[ParityRow, ...]
    acts: tuple[ActsParityRow, ...] = ()
    # Not written if it is None, so that older versions can read the folder.
    new_texts: NewTextsParity | None = Field(None, exclude_if=lambda value: value is None)


class ActsInfo(_Model):
    """Description of the auxiliary outputs of a network: kinds of labels, and tags of tokens for holder and target.

    The output `kinds` has one logit per kind of each label, in the order of `kinds`. The output `acts` has the logits of three tags
    for each token, label and role (see `models.acts`). `width` is the size of the vectors that the two heads read.
    """

    kinds: dict[str, tuple[str, ...]] = Field(description="kinds by label, for labels that have kinds")
    roles: tuple[Literal["holder"], Literal["target"]] = ("holder", "target")
    tags: tuple[Literal["outside"], Literal["begin"], Literal["inside"]] = ("outside", "begin", "inside")
    width: int = Field(ge=1)

    @classmethod
    def of(cls, codebook: Codebook, width: int) -> ActsInfo:
        """Return the description for a codebook and an encoder whose vectors have `width` elements."""
        kinds = {label.name: tuple(kind.name for kind in label.kinds) for label in codebook.labels if label.kinds}
        return cls(kinds=kinds, width=width)

    @property
    def columns(self) -> dict[str, slice]:
        """The columns of the output `kinds` by label."""
        found, start = {}, 0
        for label, names in self.kinds.items():
            found[label] = slice(start, start + len(names))
            start += len(names)
        return found

    @property
    def n_kinds(self) -> int:
        """The number of columns of the output `kinds`."""
        return sum(map(len, self.kinds.values()))

    def n_tags(self, labels: int) -> int:
        """Return the number of columns of the output `acts` for a number of labels."""
        return labels * len(self.roles) * len(self.tags)


class ModelInfo(_Model):
    """The content of `bundle.json`."""

    format: int = FORMAT
    kind: Literal["checkpoint", "bundle", "baseline"]
    name: str
    version: str
    description: str
    notes: str = Field("", description="Markdown text for the card")
    license: str
    labels: tuple[str, ...] = Field(max_length=MAX_LABELS)
    task: Literal["multilabel", "multiclass"]
    codebook_name: str
    codebook_version: str
    codebook_sha256: str
    thresholds: tuple[Probability, ...] | None = Field(description="one per label; None if exactly one label applies")
    temperature: float = Field(
        ge=0.001,
        le=1000,
        description="divisor of the logits; 1 if it is part of the weights (see `has_calibrated_weights`)",
    )
    bias: tuple[float, ...] | None = Field(
        None,
        description="one per label, added to the divided logits; None if all are 0 or part of the weights",
    )
    max_tokens: int = Field(ge=0, le=MAX_TOKENS, description="longest input in tokens; 0 if texts are never truncated")
    recipe: dict[str, Any] = Field(description="training settings; in a checkpoint with absolute paths, for the export")
    texts: str | None = Field(None, description="in a checkpoint: path to the texts of stand-off labels")
    training: TrainingData
    training_seconds: float
    precision: str
    classifier: str = Field("transformer", description="kind of classifier: transformer, frozen-encoder, or a baseline")
    tuned_on: int = Field(description="number of sentences that tuned temperature and thresholds")
    tuned_by: Literal["validation", "out-of-fold"] = Field(
        "validation",
        description="predictions that tuned them: `validation` for held-out rows; `out-of-fold` for training rows, each predicted "
        "by a model of the cross-validation that was not trained on its document",
    )
    scores: tuple[Score, ...] = ()
    warnings: tuple[str, ...] = Field(
        (), description="reasons why the model is not fit for use, for example that it predicts one label only"
    )
    parity: ParityReport | None = None
    distillation: Distillation | None = Field(
        None, description="teachers and unlabelled texts; None if the model learned only from labels"
    )
    acts: ActsInfo | None = Field(None, description="auxiliary outputs; None if the network predicts only labels")
    limits: Limits | None = Field(
        None,
        description="usual lengths, distances from training sentences, and losses outside of them; None if not known",
    )
    versions: dict[str, str]
    commit: str | None
    created: str
    files: dict[str, FileHash] = Field(
        {}, description="SHA-256 of each file in the folder except this one and the card"
    )

    @field_validator("files")
    @classmethod
    def _inside(cls, files: dict[str, str]) -> dict[str, str]:
        for name in files:
            if not name or name in (".", "..") or any(character in name for character in "/\\\0:"):
                raise ValueError(f"{name!r} is not the name of a file in the model folder")
        return files

    @model_validator(mode="after")
    def _consistent(self) -> ModelInfo:
        if len(set(self.labels)) != len(self.labels) or len(self.labels) < 2:
            raise ValueError("labels: at least two different names are needed")
        if (self.thresholds is None) == self.multilabel:
            raise ValueError(
                "thresholds: a multilabel model needs one per label, and a multiclass model must have none"
            )
        for name, values in (("thresholds", self.thresholds), ("bias", self.bias)):
            if values is not None and len(values) != len(self.labels):
                raise ValueError(
                    f"{name}: there are {len(values)} numbers for {len(self.labels)} labels. Write one per label"
                )
        if self.kind != "baseline" and self.max_tokens < MIN_TOKENS:
            raise ValueError(
                f"max_tokens: {self.max_tokens} is not allowed. Write a whole number of at least {MIN_TOKENS}"
            )
        return self

    @classmethod
    def create(cls, codebook: Codebook, *, packages: Sequence[str], **fields: Any) -> ModelInfo:
        """Build the description of a new model.

        Args:
            codebook: The codebook of the model.
            packages: Packages whose versions are recorded, in addition to the version of Python.
            fields: The remaining fields.
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
        """SHA-256 of the content. It identifies the whole folder, because the content includes the hashes of all other files."""
        content = json.dumps(self.model_dump(mode="json"), ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def multilabel(self) -> bool:
        """Whether a sentence can have several labels."""
        return self.task == "multilabel"

    @property
    def has_probabilities(self) -> bool:
        """Whether the model computes probabilities. A chat model only decides."""
        return self.classifier != "chat"

    @property
    def held_out(self) -> bool:
        """Whether rows of other documents were held out. Otherwise, all rows trained the model, also those of the parity check."""
        return self.tuned_by == "validation"

    @property
    def has_calibrated_weights(self) -> bool:
        """Whether temperature and biases are part of the weights. An export is tuned again only if rows were held out."""
        return self.kind == "checkpoint" or (self.kind == "bundle" and not self.held_out)

    @property
    def domain(self) -> DomainInfo | None:
        """The description of the out-of-domain scores, or None if the model computes none."""
        return None if self.limits is None else self.limits.domain

    @property
    def usual_length(self) -> UsualLength | None:
        """The usual lengths of sentences, or None if they are not known."""
        return None if self.limits is None else self.limits.length


def short_path(path: str) -> str:
    """Return the name of a file and its folder, because other folders of this machine mean nothing on another one."""
    return "/".join(Path(path).parts[-2:])


def package_versions(*packages: str) -> dict[str, str]:
    """Return the installed version of each package."""
    return {package: metadata.version(package) for package in packages}


def git_commit() -> str | None:
    """Return the commit of communique's source code, with `+changes` if files were modified; None outside a clone."""
    # The working folder may belong to another repository, whose commit must not be recorded.
    source = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(source), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        if not git("ls-files", Path(__file__).name):
            return None  # communique is installed inside another repository.
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def score_tuning_rows(
    sentences: Sequence[Sentence], decisions: NDArray[np.bool_], codebook: Codebook, *, seed: int, command: str
) -> Score:
    """Compute the macro-F1 on the validation rows that tuned the model.

    Args:
        sentences: The n validation rows.
        decisions: The predicted labels (n, k).
        codebook: The codebook.
        seed: Seed of the bootstrap.
        command: Command that measured the score.
    """
    data = "validation rows, which tuned temperature, biases and thresholds"
    overall = Report.compare(sentences, decisions, codebook, data=data, seed=seed).overall
    return Score.of(overall.macro_f1, n=overall.n, documents=overall.documents, data=data, command=command)
