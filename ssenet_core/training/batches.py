"""Which images a step trains on: a function of seed and step alone, so that a run can resume.

A dataset is indexed by a `Draw`: image index and epoch. Its augmentation takes its random numbers
from (seed, epoch, index), so a batch is the same whatever the number of loading processes.
"""

import shutil
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from ssenet_core.errors import SSENetError

MIB = 2**20


class Draw(NamedTuple):
    """One image of one epoch."""

    image: int
    epoch: int


def augmentation_rng(seed: int, draw: Draw) -> np.random.Generator:
    """The random numbers of one image's augmentation in one epoch."""
    return np.random.default_rng((seed, draw.epoch, draw.image))


class StepBatches(Sampler[list[Draw]]):
    """Batches from one step to another; each epoch is a fresh permutation, its rest dropped.

    Args:
        images: number of images; fewer than a batch make a smaller batch.
        batch_size: images a step, over all processes.
        first: the step to start at.
        steps: the step to stop before.
        seed: decides the permutations.
        rank, processes: this process's part of every batch.

    Raises:
        SSENetError: the processes cannot share a batch evenly.
    """

    def __init__(
        self,
        images: int,
        batch_size: int,
        *,
        first: int,
        steps: int,
        seed: int,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.images, self.batch_size = images, min(batch_size, images)
        self.first, self.steps, self.seed = first, steps, seed
        self.rank, self.processes = rank, processes
        if self.batch_size % processes:
            raise SSENetError(
                f"a batch of {self.batch_size} images cannot be shared evenly by {processes} "
                "processes: batch_size must be a multiple of compute.train_gpus x "
                f"compute.train_nodes (and so must {images}, the images, if these are fewer)"
            )

    def __len__(self) -> int:
        return self.steps - self.first

    def __iter__(self) -> Iterator[list[Draw]]:
        per_epoch = steps_per_epoch(self.images, self.batch_size)
        for step in range(self.first, self.steps):
            epoch, position = divmod(step, per_epoch)
            order = np.random.default_rng((self.seed, epoch)).permutation(self.images)
            batch = order[position * self.batch_size : (position + 1) * self.batch_size]
            yield [Draw(int(index), epoch) for index in batch[self.rank :: self.processes]]


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Whole batches in an epoch, at least one."""
    return max(1, images // batch_size)


def loader(dataset: Dataset[Any], batches: StepBatches, workers: int) -> DataLoader[Any]:
    """Load `batches` with `workers` processes of one thread each (0: in this process)."""
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=workers > 0,
        worker_init_fn=_one_thread,
    )


def plain_errors(batches: Iterable[Any]) -> Iterator[Any]:
    """The batches; a loading process's error without the traceback that the loader makes of it.

    Raises:
        SSENetError: the dataset's own, or shared memory, of which containers have little, ran out.
    """
    try:
        yield from batches
    except SSENetError as error:
        name = f"{SSENetError.__module__}.{SSENetError.__qualname__}: "
        raise SSENetError(str(error).rpartition(name)[2].strip()) from None
    except RuntimeError as error:
        if "shared memory" not in str(error):
            raise
        size = shutil.disk_usage("/dev/shm").total / MIB
        raise SSENetError(
            "the processes that load images ran out of shared memory: /dev/shm has "
            f"{size:.0f} MiB; set compute.workers to 0, or start the container with more "
            "(docker run --shm-size=2g)"
        ) from error


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
