"""Where networks run, and in which precision."""

from contextlib import AbstractContextManager, nullcontext

import torch


def pick_device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Mixed precision for inference: "32-true", "16-mixed" or "bf16-mixed"."""
    kinds = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}
    if precision not in kinds:
        return nullcontext()
    return torch.autocast(device.type, dtype=kinds[precision])
