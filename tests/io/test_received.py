"""Tests of the names under which received files are stored."""

from __future__ import annotations

import pytest

from communique.errors import DataError
from communique.io.received import file_names, safe_path


def test_names_of_files_stay_inside_their_folder() -> None:
    given = [
        "../../etc/passwd.txt",
        "C:\\texts\\a.txt",
        "A.TXT",
        "\u202etxt.exe.txt",
        "x" * 400 + ".jsonl.gz",
        "/.txt.md",
    ]
    found = file_names(given)
    assert found[:4] == ["passwd.txt", "a.txt", "A-2.TXT", "txt.exe.txt"]
    assert found[4].endswith("x.jsonl.gz")
    assert len(found[4].encode()) < 255
    assert all("/" not in name and not name.startswith(".") for name in found)
    for name in ("", "..", "a", "a.txt/..", "x.zip"):
        with pytest.raises(DataError):
            file_names([name])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("articles/2024/a.txt", "articles/2024/a.txt"),
        ("../../etc/a.txt", "etc/a.txt"),
        ("/etc/./a.txt", "etc/a.txt"),
        ("C:\\texts\\a.txt", "C_/texts/a.txt"),
        (".hidden/..a.txt", "hidden/a.txt"),
        ("CON/aux.txt", "CON_/aux_.txt"),
        ("nul.2024.txt", "nul_.2024.txt"),
        ("com1 .txt", "com1_.txt"),
        ("LPT³.csv.gz", "LPT³_.csv.gz"),
        ("console/auxiliary.txt", "console/auxiliary.txt"),
        ("com10.txt", "com10.txt"),
        ("a. /b .txt", "a/b.txt"),
        ("a/b\x00c/\u202ed?.txt", "a/bc/d_.txt"),
        ("/".join("abcdefghijkl") + "/z.txt", "e/f/g/h/i/j/k/l/z.txt"),
    ],
)
def test_folders_stay_inside_the_folder_in_which_they_are_stored(given: str, expected: str) -> None:
    assert str(safe_path(given)) == expected


def test_a_path_without_a_name_has_no_format() -> None:
    for given in ("", "..", "../..", "a/"):
        with pytest.raises(DataError, match="cannot be read"):
            safe_path(given)


def test_an_old_format_is_refused_with_advice() -> None:
    with pytest.raises(DataError, match=r"save it as \.docx"):
        safe_path("speech.doc")
