"""Describe the processes of a training run: a single one, or those that `accelerate launch`, torchrun or mpirun started."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar, cast

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, get_cpu_distributed_information, parse_flag_from_env

Value = TypeVar("Value")


def rank() -> int:
    """Return the number of this process, starting at 0. Process 0 writes the files and reports the progress."""
    # All launchers set the environment, so this also works before torch connects the processes, and with GPUs.
    return int(get_cpu_distributed_information().rank)


def world_size() -> int:
    """Return the number of processes."""
    return int(get_cpu_distributed_information().world_size)


def on_cpu() -> bool:
    """Return whether training runs on the CPU, because there is no accelerator or because the user wants it."""
    return bool(parse_flag_from_env("ACCELERATE_USE_CPU")) or not torch.accelerator.is_available()


def from_first(compute: Callable[[], Value]) -> Value:
    """Return in all processes what a function returns in process 0. All processes must call this function.

    Args:
        compute: The function. Its value can be pickled, and it raises no errors, because the other processes would wait.
    """
    if world_size() == 1:
        return compute()
    # This connects the processes, with the time limit of the trainer, which later uses the same connection.
    state = PartialState(cpu=on_cpu(), timeout=timedelta(minutes=30))
    return cast(Value, broadcast_object_list([compute() if state.is_main_process else None])[0])


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
