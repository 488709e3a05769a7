"""Test that a Parquet output can be written in other formats with the same rows and counts."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import bundle_folder, open_cue_model
from helpers import write_rows

from communique.errors import DataError
from communique.io.paths import find_files
from communique.labelling.options import Options
from communique.labelling.reader import ShardReader
from communique.labelling.rewrite import rewrite
from communique.labelling.run import FileSink, LocalEngine, describe_run, label_files
from communique.labelling.shard_folder import ShardFolder
from communique.labelling.summary import Summary
from communique.labelling.write import OutputForm
from communique.reporting.progress import ProgressReporter

TEXTS = ["We condemn it.", "They should leave.", "42", "", "We pledge help and condemn delay.", "The river."]


def label(tmp_path: Path, rows: list[dict[str, Any]], suffix: str) -> tuple[Path, OutputForm, Summary]:
    """Label rows in shards of two, and return the output."""
    model = open_cue_model(bundle_folder(tmp_path / f"model{suffix}"))
    options = Options(as_json=suffix == ".jsonl", shard_rows=2, labels=model.info.labels)
    reader = ShardReader(find_files([write_rows(tmp_path / f"rows{suffix}.jsonl", rows)]), options)
    out = tmp_path / f"out{suffix}"
    form = OutputForm(out.name, suffix, None, model.info, model.codebook)
    sink = FileSink(ShardFolder(out, describe_run(model.info, reader, None), resume=None), form)
    summary, _ = label_files(reader, LocalEngine(model), sink, ProgressReporter.silent())
    return out, form, summary


@pytest.mark.parametrize("rows", [TEXTS, TEXTS[:2], TEXTS[2:4]])
def test_the_rows_and_counts_are_those_of_labelling(tmp_path: Path, rows: list[str]) -> None:
    given = [{"id": f"r{i}", "text": text, "country": "N"} for i, text in enumerate(rows)]
    source, _, expected = label(tmp_path, given, ".parquet")
    direct, form, _ = label(tmp_path, given, ".jsonl")
    handle = io.BytesIO()
    found = rewrite(source, handle, form, tmp_path)

    def lines(content: bytes) -> list[dict[str, Any]]:
        # The ids begin with the name of the file only if it has no ids.
        return [json.loads(line) for line in content.splitlines()]

    assert lines(handle.getvalue()) == lines(direct.read_bytes())
    assert (found.rows, found.labelled, found.letterless, found.none, found.labels) == (
        expected.rows,
        expected.labelled,
        expected.letterless,
        expected.none,
        expected.labels,
    )


def test_another_file_is_refused_with_a_reason(tmp_path: Path) -> None:
    _, form, _ = label(tmp_path, [{"id": "a", "text": "We should."}], ".jsonl")
    other = tmp_path / "other.parquet"
    pq.write_table(pa.table({"id": ["a"]}), other)
    with pytest.raises(DataError, match="document"):
        rewrite(other, io.BytesIO(), form, tmp_path)
    other.write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"other\.parquet"):
        rewrite(other, io.BytesIO(), form, tmp_path)
