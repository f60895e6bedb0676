"""The training loop that the three networks share, on Lightning Fabric.

In: a network, a dataset of augmented images, a loss. Out: a checkpoint and a table of metrics.
A run that was killed goes on from its last saved step with the same data order and random state.
Several processes share each batch and average their gradients; the first of them writes.
Fails with `SSENetError` when the loss is not finite, in all processes if it is so in one.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import Dataset

from ssenet_core.errors import SSENetError
from ssenet_core.jobs import gpu_memory, progress
from ssenet_core.models.checkpoints import save_checkpoint
from ssenet_core.models.device import to_device
from ssenet_core.settings import AnyTraining, DeepLabTraining
from ssenet_core.training.batch_norm import synchronise_batch_norm
from ssenet_core.training.batches import StepBatches, loader, plain_errors, steps_per_epoch
from ssenet_core.training.devices import ANY_DEVICE
from ssenet_core.training.metrics import Metrics
from ssenet_core.training.optimizer import build_optimizer, poly_rate, set_rate
from ssenet_core.training.processes import averaged, from_all, process_count, process_rank
from ssenet_core.training.resume import ResumePoint, resume_key

LOG = logging.getLogger("ssenet")
RANK_STRIDE = 100_000_007  # between the seeds of two processes: more than any training's steps

Batch = dict[str, Any]
Pictures = Callable[[nn.Module], dict[str, Tensor]]
LossFunction = Callable[[nn.Module, Batch], dict[str, Tensor]]


@dataclass(frozen=True)
class Training:
    """One training run.

    Attributes:
        network: what is trained; its `head()` names the layers with new weights.
        dataset: maps a `Draw` to a dictionary of tensors and the image's `id`.
        loss: the named parts of a batch's loss; "loss" is minimised.
        settings: what it depends on; their class says which network it is.
        classes: foreground class names, for the checkpoint.
        data: checksum of what the dataset reads, for the resume key.
        pictures: draws what the network sees, for TensorBoard, whenever a resume point is saved.
    """

    network: Any
    dataset: Dataset[Any]
    loss: LossFunction
    settings: AnyTraining
    classes: tuple[str, ...]
    data: str
    pictures: Pictures | None = None

    @property
    def kind(self) -> str:
        """cam, affinity or deeplab."""
        return self.settings.stage

    @property
    def images(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    @property
    def epoch_steps(self) -> int:
        return steps_per_epoch(self.images, min(self.settings.batch_size, self.images))

    @property
    def steps(self) -> int:
        if isinstance(self.settings, DeepLabTraining):
            return self.settings.iterations
        return self.settings.epochs * self.epoch_steps


def fit(
    training: Training,
    fabric: Fabric | None = None,
    *,
    checkpoint: str | Path,
    metrics: str | Path,
    code: str = "",
    workers: int = 0,
    save_every: int = 200,
    compiler: str | None = None,
) -> None:
    """Train to the end, from the last saved step if an earlier run was interrupted.

    Args:
        fabric: of this process, see `launch`; None for one on one device.
        checkpoint: written when the run is done; `resume/` and `tensorboard/` lie beside it.
        metrics: CSV of loss parts and learning rate.
        code: fingerprint of the code, part of the resume key.
        workers: processes that load data, for each process that trains.
        save_every: steps between resume points.
        compiler: backend of torch.compile; None computes the network as it is.

    Raises:
        SSENetError: the loss became infinite or not a number, GPU memory ran out, or the processes
            cannot share a batch evenly.
    """
    settings = training.settings
    fabric = fabric or ANY_DEVICE.fabric(settings.precision)
    key = resume_key(settings=settings.used_in_training(), data=training.data, code=code)
    resume = ResumePoint(checkpoint, key)
    if process_count() > 1:
        synchronise_batch_norm(training.network)
    optimizer = build_optimizer(training.network, training.network.head(), settings.optimizer)
    if compiler is not None:
        # A training has few sizes of views, each worth kernels of its own.
        training.network.compile(backend=compiler, dynamic=False)
    network, optimizer = fabric.setup(to_device(training.network, fabric.device), optimizer)
    state = resume.load()
    first = 0 if state is None else state["step"]
    _agree_on(first, resume)
    if state is not None:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
    network.train()
    writes = fabric.is_global_zero
    events = Path(checkpoint).parent / "tensorboard" if writes else None
    with Metrics(events, training.steps, []) as table:
        if state is not None:
            table.restore(state["metrics"])
        for step, batch in enumerate(_batches(training, first, workers, fabric), start=first):
            _step(training, network, optimizer, fabric, step, batch, table, resume)
            if writes and (step + 1) % save_every == 0 and step + 1 < training.steps:
                resume.save(
                    step + 1,
                    {
                        "network": network.state_dict(),
                        "optimizer": optimizer.state_dict(),
                        "metrics": table.state(),
                    },
                )
                if training.pictures:
                    with torch.compiler.set_stance("force_eager"):  # not for their sizes
                        table.show(step + 1, training.pictures(network.module))
        if not writes:
            return
        table.write(metrics)
        summary = table.rows[-1] if table.rows else {}
    save_checkpoint(
        checkpoint,
        network.module,
        settings=settings,
        classes=training.classes,
    )
    resume.remove()
    LOG.info(
        "%s trained on %d images in %d steps; last loss %.4f",
        checkpoint,
        training.images,
        training.steps,
        summary.get("loss", math.nan),
    )


def _agree_on(first: int, resume: ResumePoint) -> None:
    """See that all processes start at the same step."""
    steps = from_all(first)
    if len(set(steps)) > 1:
        raise SSENetError(
            f"{resume.path}: the processes would start after steps {steps}; all machines must see "
            "the same files"
        )


def _batches(training: Training, first: int, workers: int, fabric: Fabric) -> Any:
    sampler = StepBatches(
        training.images,
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
        size=min(training.settings.batch_size, training.images),
    )


def _step(
    training: Training,
    network: Any,
    optimizer: Any,
    fabric: Fabric,
    step: int,
    batch: Batch,
    table: Metrics,
    resume: ResumePoint,
) -> None:
    """One step of gradient descent; dropout's random state is a function of seed, step and rank."""
    settings = training.settings.optimizer
    own_numbers = process_rank() * RANK_STRIDE
    torch.manual_seed(training.settings.seed * 1_000_003 + step + own_numbers)
    rate = poly_rate(step, training.steps, settings.lr, settings.power)
    set_rate(optimizer, rate)
    optimizer.zero_grad(set_to_none=True)
    with gpu_memory(
        f"step {step + 1} of {training.kind} training with {len(batch['id'])} images on the GPU",
        "lower batch_size or crop, use precision bf16-mixed, or share batches with more GPUs "
        "(compute.train_gpus)",
    ):
        parts = training.loss(network, batch)
        values = averaged(parts)
        if not math.isfinite(values["loss"]):
            raise SSENetError(
                _not_finite(training.kind, step, parts["loss"], values, batch, resume)
            )
        fabric.backward(parts["loss"])
        optimizer.step()
    table.add(step + 1, values, epoch=(step + 1) / training.epoch_steps, lr=rate)


def _not_finite(
    kind: str,
    step: int,
    own: Tensor,
    values: dict[str, float],
    batch: Batch,
    resume: ResumePoint,
) -> str:
    """What to say of a loss that is not a number, with the images of the processes that have it."""
    guilty = from_all([] if own.isfinite().all() else list(batch["id"]))
    saved = resume.path if resume.path.exists() else "none yet"
    return (
        f"step {step + 1} of {kind} training: the loss is {values}, not a finite number; "
        f"images {', '.join(image for images in guilty for image in images)}; "
        f"last good state: {saved}; try a lower optimizer.lr, or precision 32-true"
    )
