"""The device of a process: a GPU that no other has, else the CPU; the GPUs here are pretended."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ssenet_core.errors import SSENetError
from ssenet_core.models.device import fabric_flags, pick_device
from ssenet_core.models.gpus import claim_gpu, lock_folder

Pretend = Callable[..., None]


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Pretend]:
    """Make torch see some GPUs, with a temporary folder of their own."""
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))

    def see(*gpus: str) -> None:
        found = [SimpleNamespace(uuid=gpu) for gpu in gpus]
        monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(found))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(found))
        monkeypatch.setattr(torch.cuda, "get_device_properties", found.__getitem__)
        pick_device.cache_clear()

    yield see
    pick_device.cache_clear()


def test_training_runs_on_a_gpu_that_no_other_has(pretend: Pretend) -> None:
    pretend("a", "b")
    claim_gpu(["a"], lock_folder())
    assert pick_device() == torch.device("cuda", 1)
    assert fabric_flags(pick_device()) == {"accelerator": "cuda", "devices": [1]}


def test_a_process_keeps_its_gpu(pretend: Pretend) -> None:
    pretend("a", "b")
    assert pick_device() == pick_device() == torch.device("cuda", 0)


def test_without_a_gpu_it_is_the_cpu(pretend: Pretend) -> None:
    pretend()
    assert pick_device() == torch.device("cpu")


def test_another_users_folder_is_refused(pretend: Pretend, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend("a")
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    with pytest.raises(SSENetError, match="another user's; set TMPDIR"):
        pick_device()
