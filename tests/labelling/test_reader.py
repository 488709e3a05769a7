"""Input columns that the output has too: id, document, index, language."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import label

from communique.labelling.columns import as_index

pytestmark = pytest.mark.usefixtures("fake_network")

PLACES = [("talk", 4, "We condemn it."), ("talk", 5, "We will help."), ("note", 1, "Nobody came.")]


def labelled(source: Path, bundle: Path, *options: object) -> tuple[list[dict[str, object]], str]:
    out = source.with_name("out.jsonl")
    code, _, err = label(source, "-o", out, "--overwrite", "--model", bundle, *options)
    assert code == 0, err
    return [json.loads(line) for line in out.read_text().splitlines()], err


def places(rows: list[dict[str, object]]) -> list[tuple[object, object, object]]:
    return [(row["document"], row["index"], row["text"]) for row in rows]


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet", "xlsx"])
@pytest.mark.parametrize("names", [("document", "index"), ("doc_id", "position")])
def test_the_document_and_index_columns_of_a_table_are_used(
    form: str, names: tuple[str, str], fake_bundle: Path, tmp_path: Path
) -> None:
    source = tmp_path / f"in.{form}"
    columns = (*names, "text")
    if form == "jsonl":
        source.write_text("".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in PLACES))
    elif form == "csv":
        source.write_text("".join(",".join(map(str, row)) + "\n" for row in (columns, *PLACES)))
    elif form == "parquet":
        pq.write_table(pa.table(dict(zip(columns, zip(*PLACES, strict=True), strict=True))), source)
    else:
        openpyxl = pytest.importorskip("openpyxl")
        book = openpyxl.Workbook()
        for row in (columns, *PLACES):
            book.active.append(row)
        book.save(source)
    rows, err = labelled(source, fake_bundle)
    assert places(rows) == PLACES
    # A column with the name of an output column is written once. A column with another name is kept.
    own = set(rows[0]) & {"input_document", "input_index", "doc_id", "position"}
    assert own == ({*names} if names[0] == "doc_id" else set())
    assert "is kept as" not in err


def test_sentences_of_split_rows_get_new_indices_and_the_input_index_is_kept(fake_bundle: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps({"document": "talk", "index": 7, "text": "We condemn it. We will help."}) + "\n")
    rows, err = labelled(source, fake_bundle, "--split")
    assert [(row["index"], row["input_index"]) for row in rows] == [(0, 7), (1, 7)]
    assert "column 'index' is kept as 'input_index'" in err


def test_an_index_that_is_not_an_integer_is_kept_as_an_extra_column(fake_bundle: Path, tmp_path: Path) -> None:
    values = [3, "4", 5.0, "5a", None, 2**70, True, "06"]
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps({"text": "x", "index": value}) + "\n" for value in values))
    rows, _ = labelled(source, fake_bundle)
    assert [row["index"] for row in rows] == [3, 4, 5, 0, 0, 0, 0, 6]
    assert [row.get("input_index", "none") for row in rows] == ["none", "none", 5.0, "5a", None, 2**70, True, "06"]
    pq.write_table(pa.table({"text": ["a b", "c d"], "index": pa.array([1, None], pa.int8())}), tmp_path / "in.parquet")
    rows, _ = labelled(tmp_path / "in.parquet", fake_bundle)
    assert [(row["index"], row["input_index"]) for row in rows] == [(1, 1), (0, None)]


def test_a_numeric_id_is_kept_as_an_extra_column(fake_bundle: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps({"id": 7, "text": "x"}) + "\n" + json.dumps({"id": "8", "text": "x"}) + "\n")
    rows, _ = labelled(source, fake_bundle)
    assert [(row["id"], row.get("input_id")) for row in rows] == [("7", 7), ("8", None)]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "", "1.5", 1.5, [1], -(2**63) - 1])
def test_values_other_than_64_bit_integers_are_not_an_index(value: object) -> None:
    assert as_index(value) is None
