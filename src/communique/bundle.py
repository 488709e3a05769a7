"""The layout of a model's folder: the checkpoint that training leaves and the bundle that ships.

::

    checkpoint/                         bundle/
      config.json, model.safetensors      model.xml, model.bin      OpenVINO IR
      tokenizer.json, ...                 tokenizer.json
      codebook.yaml                       codebook.yaml
      validation.json                     validation.json           ids of the rows that tuned and proved it
      bundle.json                         bundle.json               `ModelInfo`
      README.md                           README.md                 the card, made from bundle.json alone

A baseline's folder holds `baseline.json` (settings, words) and `baseline.npz` (arrays) in place of a model.

`near_duplicates.npz` holds signatures of the training texts, see `near_duplicates`; folders made without have none.

Nothing in any of these folders is executed. This module alone knows the names.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from . import near_duplicates
from .codebook import Codebook
from .corpus import Fingerprint
from .errors import BundleError, CodebookError
from .markdown import table
from .report import Report
from .validation import describe

#: Version of the layout and of `bundle.json`. A folder with a greater number is refused.
FORMAT = 1

INFO, CODEBOOK, CARD, VALIDATION = "bundle.json", "codebook.yaml", "README.md", "validation.json"
IR, WEIGHTS, TOKENIZER = "model.xml", "model.bin", "tokenizer.json"
BASELINE, ARRAYS = "baseline.json", "baseline.npz"
NEAR_DUPLICATES = "near_duplicates.npz"

#: Limits on a shipped bundle, so that common hosts of git repositories take it.
MAX_BUNDLE_BYTES, MAX_FILE_BYTES = 96_000_000, 95_000_000


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


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


class TrainingData(_Model):
    """What a model was trained on: counts, and hashes against which evaluation data are held."""

    statements: int
    documents: int
    by_language: dict[str, int]
    by_source: dict[str, int]
    by_label: dict[str, int]
    files: dict[str, str] = Field(description="SHA-256 of each file")
    document_hashes: tuple[str, ...]
    text_hashes: tuple[str, ...]

    @property
    def fingerprint(self) -> Fingerprint:
        """Hashes of all documents and texts that trained or tuned the model."""
        return Fingerprint(frozenset(self.document_hashes), frozenset(self.text_hashes))


class ProofRow(_Model):
    """Decisions of export and checkpoint compared for a label within a group of statements.

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


class Proof(_Model):
    """An exported model held against its checkpoint on rows that tuned nothing; one row a group and label."""

    n: int
    documents: int
    data: str
    macro_f1_checkpoint: float
    macro_f1_export: float
    rows: tuple[ProofRow, ...]

    def to_markdown(self) -> str:
        """Write the proof as a Markdown table."""

        def text(value: float | None) -> str:
            return "–" if value is None else f"{value:.3f}"

        head = (
            *("group", "label", "n", "gold", "F1 fp32", "F1 export"),
            *("change", "agreement (F1)", "mean difference of probability"),
        )
        rows = (
            (
                *(r.group, r.label, r.n, r.gold, text(r.f1_checkpoint), text(r.f1_export)),
                *("–" if r.change is None else f"{r.change:+.3f}", text(r.agreement), f"{r.mean_difference:.4f}"),
            )
            for r in self.rows
        )
        return "\n".join(
            [
                f"Export against checkpoint (fp32) on {self.n} sentences of {self.documents} documents ({self.data}): macro-F1 "
                f"{self.macro_f1_export:.3f} against {self.macro_f1_checkpoint:.3f}.",
                "",
                *table(head, rows),
            ]
        )


class ModelInfo(_Model):
    """The content of `bundle.json`."""

    format: int = FORMAT
    kind: Literal["checkpoint", "bundle", "baseline"]
    name: str
    version: str
    description: str
    license: str
    labels: tuple[str, ...]
    selection: Literal["multiple", "single"]
    codebook_name: str
    codebook_version: str
    codebook_sha256: str
    thresholds: tuple[float, ...] | None = Field(description="one a label; None where exactly one label is chosen")
    temperature: float = Field(gt=0, description="divides the logits; 1 in a checkpoint, whose weights contain it")
    max_tokens: int = Field(description="longest input; 0 where nothing is cut")
    recipe: dict[str, Any] = Field(description="settings; in a checkpoint with whole paths, for the export")
    texts: str | None = Field(None, description="in a checkpoint: where the texts of reference labels were")
    training: TrainingData
    training_seconds: float
    precision: str
    tuned_on: int = Field(description="validation statements that tuned temperature and thresholds")
    scores: tuple[Score, ...] = ()
    proof: Proof | None = None
    versions: dict[str, str]
    commit: str | None
    created: str
    files: dict[str, str] = Field({}, description="SHA-256 of each other file of the folder but the card")

    @property
    def multiple(self) -> bool:
        """Whether a statement can carry several labels."""
        return self.selection == "multiple"


def read_info(folder: str | Path, kind: Literal["checkpoint", "bundle", "baseline"] | None = None) -> ModelInfo:
    """Read `bundle.json` of a model's folder.

    Raises:
        BundleError: There is none, it is of a newer format or broken, or the folder is of another kind.
    """
    path = Path(folder) / INFO
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleError(
            f"{path}: {error.strerror}; give the folder of a model, such as models/communique-small"
        ) from error
    except ValueError as error:
        raise BundleError(f"{path}: not JSON ({error}); copy the model's folder again") from error
    if isinstance(content, dict) and isinstance(content.get("format"), int) and content["format"] > FORMAT:
        raise BundleError(
            f"{path}: format {content['format']}; this version reads up to {FORMAT}: pip install -U communique"
        )
    try:
        info = ModelInfo.model_validate(content)
    except ValidationError as error:
        raise BundleError(f"{path}: {describe(error, ModelInfo)}; copy the model's folder again") from error
    if kind is not None and info.kind != kind:
        remedy = (
            "communique export makes a bundle of a checkpoint" if kind == "bundle" else "give the checkpoint's folder"
        )
        raise BundleError(f"{folder}: a {info.kind}, where a {kind} is needed; {remedy}")
    return info


def read_codebook(folder: str | Path, info: ModelInfo) -> Codebook:
    """Read the codebook of a model's folder and hold it against `bundle.json`.

    Raises:
        BundleError: It is missing or is another one.
    """
    path = Path(folder) / CODEBOOK
    try:
        codebook = Codebook.load(path)
    except CodebookError as error:
        raise BundleError(str(error)) from error
    if codebook.names != info.labels or codebook.sha256 != info.codebook_sha256:
        raise BundleError(f"{path}: not the codebook that the model was trained with; copy the model's folder again")
    return codebook


def verify(folder: str | Path, info: ModelInfo) -> None:
    """Hold all files of a folder against their hashes in `bundle.json`.

    Raises:
        BundleError: A file is missing, truncated or edited.
    """
    for name, expected in info.files.items():
        path = Path(folder) / name
        if not path.is_file():
            raise BundleError(f"{path}: missing; copy the model's folder again")
        if file_sha256(path) != expected:
            raise BundleError(f"{path}: not the file that was saved (SHA-256 differs); copy the model's folder again")


@contextmanager
def new_folder(folder: str | Path, *, replace: bool = False) -> Iterator[Path]:
    """Fill a folder under a temporary name; it takes its own name when all went well.

    Raises:
        BundleError: The folder exists and is not to be replaced.
    """
    folder = Path(folder)
    if folder.exists() and not replace:
        raise BundleError(f"{folder}: exists; give another folder, or --overwrite")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        yield temporary
        temporary.chmod(0o755)
        if folder.exists():
            old = temporary.with_suffix(".old")
            os.replace(folder, old)
            os.replace(temporary, folder)
            shutil.rmtree(old)
        else:
            os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def finish(
    folder: Path,
    info: ModelInfo,
    codebook: Codebook,
    validation: Mapping[str, Sequence[str]],
    texts: Iterable[str] | None = None,
) -> ModelInfo:
    """Write what every model's folder has beside weights and tokenizer: codebook, ids, `bundle.json` and card.

    Args:
        folder: It holds weights and tokenizer already.
        info: Without `files`.
        codebook: The codebook.
        validation: Ids of the statements that tuned (`tuning`) and those that tuned nothing (`proof`).
        texts: All texts that trained or tuned the model, whose signatures are written where datasketch is installed; None
            leaves signatures as they are.

    Returns:
        The info as written, hashes of the files included.
    """
    from .card import render

    codebook.dump(folder / CODEBOOK)
    if texts is not None and near_duplicates.available():
        near_duplicates.save(folder / NEAR_DUPLICATES, texts)
    (folder / VALIDATION).write_text(json.dumps({k: list(v) for k, v in validation.items()}, indent=1) + "\n")
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name not in (INFO, CARD))
    info = info.model_copy(update={"files": {name: file_sha256(folder / name) for name in names}})
    (folder / INFO).write_text(
        json.dumps(info.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    (folder / CARD).write_text(render(info), encoding="utf-8")
    return info


def file_sha256(path: Path) -> str:
    """Hash a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def versions(*packages: str) -> dict[str, str]:
    """List installed versions of packages."""
    return {package: metadata.version(package) for package in packages}


def commit() -> str | None:
    """Give the commit of the working folder, marked `+changes` where files differ from it; None outside git."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def headline(report: Report, command: str) -> Score:
    """Take the overall macro-F1 of a report into `bundle.json`."""
    overall = report.overall
    value, low, high = (
        None if math.isnan(number) else number
        for number in (overall.macro_f1.value, overall.macro_f1.low, overall.macro_f1.high)
    )
    return Score(
        metric="macro_f1",
        value=value,
        low=low,
        high=high,
        n=overall.n,
        documents=overall.documents,
        data=report.data,
        command=command,
    )
