"""What a job runs on, by the section `compute` and by what this machine has."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WORKER_MEM_MB = 600  # a process that has the libraries, and one image's scores


def gpus_a_job(compute: Mapping[str, Any]) -> int:
    """GPUs that a job asks for: `compute.gpus`, or 1 where this machine has one to be used."""
    if compute["gpus"] != "auto":
        return int(compute["gpus"])
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}
    return int(Path("/dev/nvidiactl").exists() and not hidden)


def inference_needs(compute: Mapping[str, Any]) -> tuple[int, int]:
    """Threads and memory (MB) of an inference job, which has worker processes beside a GPU."""
    threads = compute["inference_threads"] if gpus_a_job(compute) else 1
    return threads, compute["shard_mem_mb"] + WORKER_MEM_MB * (threads - 1)


def training_devices(compute: Mapping[str, Any]) -> dict[str, Any]:
    """What a training runs on, as arguments of `training.devices.Devices`.

    GPUs that are asked for by number must be there; `auto` takes one if there is one.
    """
    how = {"compile": compute["compile"]}
    several = compute["train_gpus"] * compute["train_nodes"] > 1
    if not gpus_a_job(compute) or (compute["gpus"] == "auto" and not several):
        return how
    return how | {"gpus": compute["train_gpus"], "nodes": compute["train_nodes"]}
