"""Where networks run, and in which precision.

Snakemake counts GPUs (`--resources gpu=2`) and does not tell a job which one is its own. Therefore
the processes of one user on one machine share the GPUs out by lock files in the temporary folder.
Raises `SSENetError` where another user owns that folder, or a network's output is not finite.
"""

import fcntl
import logging
import os
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from itertools import count
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from ssenet_core.errors import SSENetError

LOG = logging.getLogger("ssenet")

Network = TypeVar("Network", bound=nn.Module)


@cache
def pick_device() -> torch.device:
    """The GPU that this process has until it ends, if there is one, else the CPU.

    Among several it is one that no other process of this user has. Where SLURM, or anyone, shows
    the process a single GPU (`CUDA_VISIBLE_DEVICES`), it is that one.

    Raises:
        SSENetError: the folder of the lock files is another user's.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    gpus = visible_gpus()
    index = claim_gpu(gpus, lock_folder())
    LOG.info("running on GPU %d of %d, %s", index, len(gpus), gpus[index])
    return torch.device("cuda", index)


def visible_gpus() -> list[str]:
    """Names of the GPUs, by index: the same in all processes, in whatever order."""
    properties = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    return [str(found.uuid) for found in properties]


def lock_folder() -> Path:
    """Where this user's processes lock GPUs, made if need be.

    Raises:
        SSENetError: it is another user's.
    """
    folder = Path(tempfile.gettempdir()) / f"ssenet-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid != os.getuid():
        raise SSENetError(f"{folder}: it is another user's; set TMPDIR to a folder of your own")
    return folder


def claim_gpu(gpus: Sequence[str], folder: Path) -> int:
    """Take the GPU that the fewest processes have, until this process ends, however it ends.

    Args:
        gpus: names, at least one; see `visible_gpus`.
        folder: holds the locks of all processes that share the GPUs.

    Returns:
        The index of a GPU: of one that nobody has, if there is. Nobody ever waits.
    """
    turns = ((turn, index) for turn in count() for index in range(len(gpus)))
    return next(index for turn, index in turns if _locked(folder / f"{gpus[index]}.{turn}"))


def _locked(path: Path) -> bool:
    """Lock a file for the rest of the process, unless another has it locked."""
    # Nothing closes the descriptor: the lock lives as long as it does. Forked workers have it too.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    return True


def to_device(network: Network, device: torch.device) -> Network:
    """A network on a device; on a GPU in the memory format channels last, which is faster there.

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


def check_finite(values: Tensor, precision: str) -> Tensor:
    """A network's output as it is.

    Raises:
        SSENetError: some values are infinite or not numbers.
    """
    if not values.isfinite().all():
        raise SSENetError(
            f"the network's answer has numbers that are not finite, in precision {precision}; "
            "where that is 16-mixed, try bf16-mixed or 32-true, else train the network anew"
        )
    return values
