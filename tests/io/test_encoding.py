"""Encodings are recognised in one pass, in lines of any length and at any alignment with the blocks that are read."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from communique.io.encoding import inspect
from communique.io.recognise import SAMPLE

CYRILLIC = "Мы осуждаем блокаду порта. "


def recognised(path: Path, content: bytes) -> str | None:
    path.write_bytes(content)
    sha256, encoding = inspect(path, text=True)
    assert sha256 == hashlib.sha256(content).hexdigest()
    return None if encoding is None else encoding.name


@pytest.mark.parametrize("shift", range(3))
@pytest.mark.parametrize("characters", [100, 3_000_000])
def test_one_damaged_line_does_not_outvote_good_ones_of_any_length(characters: int, shift: int, tmp_path: Path) -> None:
    good = (CYRILLIC * (characters // len(CYRILLIC) + 1)).encode()
    content = b"x" * shift + good + b"\n" + b"caf\xe9.\n"
    assert recognised(tmp_path / "x.txt", content) == "utf-8"


def test_a_long_ascii_line_with_a_cut_character_is_judged_by_its_beginning(tmp_path: Path) -> None:
    assert recognised(tmp_path / "x.txt", b"We help. " * (SAMPLE // 4) + b"\xc3") == "ascii"


def test_a_file_of_valid_utf_8_is_utf_8_and_a_table_of_bytes_is_only_hashed(tmp_path: Path) -> None:
    assert recognised(tmp_path / "x.txt", (CYRILLIC * 3).encode()) == "utf-8"
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    assert inspect(tmp_path / "x.parquet", text=False) == (hashlib.sha256(b"PAR1").hexdigest(), None)


@pytest.mark.parametrize("lines", [3, 50_000])
def test_cyrillic_in_a_legacy_encoding_is_no_utf_8(lines: int, tmp_path: Path) -> None:
    found = recognised(tmp_path / "x.txt", f"{CYRILLIC * 3}\n".encode("cp1251") * lines)
    assert found in ("cp1251", "mac_cyrillic")
