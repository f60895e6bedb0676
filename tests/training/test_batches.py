"""Batches are a function of seed and step, so that a run can resume anywhere."""

import itertools
import shutil
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.data import Dataset

from ssenet_core.errors import SSENetError
from ssenet_core.training.batches import StepBatches, loader, plain_errors, steps_per_epoch


class Damaged(Dataset[int]):
    """Images none of which can be read."""

    def __getitem__(self, item: object) -> int:
        try:
            raise OSError("cut off")
        except OSError as error:
            raise SSENetError("a.jpg: cannot be read\n  b.jpg: neither") from error


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_a_loading_process_is_one_message(workers: int) -> None:
    batches = StepBatches(4, 2, first=0, steps=2, seed=0)
    with pytest.raises(SSENetError) as caught:
        list(plain_errors(loader(Damaged(), batches, workers)))
    assert str(caught.value) == "a.jpg: cannot be read\n  b.jpg: neither"


class Large(Dataset[Tensor]):
    """Images of 1 MiB."""

    def __getitem__(self, item: object) -> Tensor:
        return torch.zeros(2**18)


def test_little_shared_memory_is_one_message() -> None:
    if not shutil.which("unshare") or subprocess.run(["unshare", "-m", "true"]).returncode:
        pytest.skip("mounting a small /dev/shm is not allowed here")
    code = (
        "from tests.training.test_batches import Large, StepBatches, loader, plain_errors\n"
        "list(plain_errors(loader(Large(), StepBatches(8, 4, first=0, steps=2, seed=0), 1)))"
    )
    small = 'mount -t tmpfs -o size=1m tmpfs /dev/shm && exec "$@"'
    ended = subprocess.run(
        ["unshare", "-m", "sh", "-c", small, "sh", sys.executable, "-c", code],
        capture_output=True,
        text=True,
    )
    assert ended.stderr.splitlines()[-1].endswith(
        "SSENetError: the processes that load images ran out of shared memory: /dev/shm has 1 MiB; "
        "set compute.workers to 0, or start the container with more (docker run --shm-size=2g)"
    )


@given(
    images=st.integers(1, 40),
    batch_size=st.integers(1, 12),
    first=st.integers(0, 20),
    seed=st.integers(0, 9),
)
def test_a_resumed_run_sees_the_same_batches(
    images: int, batch_size: int, first: int, seed: int
) -> None:
    whole = list(StepBatches(images, batch_size, first=0, steps=25, seed=seed))
    rest = list(StepBatches(images, batch_size, first=first, steps=25, seed=seed))
    assert whole[first:] == rest


@given(images=st.integers(1, 40), batch_size=st.integers(1, 12))
def test_an_epoch_draws_no_image_twice(images: int, batch_size: int) -> None:
    steps = steps_per_epoch(images, min(batch_size, images))
    batches = StepBatches(images, batch_size, first=0, steps=steps, seed=0)
    drawn = list(itertools.chain.from_iterable(batches))
    assert len(set(drawn)) == len(drawn) == steps * min(batch_size, images)
    assert {draw.epoch for draw in drawn} == {0}


def test_processes_share_each_batch_without_overlap() -> None:
    parts = [
        list(StepBatches(20, 6, first=0, steps=7, seed=1, rank=rank, processes=2))
        for rank in (0, 1)
    ]
    whole = list(StepBatches(20, 6, first=0, steps=7, seed=1))
    for step, batch in enumerate(whole):
        assert sorted(parts[0][step] + parts[1][step]) == sorted(batch)


def test_epochs_differ() -> None:
    batches = list(StepBatches(20, 20, first=0, steps=2, seed=1))
    orders = [[draw.image for draw in batch] for batch in batches]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])


@pytest.mark.parametrize(("images", "batch_size"), [(20, 6), (6, 8)])
def test_a_batch_that_does_not_divide_is_an_error(images: int, batch_size: int) -> None:
    with pytest.raises(SSENetError, match=r"6 images .* 4 processes: batch_size must be"):
        StepBatches(images, batch_size, first=0, steps=1, seed=0, rank=0, processes=4)
