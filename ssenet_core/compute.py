"""What a job runs on, by the section `compute` and by what this machine has."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from ssenet_core.settings import ComputeSettings

WORKER_MEM_MB = 600  # a process that has the libraries, and one image's scores


def gpus_a_job(gpus: Literal["auto", 0, 1]) -> int:
    """GPUs that a job asks for by `compute.gpus`; auto is 1 where this machine has a usable one."""
    if gpus != "auto":
        return gpus
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}
    return int(Path("/dev/nvidiactl").exists() and not hidden)


def inference_needs(compute: ComputeSettings) -> tuple[int, int]:
    """Threads and memory (MB) of an inference job, which has worker processes beside a GPU."""
    threads = compute.inference_threads if gpus_a_job(compute.gpus) else 1
    return threads, compute.shard_mem_mb + WORKER_MEM_MB * (threads - 1)


def training_devices(compute: ComputeSettings) -> dict[str, Any]:
    """What a training runs on, as arguments of `training.run.Devices`.

    GPUs that are asked for by number must be there; `auto` takes one if there is one.
    """
    how = {"compile": compute.compile}
    several = compute.train_gpus * compute.train_nodes > 1
    if not gpus_a_job(compute.gpus) or (compute.gpus == "auto" and not several):
        return how
    return how | {"gpus": compute.train_gpus, "nodes": compute.train_nodes}


def growing(amount: int) -> Callable[[Any, int], int]:
    """A rule's resource: an amount, as much again at each further attempt (`--retries`).

    Memory grows for a job that was killed for want of it. Time grows for one that starts from
    nothing; a training goes on where its time ran out, so its time stays.
    """

    def needed(wildcards: Any, attempt: int) -> int:
        return amount * attempt

    return needed
