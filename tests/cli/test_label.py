"""The option --engine, as far as no cluster is needed."""

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


def test_options_of_a_cluster_go_with_its_engine(source: Path, tmp_path: Path) -> None:
    for option in (("--actors", 2), ("--ray-address", "auto")):
        code, _, err = label(source, "-o", tmp_path / "out.jsonl", *option)
        assert code == 2
        assert "goes with --engine ray" in err


def test_a_missing_ray_is_told_with_its_command(
    source: Path, fake_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    monkeypatch.setenv("RAY_BACKEND_LOG_LEVEL", "error")
    monkeypatch.setitem(sys.modules, "ray", None)
    code, _, err = label(source, "-o", tmp_path / "out.jsonl", "--model", fake_bundle, "--engine", "ray")
    assert (code, err) == (1, "error: --engine ray needs the package 'ray': pip install 'communique[ray]'\n")
    assert not (tmp_path / "out.jsonl").exists()
