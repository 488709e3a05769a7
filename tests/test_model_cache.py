"""The cache of compiled networks: the same numbers, and never an error of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from communique.models import model_cache
from communique.models.openvino import import_quietly

ov = import_quietly("openvino")

SETTINGS, RUNTIME = {"INFERENCE_PRECISION_HINT": "f32"}, {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
GIVEN = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def ir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ops = ov.opset13
    given = ops.parameter([-1, 8], np.float32)
    weights = np.random.default_rng(1).normal(size=(8, 4)).astype(np.float32)
    network = ov.Model([ops.tanh(ops.matmul(given, ops.constant(weights), False, False))], [given])
    path = tmp_path_factory.mktemp("ir") / "model.xml"
    ov.save_model(network, path, compress_to_fp16=False)
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(model_cache.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """List the networks that are compiled rather than opened."""
    found: list[str] = []
    compile_model = ov.Core.compile_model

    def counted(self: Any, model: str, *arguments: Any) -> Any:
        found.append(model)
        return compile_model(self, model, *arguments)

    monkeypatch.setattr(ov.Core, "compile_model", counted)
    return found


def numbers(ir: Path, hashes: dict[str, str] | None = None, **settings: str) -> Any:
    network = model_cache.compiled(ov, ir, hashes or {"model.xml": "a"}, SETTINGS | settings, RUNTIME)
    return network(GIVEN)[0].copy()


def test_a_network_is_compiled_once_and_gives_the_same_numbers(ir: Path, cache: Path, compilations: list[str]) -> None:
    first = numbers(ir)
    assert len(compilations) == 1
    assert [path.suffix for path in cache.iterdir()] == [".blob"]
    np.testing.assert_array_equal(numbers(ir), first)
    assert len(compilations) == 1
    # Another model, and other settings, are other networks.
    numbers(ir, {"model.xml": "b"})
    numbers(ir, PERFORMANCE_HINT="LATENCY")
    assert len(compilations) == 3


@pytest.mark.parametrize("damage", ["cut off", "changed", "empty"])
def test_a_damaged_file_is_made_anew(damage: str, ir: Path, cache: Path, compilations: list[str]) -> None:
    first = numbers(ir)
    (path,) = cache.iterdir()
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes({"cut off": content[:50], "changed": content, "empty": b""}[damage])
    np.testing.assert_array_equal(numbers(ir), first)
    assert len(compilations) == 2
    numbers(ir)
    assert len(compilations) == 2


def test_off_and_a_folder_that_cannot_be_made(
    ir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compilations: list[str]
) -> None:
    (tmp_path / "file").write_text("")
    results = []
    for value in ("off", str(tmp_path / "file" / "cache")):
        monkeypatch.setenv(model_cache.VARIABLE, value)
        results += [numbers(ir), numbers(ir)]
    assert len(compilations) == 4
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_leaves_nothing_behind(
    ir: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, compilations: list[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model_cache.os, "replace", full)
    numbers(ir)
    assert list(cache.iterdir()) == []


def test_the_cache_is_bounded_and_keeps_what_was_used_last(ir: Path, cache: Path, compilations: list[str]) -> None:
    for i in range(model_cache.KEPT):
        numbers(ir, {"model.xml": str(i)})
        for path in cache.iterdir():  # times of files are coarse: each is older than the next by a second
            model_cache.os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 1))
    numbers(ir, {"model.xml": "0"})
    numbers(ir, {"model.xml": "new"})
    assert len(list(cache.iterdir())) == model_cache.KEPT
    before = len(compilations)
    numbers(ir, {"model.xml": "0"})
    assert len(compilations) == before
    numbers(ir, {"model.xml": "1"})
    assert len(compilations) == before + 1


def test_many_at_once(ir: Path, cache: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: numbers(ir), range(8)))
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
    assert not list(cache.glob("*.part"))


def test_without_the_variable_the_folder_is_the_systems(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(model_cache.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = model_cache.cache_folder()
    assert folder is not None
    assert "communique" in folder.parts
