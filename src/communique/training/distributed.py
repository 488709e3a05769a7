"""Describe the processes of a training run: a single one, or those that `accelerate launch`, torchrun or mpirun started."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from accelerate.utils import get_cpu_distributed_information


def rank() -> int:
    """Return the number of this process, starting at 0. Process 0 writes the files and reports the progress."""
    # All launchers set the environment, so this also works before torch connects the processes, and with GPUs.
    return int(get_cpu_distributed_information().rank)


def world_size() -> int:
    """Return the number of processes."""
    return int(get_cpu_distributed_information().world_size)


def is_complete(checkpoint: Path) -> bool:
    """Check whether a checkpoint of the trainer is complete, with its state and the random state of each process."""
    # The trainer defines these names. A killed process can leave empty or truncated files. Process 0 writes its state last, but
    # does not wait for other processes, which may still be writing their random states.
    names = ["rng_state.pth"] if world_size() == 1 else [f"rng_state_{i}.pth" for i in range(world_size())]
    try:
        json.loads((checkpoint / "trainer_state.json").read_bytes())
    except (OSError, ValueError):
        return False
    # torch.save writes a ZIP archive. Its directory is at the end, so a truncated file is not valid.
    return all(zipfile.is_zipfile(checkpoint / name) for name in names)
