"""Read and write model folders: the checkpoint that training writes, and the bundle that export writes.

::

    checkpoint/                         bundle/
      config.json, model.safetensors      model.xml, model.bin      OpenVINO IR
      tokenizer.json, ...                 tokenizer.json
      codebook.yaml                       codebook.yaml
      validation.json                     validation.json           ids of rows that tune the model or check its export
      bundle.json                         bundle.json               `ModelInfo`
      README.md                           README.md                 the card, rendered from bundle.json
      acts.safetensors                                              heads for kind, holder and target, if trained
      out_of_fold.json                                              labels by cross-validation, if it tuned the model
                                          domain.npz                description of the training sentences, for scores

The folder of a baseline contains `baseline.json` (settings, words) and `baseline.npz` (arrays) instead of a network.

`near_duplicates.npz` contains signatures of the training texts (see `data.near_duplicates`). It is missing if datasketch was
not installed when the folder was written.

Nothing in a model folder is executed. `models.info` defines the file names. This module reads and writes the files that all
model folders have in common. `training.export` writes the network and the tokenizer of a bundle, and `models.predictor` reads
them. `baselines.saving` reads and writes the files of a baseline.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from ..config import check_format, describe, load_json
from ..data import near_duplicates
from ..data.codebook import Codebook
from ..errors import BundleError, CodebookError, CommuniqueError
from ..io.atomic import file_sha256
from ..io.file_state import kept_while_unchanged
from .info import (
    CARD,
    CODEBOOK,
    DEFAULT_MODEL,
    FORMAT,
    INFO,
    IR,
    NEAR_DUPLICATES,
    TOKENIZER,
    VALIDATION,
    WEIGHTS,
    ActsInfo,
    ModelInfo,
)
from .limits import MIN_DESCRIBED, DomainInfo

#: What to do if a path is not a model folder.
NAME_A_MODEL = f"Name a model folder, or {DEFAULT_MODEL} for the shipped model"


def read_info(folder: str | Path, kind: Literal["checkpoint", "bundle", "baseline"] | None = None) -> ModelInfo:
    """Read the `bundle.json` of a model folder.

    Args:
        folder: The model folder.
        kind: The kind of model that the caller needs. Default: any.

    Raises:
        BundleError: The file is missing, invalid or of another format, or the model is of another kind.
    """
    path = Path(folder) / INFO
    if not path.is_file():
        raise BundleError(_no_model(Path(folder)))
    info = _parse_info(path)
    if kind is not None and info.kind != kind:
        if kind == "bundle":
            remedy = "Make a bundle from a checkpoint with `communique export`"
        elif info.kind == "baseline":
            remedy = f"A baseline needs no export. To label text with it, run communique label TEXT --model {folder}"
        else:
            remedy = "Name the checkpoint folder"
        raise BundleError(f"{folder}: this folder contains a {info.kind}, but a {kind} is needed. {remedy}")
    return info


def read_sha256(folder: Path) -> str:
    """Return the hash that identifies a model (see `ModelInfo.sha256`). It is computed again only if the model changed.

    Raises:
        BundleError: The model cannot be read.
    """
    return _sha256(folder / INFO)


@kept_while_unchanged(256)
def _sha256(path: Path) -> str:
    return read_info(path.parent).sha256


@kept_while_unchanged(32)
def _parse_info(path: Path) -> ModelInfo:
    """Read a description, which contains the hashes of all training rows."""
    content = load_json(path, BundleError, f"{NAME_A_MODEL}, or copy it again")
    check_format(path, content, FORMAT, BundleError, "Train and export the model again")
    try:
        return ModelInfo.model_validate(content)
    except ValidationError as error:
        raise BundleError(f"{path}: {describe(error, ModelInfo)}. Copy the model folder again") from error


def held_out_ids(folder: Path, info: ModelInfo) -> frozenset[str]:
    """Return the ids of the rows that were held out of the training of a model.

    A model that was tuned on out-of-fold predictions was trained on all rows. Its `validation.json` lists training rows for the
    parity check.

    Raises:
        BundleError: The file cannot be read.
    """
    path = folder / VALIDATION
    if not info.held_out or not path.is_file():
        return frozenset()
    with reading(path):
        content = load_json(path, BundleError, "Copy the model folder again")
        return frozenset(identity for ids in content.values() for identity in ids)


def steps_folder(folder: Path) -> Path:
    """Return the folder next to a model folder in which an unfinished training keeps what is done."""
    return folder.with_name(f"{folder.name}.steps")


def _no_model(folder: Path) -> str:
    """Say why a path is not a model folder, and what to do."""
    if steps_folder(folder).is_dir():
        return f"{folder}: the training of this model has not finished. Run the same communique train command again to resume it"
    if folder.is_dir():
        problem = f"this folder is not a model, because it contains no {INFO}"
    else:
        missing = "there is no such folder" if folder.is_absolute() else f"there is no such folder in {Path.cwd()}"
        problem = "this file is not a model folder" if folder.is_file() else missing
    return (
        f"{folder}: {problem}. {NAME_A_MODEL}, or train a model first: communique train TABLE "
        f"--codebook CODEBOOK -o {folder}"
    )


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn any error of another library that reads a file of a model folder into a `BundleError` of one line.

    Raises:
        BundleError: The block failed.
    """
    try:
        yield
    except (CommuniqueError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # A panic in the Rust code of tokenizers is not an Exception.
        line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        if "allow_pickle" in line:
            line = "not an archive of arrays"  # NumPy's message says how to run code that the file may contain.
        raise BundleError(f"{path}: the file cannot be read ({line[:300]}). Copy the model folder again") from error


def read_codebook(folder: str | Path, info: ModelInfo) -> Codebook:
    """Read the codebook of a model folder and verify it against `bundle.json`.

    Raises:
        BundleError: The codebook is missing, or it is not the one that `bundle.json` describes.
    """
    path = Path(folder) / CODEBOOK
    try:
        codebook = Codebook.load(path)
    except CodebookError as error:
        raise BundleError(f"{error}. Copy the model folder again") from error
    if codebook.names != info.labels or codebook.sha256 != info.codebook_sha256:
        raise BundleError(
            f"{path}: this is not the codebook that the model was trained with. Copy the model folder again"
        )
    if info.acts is not None and info.acts.kinds != ActsInfo.of(codebook, info.acts.width).kinds:
        raise BundleError(
            f"{Path(folder) / INFO}: 'acts' does not describe the kinds of the codebook. Copy the model folder again"
        )
    return codebook


def require_acts(folder: str | Path, info: ModelInfo) -> ActsInfo:
    """Return the description of a model's auxiliary outputs.

    Raises:
        BundleError: The model was trained without them.
    """
    if info.acts is None:
        raise BundleError(
            f"{folder}: this model was trained without outputs for kind, holder and target. Train one with "
            "'acts: true' in its recipe"
        )
    return info.acts


def require_domain(folder: str | Path, info: ModelInfo) -> DomainInfo:
    """Return the description of a model's out-of-domain scores.

    Raises:
        BundleError: The model computes none.
    """
    if info.domain is None:
        if info.kind == "checkpoint":
            reason = "a checkpoint computes no out-of-domain scores. Export it with `communique export` first"
        elif info.kind == "baseline":
            reason = f"a {info.classifier} model computes no out-of-domain scores. Use a model that `communique export` wrote"
        elif info.limits is None:
            reason = "this model was exported without out-of-domain scores. Train and export it again"
        else:
            reason = (
                f"this model was exported without out-of-domain scores, because it has fewer than {MIN_DESCRIBED} training "
                "sentences or held-out ones, or its encoder has an unusual architecture. Train it on more rows or with another "
                "backbone, and export it again"
            )
        raise BundleError(f"{folder}: {reason}")
    return info.domain


def verify_files(folder: str | Path, info: ModelInfo) -> None:
    """Verify all files of a model folder against their hashes in `bundle.json`.

    Raises:
        BundleError: A file is missing, truncated or edited, or a bundle's network has no hash.
    """
    network = (IR, WEIGHTS, TOKENIZER) if info.kind == "bundle" else ()
    if unnamed := [name for name in network if name not in info.files]:
        raise BundleError(
            f"{Path(folder) / INFO}: 'files' has no SHA-256 for {', '.join(unnamed)}. Copy the model folder again"
        )
    for name, expected in info.files.items():
        path = Path(folder) / name
        if not path.is_file():
            raise BundleError(f"{path}: the file is missing. Copy the model folder again")
        if file_sha256(path) != expected:
            raise BundleError(
                f"{path}: this is not the file that was saved (SHA-256 differs). Copy the model folder again"
            )


def finish(
    folder: Path,
    info: ModelInfo,
    codebook: Codebook,
    validation: Mapping[str, Sequence[str]],
    texts: Iterable[str] | None = None,
) -> ModelInfo:
    """Complete a model folder: write the codebook, the ids of held-out rows, `bundle.json` and the card.

    Args:
        folder: The folder. It already contains the weights and the tokenizer.
        info: The description; its `files` are replaced.
        codebook: The codebook.
        validation: Ids of the held-out sentences: `validation` tuned the model, `parity` did not.
        texts: All texts that trained or tuned the model. If datasketch is installed, their signatures are written. None: leave
            existing signatures as they are.

    Returns:
        The description as written, including the hashes of the files.
    """
    from .card import render_card

    codebook.dump(folder / CODEBOOK)
    if texts is not None and near_duplicates.available():
        near_duplicates.save(folder / NEAR_DUPLICATES, texts)
    (folder / VALIDATION).write_text(json.dumps({k: list(v) for k, v in validation.items()}, indent=1) + "\n")
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name not in (INFO, CARD))
    info = info.model_copy(update={"files": {name: file_sha256(folder / name) for name in names}})
    (folder / INFO).write_text(
        json.dumps(info.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    (folder / CARD).write_text(render_card(info), encoding="utf-8")
    return info
