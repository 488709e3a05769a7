"""The layout of a model's folder: the checkpoint that training leaves and the bundle that ships.

::

    checkpoint/                         bundle/
      config.json, model.safetensors      model.xml, model.bin      OpenVINO IR
      tokenizer.json, ...                 tokenizer.json
      codebook.yaml                       codebook.yaml
      validation.json                     validation.json           ids of the rows that tuned and checked it
      bundle.json                         bundle.json               `ModelInfo`
      README.md                           README.md                 the card, made from bundle.json alone

A baseline's folder holds `baseline.json` (settings, words) and `baseline.npz` (arrays) in place of a model.

`near_duplicates.npz` holds signatures of the training texts, see `near_duplicates`; folders made without have none.

Nothing in any of these folders is executed. `models.info` defines the file names. This module reads and writes the files that
all folders have in common; `training.export` writes a bundle's network and tokenizer and `models.predictor` reads them;
`baselines.saving` does both for the files of a baseline.
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
from .info import CARD, CODEBOOK, FORMAT, INFO, IR, NEAR_DUPLICATES, TOKENIZER, VALIDATION, WEIGHTS, ModelInfo


def read_info(folder: str | Path, kind: Literal["checkpoint", "bundle", "baseline"] | None = None) -> ModelInfo:
    """Read `bundle.json` of a model's folder.

    Raises:
        BundleError: There is none, it is of a newer format or broken, or the folder is of another kind.
    """
    path = Path(folder) / INFO
    content = load_json(
        path, BundleError, "give the folder of a model, such as models/communique-small, or copy it again"
    )
    check_format(path, content, FORMAT, BundleError, "Train and export the model again")
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


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn any failure of another library to read a file of a model's folder into one line.

    Raises:
        BundleError: The block failed.
    """
    try:
        yield
    except (CommuniqueError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # A panic of the Rust code in tokenizers is no Exception.
        line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise BundleError(f"{path}: cannot be read ({line[:300]}); copy the model's folder again") from error


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


def verify_files(folder: str | Path, info: ModelInfo) -> None:
    """Hold all files of a folder against their hashes in `bundle.json`.

    Raises:
        BundleError: A file is missing, truncated or edited, or a bundle's network has no hash.
    """
    network = (IR, WEIGHTS, TOKENIZER) if info.kind == "bundle" else ()
    if unnamed := [name for name in network if name not in info.files]:
        raise BundleError(
            f"{Path(folder) / INFO}: no SHA-256 of {', '.join(unnamed)} under 'files'; copy the model's folder again"
        )
    for name, expected in info.files.items():
        path = Path(folder) / name
        if not path.is_file():
            raise BundleError(f"{path}: missing; copy the model's folder again")
        if file_sha256(path) != expected:
            raise BundleError(f"{path}: not the file that was saved (SHA-256 differs); copy the model's folder again")


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
        validation: Ids of the held-out sentences: `validation` tuned the model, `parity` did not.
        texts: All texts that trained or tuned the model, whose signatures are written where datasketch is installed; None
            leaves signatures as they are.

    Returns:
        The info as written, hashes of the files included.
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
