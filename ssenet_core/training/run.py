"""From a training job's files to a finished checkpoint: what the three networks have in common.

In: the job's files and settings, and what is the network's own: its dataset and its loss. Out: a
checkpoint and a table of metrics.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch.utils.data import Dataset

from ssenet_core.data.manifest import Manifest
from ssenet_core.io.files import remove_leftovers, sha256_file
from ssenet_core.models.catalogue import IMAGENET_WEIGHTS, is_packaged, packaged_weights
from ssenet_core.models.checkpoints import load_backbone_weights
from ssenet_core.models.networks import build_network
from ssenet_core.settings import AnyTraining, BackboneSettings
from ssenet_core.training.devices import ANY_DEVICE, Devices
from ssenet_core.training.loop import LossFunction, Pictures, Training, fit


@dataclass(frozen=True)
class TrainingRun:
    """The files of a training job, and how it is run.

    Attributes:
        manifest: JSON of the train split.
        checkpoint: written on success; `resume/` and `tensorboard/` lie beside it.
        metrics: CSV of the losses, written on success.
        weights: file of backbone weights, or a network's checkpoint to take them from; None takes
            ImageNet's of an installed package where the settings say so, else random ones.
        code: fingerprint of the code, so that an interrupted run of older code is not resumed.
        workers: processes that load data, for each process that trains.
        save_every: steps between resume points.
        devices: what it runs on.
    """

    manifest: str | Path
    checkpoint: str | Path
    metrics: str | Path
    weights: str | Path | None = None
    code: str = ""
    workers: int = 0
    save_every: int = 200
    devices: Devices = ANY_DEVICE

    @classmethod
    def of_job(cls, job: Any) -> "TrainingRun":
        """The run that a training rule describes, from a workflow script's `snakemake` object."""
        remove_leftovers([job.output.checkpoint, job.output.metrics])
        return cls(
            manifest=job.input.manifest,
            checkpoint=job.output.checkpoint,
            metrics=job.output.metrics,
            weights=job.input.get("weights") or None,
            code=job.params.code,
            workers=job.params.workers,
            save_every=job.params.save_every,
            devices=Devices(**job.params.get("devices", {})),
        )


def train(
    fabric: Fabric,
    run: TrainingRun,
    settings: AnyTraining,
    images: Manifest,
    dataset: Dataset[Any],
    loss: LossFunction,
    labels: str = "",
    pictures: Pictures | None = None,
) -> None:
    """Build a network, give it its first weights and train it to the end.

    Args:
        fabric: of this process, see `launch`.
        run: the job.
        settings: what the training depends on; their class says which network it is.
        images: the manifest that the run names.
        dataset: maps a `Draw` to a dictionary of tensors and the image's `id`.
        loss: the named parts of a batch's loss.
        labels: checksum of the label files that the dataset reads beside the photographs.
        pictures: draws what the network sees, for TensorBoard.
    """
    torch.manual_seed(settings.seed)
    network = build_network(settings, images.classes)
    start, weights = "", _first_weights(run, settings.backbone)
    if weights is not None:
        load_backbone_weights(network.backbone, weights)
        start = sha256_file(weights)
    training = Training(
        network=network,
        dataset=dataset,
        loss=loss,
        settings=settings,
        classes=images.classes,
        data=sha256_file(run.manifest) + labels + start,
        pictures=pictures,
    )
    fit(
        training,
        fabric,
        checkpoint=run.checkpoint,
        metrics=run.metrics,
        code=run.code,
        workers=run.workers,
        save_every=run.save_every,
        compiler=run.devices.compiler(fabric.device),
    )


def _first_weights(run: TrainingRun, backbone: BackboneSettings) -> str | Path | None:
    """The file of a network's first weights, if it has one.

    An installed package's file is no input of the job: its date changes with each installation.
    """
    if run.weights is None and backbone.weights == IMAGENET_WEIGHTS and is_packaged(backbone.name):
        return packaged_weights(backbone.name)
    return run.weights
