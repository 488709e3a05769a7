"""Wide tables: the limit on columns, the size of shards, and run time that is linear in the number of columns."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import RuleModel, cue_scores, model_info
from helpers import TINY, facts, has_facts
from reading import output, written

from communique.errors import DataError
from communique.io.paths import find_files
from communique.labelling.label import label_shard
from communique.labelling.options import Options
from communique.labelling.reader import ShardReader
from communique.labelling.summary import Summary
from communique.labelling.write import OutputForm, write_shards


def test_reading_time_is_linear_in_the_number_of_columns(tmp_path: Path) -> None:
    from time import process_time

    seconds = []
    for n in (2000, 8000):
        path = written(tmp_path, f"{n}.jsonl", '{"text": "a", ' + ", ".join(f'"c{i}": {i}' for i in range(n)) + "}")
        begin = process_time()
        assert len(output(path)[0][0]) > n
        seconds.append(process_time() - begin)
    assert seconds[1] < 12 * seconds[0] + 1


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_table_with_too_many_columns_is_refused(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("tables", "jsonl"):
        monkeypatch.setattr(f"communique.io.{module}.MAX_COLUMNS", 50)
    names = ["text", *(f"c{i}" for i in range(50))]
    path = tmp_path / f"a.{form}"
    if form == "parquet":
        pq.write_table(pa.table({name: ["a"] for name in names}), path)
    else:
        path.write_text(f"{','.join(names)}\n" if form == "csv" else json.dumps(dict.fromkeys(names, "a")) + "\n")
    with pytest.raises(DataError, match=facts("a." + form, 51, 50)):
        output(path)


def test_more_keys_than_possible_columns_are_kept_only_in_json_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("communique.labelling.columns.MAX_COLUMNS", 50)
    path = written(tmp_path, "a.jsonl", "".join(f'{{"text": "We help.", "k{i}": 1}}\n' for i in range(60)))
    rows, _ = output(path)
    assert has_facts(rows[-1]["error"], "a.jsonl", 50, ".jsonl")
    shards = list(ShardReader(find_files([path]), Options(language="en")).shards())
    assert len(shards[0].rows[0]["text"]) == 60


def test_shards_of_wide_tables_have_fewer_rows(tmp_path: Path) -> None:
    """Memory depends on the number of cells, so a shard with 1,000 columns has a tenth of the rows."""
    header, row = ",".join(f"c{i}" for i in range(999)), "1," * 999
    path = written(tmp_path, "a.csv", f"text,{header}\n" + f"a,{row[:-1]}\n" * 100)
    sizes = [len(s.records) for s in ShardReader(find_files([path]), Options(language="en", shard_rows=200)).shards()]
    assert sizes == [20] * 5


def test_the_time_of_a_whole_run_is_linear_in_the_number_of_columns(tmp_path: Path) -> None:
    from time import process_time

    seconds = []
    for n in (500, 4000):
        path = written(tmp_path, f"{n}.jsonl", json.dumps({"text": "a", **{f"c{i}": i for i in range(n)}}))
        begin = process_time()
        for shard in ShardReader(find_files([path]), Options(as_json=False, language="en")).shards():
            labelled = label_shard(shard, RuleModel(model_info(), TINY, cue_scores))
            for suffix in (".csv", ".parquet"):
                with (tmp_path / f"out{n}{suffix}").open("wb") as handle:
                    form = OutputForm("out", suffix, None, model_info(), TINY)
                    headers = [(labelled.table.schema, labelled.counts)]
                    write_shards(handle, form, headers, [labelled], Summary(TINY.names), tmp_path)
        seconds.append(process_time() - begin)
    # Quadratic time would be 64 times as long.
    assert seconds[1] < 25 * seconds[0]
