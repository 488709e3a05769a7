"""The processes of a training: one, or as many as `accelerate launch`, torchrun or mpirun started."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from accelerate.utils import get_cpu_distributed_information


def rank() -> int:
    """Give this process's place among them, from 0; the first writes files and tells how far it is."""
    # Read from the environment, which all launchers set and GPUs do not change: before torch connects the processes.
    return int(get_cpu_distributed_information().rank)


def world_size() -> int:
    """Count them."""
    return int(get_cpu_distributed_information().world_size)


def is_complete(checkpoint: Path) -> bool:
    """Tell whether a checkpoint of the trainer was written whole: its state, and the random state of each process."""
    # The trainer's own names. A process that is killed leaves files that are empty or cut off, and the processes do not wait
    # for each other: the first writes its state last, but another may still write its random state then.
    names = ["rng_state.pth"] if world_size() == 1 else [f"rng_state_{i}.pth" for i in range(world_size())]
    try:
        json.loads((checkpoint / "trainer_state.json").read_bytes())
    except (OSError, ValueError):
        return False
    # torch.save writes a ZIP archive, whose directory comes last.
    return all(zipfile.is_zipfile(checkpoint / name) for name in names)
