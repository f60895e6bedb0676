"""The device of a process: a GPU that no other has, else the CPU; the GPUs here are pretended."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ssenet_core.errors import SSENetError
from ssenet_core.models.device import claim_gpu, lock_folder, pick_device

HOLDER = """
import sys
from pathlib import Path
from ssenet_core.models.device import claim_gpu
print(claim_gpu("ab", Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""
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


def test_claims_are_of_different_gpus(tmp_path: Path) -> None:
    """A lock is of one claim, so that claims of one process are like those of several."""
    assert sorted(claim_gpu("abc", tmp_path) for _ in range(3)) == [0, 1, 2]


def test_more_claims_than_gpus_share_them_evenly(tmp_path: Path) -> None:
    assert sorted(claim_gpu("ab", tmp_path) for _ in range(4)) == [0, 0, 1, 1]


def test_a_killed_process_frees_its_gpu(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline().strip() == "0"
    assert claim_gpu("ab", tmp_path) == 1
    holder.kill()
    holder.communicate()
    assert claim_gpu("ab", tmp_path) == 0


def test_a_gpu_is_known_under_another_index(tmp_path: Path) -> None:
    claim_gpu("b", tmp_path)  # the first that this process sees
    assert claim_gpu("ab", tmp_path) == 0
    assert claim_gpu("cb", tmp_path) == 0


def test_the_one_gpu_that_is_shown_is_taken(tmp_path: Path) -> None:
    """SLURM has shared the GPUs out already; both jobs of a node may see theirs as the first."""
    assert [claim_gpu("b", tmp_path) for _ in range(2)] == [0, 0]
