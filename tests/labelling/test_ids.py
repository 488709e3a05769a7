"""Equal ids in several files are made unique, and ids that are repeated in a file are counted."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import has_facts
from reading import output, written

from communique.labelling import ids


@pytest.mark.parametrize("place", [1, 5000])
def test_equal_ids_are_found_in_any_row(place: int, tmp_path: Path) -> None:
    """An id of the first file is repeated in row `place` of the third."""
    names = ("a.csv", "b.jsonl", "c.csv")
    first = written(tmp_path, names[0], "id,text\n" + "".join(f"a{i},We help.\n" for i in range(6000)))
    second = written(tmp_path, names[1], "".join(f'{{"id": "b{i}", "text": "We act."}}\n' for i in range(10)))
    third = written(
        tmp_path,
        names[2],
        "id,text\n" + "".join(f"c{i},We go.\n" for i in range(1, place)) + "a5999,We go.\n,We stay.\n",
    )
    rows, notes = output(first, second, third)
    assert len({row["id"] for row in rows}) == len(rows)
    assert {row["id"].partition(":")[0] for row in rows} == {"a", "b", "c"}
    assert sum("'a5999'" in line and "a.csv" in line and "c.csv" in line for line in notes) == 1


def test_a_row_without_an_id_does_not_get_the_id_of_another_row(tmp_path: Path) -> None:
    first = written(tmp_path, "a.csv", "id,text\n1,We help.\n")
    second = written(tmp_path, "b.csv", "id,text\n1,We act.\n,We go.\n3,We stay.\n")
    rows, _ = output(first, second)
    assert len({row["id"] for row in rows}) == len(rows) == 4


def test_all_ids_get_a_prefix_if_there_are_too_many_to_compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "MAX_IDS", 3)
    first = written(tmp_path, "a.csv", "id,text\n1,We help.\n2,We act.\n")
    second = written(tmp_path, "b.csv", "id,text\n3,We go.\n4,We stay.\n5,We sit.\n")
    rows, notes = output(first, second)
    assert [row["id"] for row in rows] == ["a:1", "a:2", "b:3", "b:4", "b:5"]
    assert any("too many to compare" in line for line in notes)


def test_ids_that_are_repeated_in_a_file_are_counted(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "id,text\n" + "".join(f"{i % 3000},We help.\n" for i in range(3005)))
    rows, notes = output(path)
    assert rows[3000]["document"] == rows[0]["document"] == "0"
    assert any(has_facts(line, "5 rows", "'0'", "one document") for line in notes)
    assert output(written(tmp_path, "b.csv", "id,text\n1,We help.\n2,We help.\n,We go.\n,We go.\n"))[1] == []


def test_ids_are_remembered_beyond_the_recent_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_RECENT", 4)
    seen = ids.SeenIds()
    assert [seen.add(str(i % 50), i) for i in range(100)] == [None] * 50 + [*range(50)]
