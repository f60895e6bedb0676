"""Where networks run, and in which precision."""

import logging
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ssenet_core.errors import SSENetError
from ssenet_core.models.gpus import claim_gpu, lock_folder

LOG = logging.getLogger("ssenet")

Network = TypeVar("Network", bound=nn.Module)


@cache
def pick_device() -> torch.device:
    """The GPU that this process has until it ends, if there is one, else the CPU.

    Among several it is one that no other process of this user has. Where SLURM, or anyone, shows
    the process a single GPU (`CUDA_VISIBLE_DEVICES`), it is that one.

    Raises:
        SSENetError: the folder in which GPUs are shared out is another user's.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    gpus = visible_gpus()
    index = claim_gpu(gpus, lock_folder())
    LOG.info("running on GPU %d of %d, %s", index, len(gpus), gpus[index])
    return torch.device("cuda", index)


def visible_gpus() -> list[str]:
    """What tells the GPUs apart, by index: the same text in all processes, in whatever order."""
    properties = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    return [str(found.uuid) for found in properties]


def fabric_flags(device: torch.device) -> dict[str, Any]:
    """Lightning Fabric's arguments for running on a device; other kinds of GPU are its to find."""
    if device.type == "cuda":
        return {"accelerator": "cuda", "devices": [device.index]}
    return {"accelerator": "auto", "devices": 1}


def placed(network: Network, device: torch.device) -> Network:
    """A network on a device: on a GPU with its channels last, as its matrix units want them.

    The order in memory changes no value but by rounding. (On the CPU PyTorch 2.11 corrupts memory
    in the backward pass of such convolutions.)
    """
    if device.type == "cuda":
        return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.to(device)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Mixed precision for inference: "32-true", "16-mixed" or "bf16-mixed"."""
    kinds = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}
    if precision not in kinds:
        return nullcontext()
    return torch.autocast(device.type, dtype=kinds[precision])


def finite(values: Tensor, precision: str) -> Tensor:
    """The values of a network's answer as they are.

    Raises:
        SSENetError: some are infinite or not numbers.
    """
    if not values.isfinite().all():
        raise SSENetError(
            f"the network's answer has numbers that are not finite, in precision {precision}; "
            "where that is 16-mixed, try bf16-mixed or 32-true, else train the network anew"
        )
    return values
