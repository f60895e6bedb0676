"""What a job runs on, by the section `compute` and by what this machine has."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def gpus_a_job(compute: Mapping[str, Any]) -> int:
    """GPUs that a job asks for: `compute.gpus`, or 1 where this machine has one to be used."""
    if compute["gpus"] != "auto":
        return int(compute["gpus"])
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}
    return int(Path("/dev/nvidiactl").exists() and not hidden)


def training_devices(compute: Mapping[str, Any]) -> dict[str, int]:
    """What a training runs on, as arguments of `training.devices.Devices`.

    GPUs that are asked for by number must be there; `auto` takes one if there is one.
    """
    several = compute["train_gpus"] * compute["train_nodes"] > 1
    if not gpus_a_job(compute) or (compute["gpus"] == "auto" and not several):
        return {}
    return {"gpus": compute["train_gpus"], "nodes": compute["train_nodes"]}
