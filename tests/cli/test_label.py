"""Tests of `communique label` that need neither a network nor a cluster."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from fakes import label


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "in.jsonl").write_text('{"text": "We condemn it."}\n')
    return tmp_path / "in.jsonl"


@pytest.mark.parametrize("out", [(), ("-o", "-")])
def test_a_cluster_needs_an_output_file(out: tuple[str, ...], source: Path) -> None:
    code, _, err = label(source, *out, "--engine", "ray")
    assert code == 2
    assert "ray requires -o FILE" in err


def test_options_of_a_cluster_require_its_engine(source: Path, tmp_path: Path) -> None:
    for option in (("--actors", 2), ("--ray-address", "auto")):
        code, _, err = label(source, "-o", tmp_path / "out.jsonl", *option)
        assert code == 2
        assert "requires --engine ray" in err


def test_the_message_about_missing_ray_says_how_to_install_it(
    source: Path, fake_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    monkeypatch.setenv("RAY_BACKEND_LOG_LEVEL", "error")
    monkeypatch.setitem(sys.modules, "ray", None)
    code, _, err = label(source, "-o", tmp_path / "out.jsonl", "--model", fake_bundle, "--engine", "ray")
    assert code == 1
    assert err == (
        "error: --engine ray needs the package 'ray', which is not installed. In your clone of communique, run "
        "pip install -c constraints.txt '.[ray]'\n"
    )
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.usefixtures("fake_network")
def test_a_table_on_the_terminal_ends_with_a_note_that_nothing_was_saved(source: Path, fake_bundle: Path) -> None:
    line = "Nothing was saved. To save the labels, use -o FILE\n"
    code, _, err = label(source, "--model", fake_bundle)
    assert (code, err.endswith(line)) == (0, True), err
    code, _, err = label(source, "--model", fake_bundle, "-o", "-")
    assert (code, line in err) == (0, False), err


@pytest.mark.usefixtures("fake_network")
def test_rows_without_a_document_share_one_table_on_the_terminal(tmp_path: Path, fake_bundle: Path) -> None:
    rows = "text,speech\nWe condemn it.,a\nWe will help.,a\nThey met in Oslo.,b\n"
    (tmp_path / "in.csv").write_text(rows)
    code, printed, err = label(tmp_path / "in.csv", "--model", fake_bundle)
    out = printed.decode()
    assert code == 0, err
    assert out.count("sentence ") == 1, out
    assert all(f"in:{number}" in out for number in (2, 3, 4)), out
    # Documents of several rows keep a table of their own, with the number of each sentence.
    code, printed, err = label(tmp_path / "in.csv", "--model", fake_bundle, "--document-column", "speech")
    out = printed.decode()
    assert code == 0, err
    assert out.count("sentence ") == 2, out
    assert "a (en)" in out, out
