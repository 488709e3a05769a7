"""Test training in two processes on a CPU (gloo) that `accelerate launch` starts, with an unchanged recipe."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml
from helpers import CODEBOOK, PATIENCE, TINY, tiny_rows, until, write_rows

from communique import RecipeError
from communique.models.folder import read_info, verify_files
from communique.training.recipe import Recipe

pytestmark = pytest.mark.slow

#: `accelerate launch --cpu` can start several processes only through mpirun. These options use torch's launcher on CPUs.
LAUNCH = "--multi_gpu --num_processes 2 --num_machines 1 --mixed_precision no --dynamo_backend no --main_process_port 0"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Path:
    """Write recipes with 8 sentences per step for each of two processes, and with 16 for one. 160 rows fill all batches."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "codebook.yaml").write_text(yaml.safe_dump(CODEBOOK))
    write_rows(folder / "train.jsonl", tiny_rows(16))
    held_out = tiny_rows(20, seed=1)
    for row in held_out:
        row["id"], row["document"], row["text"] = f"v{row['id']}", f"v{row['document']}", f"v {row['text']}"
    write_rows(folder / "validation.jsonl", held_out)
    recipe = {
        "name": "two",
        "codebook": "codebook.yaml",
        "corpora": [{"path": "train.jsonl"}, {"path": "validation.jsonl", "role": "validation"}],
        "backbone": str(tiny_backbone),
        "max_tokens": 32,
        "freeze_embeddings": False,
        # Each process draws its own dropout. Without dropout, both trainings compute the same.
        "dropout": 0,
        "attention_dropout": 0,
        "epochs": 8,
        "min_steps": 0,
        "pooling": "first",
        "learning_rate": 2e-3,
        "head_learning_rate": 2e-3,
        "precision": "fp32",
        "checkpoint_steps": 10,
    }
    for size in (8, 16):
        (folder / f"batch-{size}.yaml").write_text(yaml.safe_dump(recipe | {"batch_size": size}))
    return folder


def launch(*command: str | Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "accelerate.commands.launch", *LAUNCH.split(), *map(str, command)],
        env=os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def launch_training(project: Path, out: Path) -> subprocess.Popen[bytes]:
    return launch("-m", "communique", "train", project / "batch-8.yaml", "--out", out)


@pytest.fixture(scope="module")
def two(project: Path) -> tuple[Path, str]:
    process = launch_training(project, project / "two")
    said = process.communicate(timeout=PATIENCE)[1].decode()
    assert process.returncode == 0, said
    return project / "two", said


def weights(folder: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(folder / "model.safetensors")


def losses(said: str) -> list[float]:
    return [float(found) for found in re.findall(r"step \d+/80, loss (\d\.\d+)", said)]


def test_two_processes_write_one_checkpoint_and_report_once(two: tuple[Path, str], project: Path) -> None:
    from communique.models.checkpoint import CheckpointClassifier

    out, said = two
    info = read_info(out, "checkpoint")
    verify_files(out, info)
    assert "2 processes, each with 8 sentences per step" in said
    # 160 rows are 10 steps of 16 rows.
    assert {said.count(f"step {step}/80, ") for step in range(10, 81, 10)} == {1}
    assert said.count("160 rows for training") == said.count("checkpoint: ") == 1
    assert "LOAD REPORT" not in said
    assert sorted(path.name for path in project.iterdir() if path.name.startswith((".two", "two"))) == ["two"]
    assert CheckpointClassifier(out).predict(["the condemn river"]).labels is not None


def test_two_processes_compute_the_same_as_one_with_batches_of_twice_the_size(
    two: tuple[Path, str], project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from communique.reporting.progress import ProgressReporter
    from communique.training.run import train

    out, said = two
    alone = train(project / "batch-16.yaml", project / "alone", progress=ProgressReporter())
    told = capfd.readouterr().err
    assert len(losses(told)) == 8
    np.testing.assert_allclose(losses(said), losses(told), atol=2e-3)
    # The validation loss is averaged over batches, which differ with two processes. Scores do not depend on batches, but rounding
    # can change the decision on a sentence.
    expected, found = ([float(score) for score in re.findall(r"macro-F1 (\d\.\d+)", text)] for text in (told, said))
    assert expected
    np.testing.assert_allclose(found, expected, atol=0.02)
    # Sums are computed in another order, and 80 steps of AdamW divide by small numbers. Compared with what was learned, the
    # differences are small. The biases of keys do not affect attention, so their gradients are nothing but rounding.
    one, both = weights(alone), weights(out)
    assert one.keys() == both.keys()
    start = weights(Path(Recipe.load(project / "batch-16.yaml").backbone))
    names = [name for name in start if f"bert.{name}" in one and not name.endswith("key.bias")]
    assert len(names) > 30
    for name in names:
        learned = np.linalg.norm(one[f"bert.{name}"] - start[name])
        assert np.linalg.norm(both[f"bert.{name}"] - one[f"bert.{name}"]) < 0.02 * learned, name


def test_killed_processes_resume_and_end_with_the_same_weights(
    two: tuple[Path, str], project: Path, tmp_path: Path
) -> None:
    from communique.data.corpus import Corpus
    from communique.training.trainer import prepare_steps

    out, steps = tmp_path / "out", tmp_path / "out.steps"
    process = launch_training(project, out)

    def has_a_whole_checkpoint() -> bool:
        assert process.poll() is None, process.stderr and process.stderr.read().decode()
        # When the second checkpoint is begun, both processes have saved the first one.
        return len(list(steps.glob("checkpoint-*"))) >= 2

    until(has_a_whole_checkpoint, "fewer than two checkpoints were started")
    # The launcher is killed first, because otherwise it would stop its processes properly.
    for each in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
        each.kill()
    process.communicate(timeout=PATIENCE)
    assert not out.exists()
    # A kill while the processes save leaves an empty file.
    last = max(steps.glob("checkpoint-*"), key=lambda folder: int(folder.name.rsplit("-", 1)[1]))
    torn = shutil.copytree(last, steps / "checkpoint-99999")
    (torn / "trainer_state.json").write_bytes(b"")
    with pytest.raises(RecipeError, match=re.escape(str(steps))):
        prepare_steps(steps, Recipe.load(project / "batch-8.yaml"), TINY, Corpus.read(project / "train.jsonl"))
    resumed = launch_training(project, out)
    said = resumed.communicate(timeout=PATIENCE)[1].decode()
    assert resumed.returncode == 0, said
    assert said.count("resuming from") == 1
    assert (out / "model.safetensors").read_bytes() == (two[0] / "model.safetensors").read_bytes()
    assert not steps.exists()


def test_all_processes_use_the_precision_that_the_first_one_chooses(tmp_path: Path) -> None:
    (script := tmp_path / "choose.py").write_text(
        "import torch\n"
        "from communique.training import distributed, precision\n"
        "torch.cpu.get_capabilities = lambda: {'avx512_bf16': True}\n"
        "precision.bf16_speed = lambda: 3.0 if distributed.rank() == 0 else 0.6\n"
        "print(precision.precision_of_run(None, 'auto'))\n"
    )
    process = launch(script)
    found, said = (stream.decode() for stream in process.communicate(timeout=PATIENCE))
    assert found.split() == ["bf16", "bf16"], said


def test_a_truncated_checkpoint_is_not_complete(tmp_path: Path) -> None:
    import torch

    from communique.training.distributed import is_complete

    state, random = tmp_path / "trainer_state.json", tmp_path / "rng_state.pth"
    assert not is_complete(tmp_path)
    state.write_text("{}")
    torch.save({"cpu": torch.get_rng_state()}, random)
    assert is_complete(tmp_path)
    for path in (state, random):
        whole = path.read_bytes()
        for cut in (b"", whole[: len(whole) // 2]):
            path.write_bytes(cut)
            assert not is_complete(tmp_path)
        path.write_bytes(whole)
    assert is_complete(tmp_path)
