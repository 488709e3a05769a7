"""Test the choice between fp32 and bf16."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from helpers import facts

from communique.errors import RecipeError
from communique.training import precision
from communique.training.precision import bf16_speed, precision_of_run, resolve_precision
from communique.training.steps import check_run, record_run


@pytest.fixture
def on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return monkeypatch


def test_bf16_is_refused_if_the_machine_does_not_support_it(on_a_cpu: pytest.MonkeyPatch) -> None:
    on_a_cpu.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    assert resolve_precision("auto") == "fp32"
    with pytest.raises(RecipeError, match="bf16"):
        resolve_precision("bf16")


@pytest.mark.parametrize(("speed", "chosen"), [(0.6, "fp32"), (1.0, "fp32"), (3.0, "bf16")])
def test_auto_uses_bf16_only_if_the_cpu_is_faster_with_it(
    on_a_cpu: pytest.MonkeyPatch, speed: float, chosen: str
) -> None:
    on_a_cpu.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    on_a_cpu.setattr(precision, "bf16_speed", lambda: speed)
    assert resolve_precision("auto") == chosen
    assert resolve_precision("bf16") == "bf16"
    assert resolve_precision("fp32") == "fp32"


@pytest.mark.parametrize("begun", ["fp32", "bf16"])
def test_a_training_resumes_with_the_precision_with_which_it_began(
    on_a_cpu: pytest.MonkeyPatch, tmp_path: Path, begun: str
) -> None:
    on_a_cpu.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    on_a_cpu.setattr(precision, "bf16_speed", lambda: 3.0 if begun == "fp32" else 0.6)
    assert precision_of_run(tmp_path, "auto") != begun
    record_run(tmp_path, {"seed": 0}, begun)
    assert precision_of_run(tmp_path, "auto") == begun
    assert precision_of_run(tmp_path, "fp32") == "fp32"
    assert precision_of_run(tmp_path, "bf16") == "bf16"
    check_run(tmp_path, {"seed": 0})
    with pytest.raises(RecipeError, match=facts(tmp_path)):
        check_run(tmp_path, {"seed": 1})


def test_a_training_in_bf16_does_not_resume_on_a_machine_without_it(
    on_a_cpu: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    on_a_cpu.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    record_run(tmp_path, {}, "bf16")
    with pytest.raises(RecipeError, match=facts(tmp_path, "bf16", "delete the folder")):
        precision_of_run(tmp_path, "auto")


def test_the_speed_of_bf16_is_measured_once() -> None:
    bf16_speed.cache_clear()
    first = bf16_speed()
    assert math.isfinite(first)
    assert first > 0
    assert bf16_speed() == first
