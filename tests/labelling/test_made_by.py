"""A Parquet output says which model made it, and files of other programs do not."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from fakes import bundle_folder, open_cue_model
from helpers import write_rows

from communique.io.paths import find_files
from communique.labelling.made_by import read_model_sha256, unlabelled_files
from communique.labelling.options import Options
from communique.labelling.reader import ShardReader
from communique.labelling.run import FileSink, LocalEngine, describe_run, label_files
from communique.labelling.shard_folder import ShardFolder
from communique.labelling.write import OutputForm
from communique.models.folder import read_info, read_sha256
from communique.reporting.progress import ProgressReporter


def test_an_output_contains_the_hash_of_its_model(tmp_path: Path) -> None:
    folder, out = bundle_folder(tmp_path / "model"), tmp_path / "out.parquet"
    model = open_cue_model(folder)
    table = write_rows(tmp_path / "rows.jsonl", [{"id": "a", "text": "We condemn it."}])
    reader = ShardReader(find_files([table]), Options(labels=model.info.labels))
    form = OutputForm(out.name, ".parquet", None, model.info, model.codebook, files=reader.files)
    sink = FileSink(ShardFolder(out, describe_run(model.info, reader, None), resume=None), form)
    label_files(reader, LocalEngine(model), sink, ProgressReporter.silent())
    assert read_model_sha256(out) == read_info(folder).sha256 == read_sha256(folder)
    assert unlabelled_files(out, [table]) == []
    other = write_rows(tmp_path / "other.jsonl", [{"id": "a", "text": "We condemn it."}])
    assert unlabelled_files(out, [table, other]) == [other]
    write_rows(table, [{"id": "a", "text": "We condemn nothing."}])
    assert unlabelled_files(out, [table]) == [table]


def test_other_files_contain_no_hash(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    assert read_model_sha256(path) is None
    path.write_bytes(b"PAR1 nothing")
    assert read_model_sha256(path) is None
    pq.write_table(pa.table({"id": ["a"]}), path)
    assert read_model_sha256(path) is None
    assert read_model_sha256(tmp_path / "x.csv") is None
    assert unlabelled_files(path, [path]) is None
