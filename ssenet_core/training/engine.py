"""The training loop that the three networks share, on Lightning Fabric.

A run that was killed continues from its last saved step, with the same data order and random state.
Several processes share each batch and average their gradients; the first of them writes.
Raises `SSENetError` when the loss is not finite, in all processes if it is so in one.
"""

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from timm.layers import convert_sync_batchnorm
from torch import Tensor, nn
from torch.utils.data import Dataset

from ssenet_core.data.manifest import Manifest
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import sha256_file
from ssenet_core.jobs import gpu_memory, progress
from ssenet_core.models.catalogue import IMAGENET_WEIGHTS, is_packaged, packaged_weights
from ssenet_core.models.checkpoints import build_network, load_backbone_weights, save_checkpoint
from ssenet_core.models.device import to_device
from ssenet_core.settings import AnyTraining, DeepLabTraining
from ssenet_core.training.batches import StepBatches, loader, plain_errors, steps_per_epoch
from ssenet_core.training.distributed import (
    all_reduce_mean,
    gather_objects,
    process_count,
    process_rank,
)
from ssenet_core.training.metrics import Metrics
from ssenet_core.training.optimizer import build_optimizer, poly_rate, set_rate
from ssenet_core.training.resume import ResumePoint, resume_key
from ssenet_core.training.run import TrainingRun

LOG = logging.getLogger("ssenet")
# Between the seeds of torch's generator at one step: of two values of `seed`, of two processes.
SEED_STRIDE = 1_000_003
RANK_STRIDE = 100_000_007  # more than any training's steps

Batch = dict[str, Any]
Pictures = Callable[[nn.Module], dict[str, Tensor]]
LossFunction = Callable[[nn.Module, Batch], dict[str, Tensor]]


@dataclass(frozen=True)
class Training:
    """What is trained, and on what.

    Attributes:
        network: with its initial weights; its `head()` names the layers with new ones.
        dataset: maps a `Draw` to a dictionary of tensors and the image's `id`.
        loss: the named parts of a batch's loss; "loss" is minimised.
        settings: what the training depends on; their class says which network it is.
        classes: foreground class names, for the checkpoint.
        data: checksum of what the dataset reads, for the resume key.
        pictures: draws what the network sees, for TensorBoard, whenever a resume point is saved.
        longest_edge: of the images, for the checkpoint, pixels.
    """

    network: Any
    dataset: Dataset[Any]
    loss: LossFunction
    settings: AnyTraining
    classes: tuple[str, ...]
    data: str
    pictures: Pictures | None = None
    longest_edge: int | None = None

    @property
    def kind(self) -> str:
        """cam, affinity or deeplab."""
        return self.settings.stage

    @property
    def image_count(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    @property
    def batch_size(self) -> int:
        """Images a step, over all processes."""
        return min(self.settings.batch_size, self.image_count)

    @property
    def epoch_steps(self) -> int:
        return steps_per_epoch(self.image_count, self.batch_size)

    @property
    def steps(self) -> int:
        if isinstance(self.settings, DeepLabTraining):
            return self.settings.iterations
        return self.settings.epochs * self.epoch_steps


def new_training(
    run: TrainingRun,
    settings: AnyTraining,
    images: Manifest,
    dataset: Dataset[Any],
    loss: LossFunction,
    *,
    labels: str = "",
    pictures: Pictures | None = None,
) -> Training:
    """A training of a new network, which has its initial weights.

    Args:
        run: the job.
        settings: what the training depends on; their class says which network it is.
        images: the manifest that the run names.
        dataset: see `Training`.
        loss: see `Training`.
        labels: checksum of the label files that the dataset reads beside the photographs.
        pictures: see `Training`.
    """
    torch.manual_seed(settings.seed)
    network = build_network(settings, images.classes)
    data, weights, backbone = sha256_file(run.manifest) + labels, run.weights, settings.backbone
    if weights is None and backbone.weights == IMAGENET_WEIGHTS and is_packaged(backbone.name):
        # No input of the job, as the file's date changes with each installation.
        weights = packaged_weights(backbone.name)
    if weights is not None:
        load_backbone_weights(network.backbone, weights)
        data += sha256_file(weights)
    return Training(
        network, dataset, loss, settings, images.classes, data, pictures, images.longest_edge
    )


def fit(training: Training, run: TrainingRun) -> None:
    """Train to the end, from the last saved step if an earlier run was interrupted.

    Raises:
        SSENetError: the loss became infinite or not a number, GPU memory ran out, or the processes
            cannot share a batch evenly.
    """
    settings = training.settings
    fabric = run.devices.fabric(settings.precision)
    network, optimizer = _set_up(training, run, fabric)
    key = resume_key(settings=settings.used_in_training(), data=training.data, code=run.code)
    resume = ResumePoint(run.checkpoint, key)
    state = resume.load()
    first = 0 if state is None else state["step"]
    _check_same_step(first, resume)
    if state is not None:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
    network.train()
    writes = fabric.is_global_zero
    events = Path(run.checkpoint).parent / "tensorboard" if writes else None
    with Metrics(events, training.steps, first, state and state["metrics"]) as table:
        for step, batch in enumerate(_batches(training, first, run.workers, fabric), start=first):
            # Dropout is a function of seed, step and rank.
            torch.manual_seed(settings.seed * SEED_STRIDE + step + process_rank() * RANK_STRIDE)
            rate = poly_rate(step, training.steps, settings.optimizer.lr, settings.optimizer.power)
            set_rate(optimizer, rate)
            optimizer.zero_grad(set_to_none=True)
            with _gpu_memory(training, step, batch):
                parts = training.loss(network, batch)
                values = all_reduce_mean(parts)
                if not math.isfinite(values["loss"]):
                    raise SSENetError(
                        _not_finite(training, step, parts["loss"], values, batch, resume)
                    )
                fabric.backward(parts["loss"])
                optimizer.step()
            table.add(step + 1, values, epoch=(step + 1) / training.epoch_steps, lr=rate)
            if writes and (step + 1) % run.save_every == 0 and step + 1 < training.steps:
                state = {
                    "network": network.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "metrics": table.state(),
                }
                resume.save(step + 1, state)
                _show_pictures(training, network.module, step, table)
    if writes:
        _finish(training, run, network.module, table, resume)


def _set_up(training: Training, run: TrainingRun, fabric: Fabric) -> tuple[Any, Any]:
    """Network and optimiser on the device of this process."""
    network = training.network
    if process_count() > 1 and fabric.device.type == "cuda":
        # Torch's synchronised layer runs on GPUs alone. On CPUs each process has its own statistics
        # where batch normalisation is not frozen.
        network = convert_sync_batchnorm(network)
    optimizer = build_optimizer(network, network.head(), training.settings.optimizer)
    compiler = run.devices.compiler(fabric.device)
    if compiler is not None:
        # A training has few sizes of views, each worth kernels of its own.
        network.compile(backend=compiler, dynamic=False)
    return fabric.setup(to_device(network, fabric.device), optimizer)


def _check_same_step(first: int, resume: ResumePoint) -> None:
    """See that all processes start at the same step."""
    steps = gather_objects(first)
    if len(set(steps)) > 1:
        raise SSENetError(
            f"{resume.path}: the processes would start after steps {steps}; all machines must see "
            "the same files"
        )


def _batches(training: Training, first: int, workers: int, fabric: Fabric) -> Iterator[Batch]:
    """This process's share of the batches from a step on, with progress in the log."""
    sampler = StepBatches(
        training.image_count,
        training.settings.batch_size,
        first=first,
        steps=training.steps,
        seed=training.settings.seed,
        rank=process_rank(),
        processes=process_count(),
    )
    batches = plain_errors(
        fabric.setup_dataloaders(
            loader(training.dataset, sampler, workers), use_distributed_sampler=False
        )
    )
    if not fabric.is_global_zero:
        return batches
    return progress(
        batches,
        total=training.steps,
        description=f"training {training.kind}, step",
        done=first,
        unit="images",
        size=training.batch_size,
    )


def _gpu_memory(training: Training, step: int, batch: Batch) -> AbstractContextManager[None]:
    """What a step that runs out of GPU memory is told."""
    return gpu_memory(
        f"step {step + 1} of {training.kind} training with {len(batch['id'])} images on the GPU",
        "lower batch_size or crop, use precision bf16-mixed, or share batches with more GPUs "
        "(compute.train_gpus)",
    )


def _not_finite(
    training: Training,
    step: int,
    own: Tensor,
    values: dict[str, float],
    batch: Batch,
    resume: ResumePoint,
) -> str:
    """The message on a loss that is not finite; it names the images of the processes that have it.

    Args:
        own: this process's loss.
        values: the parts of the loss, averaged over the processes.
    """
    guilty = gather_objects([] if own.isfinite().all() else list(batch["id"]))
    saved = resume.path if resume.path.exists() else "none yet"
    return (
        f"step {step + 1} of {training.kind} training: the loss is {values}, not a finite number; "
        f"images {', '.join(image for images in guilty for image in images)}; "
        f"last good state: {saved}; try a lower optimizer.lr, or precision 32-true"
    )


def _show_pictures(training: Training, network: nn.Module, step: int, table: Metrics) -> None:
    if training.pictures:
        # Compiling for the pictures' sizes would cost more than it saves.
        with torch.compiler.set_stance("force_eager"):
            table.show(step + 1, training.pictures(network))


def _finish(
    training: Training, run: TrainingRun, network: Any, table: Metrics, resume: ResumePoint
) -> None:
    """Write metrics and checkpoint; the resume point is no longer needed."""
    table.write(run.metrics)
    save_checkpoint(
        run.checkpoint,
        network,
        settings=training.settings,
        classes=training.classes,
        longest_edge=training.longest_edge,
    )
    resume.remove()
    LOG.info(
        "%s trained on %d images in %d steps; last loss %.4f",
        run.checkpoint,
        training.image_count,
        training.steps,
        table.rows[-1]["loss"],
    )
