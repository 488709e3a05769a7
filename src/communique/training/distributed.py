"""The processes of a training: one, or as many as `accelerate launch`, torchrun or mpirun started."""

from __future__ import annotations

from pathlib import Path

from accelerate.utils import get_cpu_distributed_information


def rank() -> int:
    """Give this process's place among them, from 0; the first writes files and tells how far it is."""
    # Read from the environment, which all launchers set and GPUs do not change: before torch connects the processes.
    return int(get_cpu_distributed_information().rank)


def world_size() -> int:
    """Count them."""
    return int(get_cpu_distributed_information().world_size)


def has_all_random_states(folder: Path) -> bool:
    """Tell whether the trainer's checkpoint holds the random state of each process."""
    # The trainer's own names.
    names = ["rng_state.pth"] if world_size() == 1 else [f"rng_state_{i}.pth" for i in range(world_size())]
    return all((folder / name).exists() for name in names)
