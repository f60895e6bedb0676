"""GPU memory that runs out is the user's to mend; any other error stays what it is."""

import pytest
import torch

from ssenet_core.errors import SSENetError
from ssenet_core.memory import gpu_memory


def test_it_says_what_was_done_and_what_to_lower() -> None:
    full = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.\nmore")
    message = r"^maps of a: .*lower the scales \(CUDA.*9 GiB\.\)$"
    with pytest.raises(SSENetError, match=message), gpu_memory("maps of a", "lower the scales"):
        raise full


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="shapes differ"), gpu_memory("maps", "lower"):
        raise RuntimeError("shapes differ")
