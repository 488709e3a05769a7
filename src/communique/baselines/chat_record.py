"""The record next to an output that a language model labelled: `OUT.chat.json`, and the stored answers, `OUT.answers.sqlite`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from .. import __version__
from ..config import check_format, describe, load_json
from ..errors import DataError
from ..io.atomic import file_sha256, replacing
from ..io.output import target
from .chat_labelling import ChatLabeler

#: Version of the format of the record.
FORMAT = 1

_REMEDY = "Label the texts again with --restart"


class ChatRecord(BaseModel):
    """What a language model was asked, and what it used.

    `run_sha256` is the hash of everything that the output depends on. `failed` is the number of rows without a usable answer.
    `tokens_estimated` is the number of requests whose tokens the server did not report. The address, apart from its host, and the
    key are not recorded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    communique: str
    output: str
    output_sha256: str
    run_sha256: str
    model: str
    endpoint: str
    temperature: float | None
    seed: int
    answer_tokens: int
    asked: int
    codebook: str
    codebook_sha256: str
    prompt: str
    prompt_sha256: str
    labelled: int
    failed: int
    requests: int
    tokens_in: int
    tokens_out: int
    tokens_estimated: int
    price_in: float | None
    price_out: float | None
    cost: float | None
    finished: str

    @classmethod
    def of(cls, labeler: ChatLabeler, out: Path, *, run_sha256: str, labelled: int, failed: int) -> ChatRecord:
        """Describe a finished output.

        Args:
            labeler: The labeler that wrote it.
            out: The output.
            run_sha256: Hash of everything that the output depends on.
            labelled: Number of labelled rows.
            failed: Number of rows without a usable answer.
        """
        used, budget = labeler.cache.usage, labeler.budget
        return cls(
            communique=__version__,
            output=out.name,
            output_sha256=file_sha256(target(out)),
            run_sha256=run_sha256,
            codebook=labeler.codebook.title,
            codebook_sha256=labeler.codebook.sha256,
            prompt=labeler.prompt,
            labelled=labelled,
            failed=failed,
            requests=used.requests,
            tokens_in=used.tokens_in,
            tokens_out=used.tokens_out,
            tokens_estimated=used.estimated,
            price_in=budget.price_in,
            price_out=budget.price_out,
            cost=budget.cost(used),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            **labeler.settings.describe(labeler.codebook),
        )

    @classmethod
    def load(cls, path: Path) -> ChatRecord:
        """Read a record.

        Raises:
            DataError: The file is missing, is not a record, or was written by another version.
        """
        content = load_json(path, DataError, _REMEDY)
        check_format(path, content, FORMAT, DataError, _REMEDY)
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise DataError(f"{path}: {describe(error, cls)}. {_REMEDY}") from error

    def dump(self, path: Path) -> None:
        """Write the record as JSON."""
        with replacing(path) as handle:
            handle.write(json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n")


def record_path(out: Path) -> Path:
    """Return the path of the record of an output."""
    return out.with_name(out.name + ".chat.json")


def answers_path(out: Path) -> Path:
    """Return the path of the stored answers of an output."""
    return out.with_name(out.name + ".answers.sqlite")


def state(out: Path, run_sha256: str) -> Literal["other", "complete", "failures"]:
    """Return what an existing output is: something else, the complete output of this run, or that with rows to ask about again.

    An output that was edited counts as something else.

    Args:
        out: The output.
        run_sha256: Hash of everything that this run's output depends on.
    """
    try:
        record = ChatRecord.load(record_path(out))
    except DataError:
        return "other"
    if record.run_sha256 != run_sha256 or record.output_sha256 != file_sha256(target(out)):
        return "other"
    return "failures" if record.failed else "complete"
