"""Training of the CAM network: two views of a crop, tags, Eq. 1 of the paper.

The second view is the first one scaled, flipped or rotated, as `ser.transforms` says; with
`ser.weight` 0 it is left out and the same code trains the baseline. No mask is read. `train_cam`
raises `SSENetError` as `training.engine.fit`.
"""

import csv
import logging
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from ssenet_core.cam.losses import (
    classification_loss,
    raw_equivariance_loss,
    scale_equivariance_loss,
)
from ssenet_core.cam.transforms import draw_warp, size_of
from ssenet_core.cam.watching import WatchedMaps
from ssenet_core.data import augment
from ssenet_core.data.manifest import ImageRecord, Manifest, load_manifest
from ssenet_core.models.catalogue import normalisation
from ssenet_core.settings import CamTraining
from ssenet_core.training.batches import Draw, augmentation_rng
from ssenet_core.training.distributed import broadcast_object, process_rank
from ssenet_core.training.engine import Batch, LossFunction, fit, new_training
from ssenet_core.training.run import TrainingRun

LOG = logging.getLogger("ssenet")
UNLEARNT = 0.5  # of the labels' entropy: a network that tells most classes apart is far below


def train_cam(run: TrainingRun, settings: CamTraining) -> None:
    """Train a CAM network on the tags of a manifest.

    Args:
        run: the job's files; with several processes, each makes this call (see `launch`).
        settings: what training depends on.
    """
    images = load_manifest(run.manifest)
    training = new_training(
        run,
        settings,
        images,
        TaggedViews(images, settings),
        cam_loss(settings),
        pictures=WatchedMaps(images, settings),
    )
    fit(training, run)
    if process_rank() == 0:  # the one process that wrote the metrics
        _warn_if_unlearnt(run, settings, images)


def last_loss(metrics: str | Path) -> float:
    """Mean classification loss of the last epoch in the CSV of a training."""
    with Path(metrics).open(newline="") as file:
        rows = list(csv.DictReader(file))
    begins = float(rows[-1]["epoch"]) - 1
    return mean(float(row["classification"]) for row in rows if float(row["epoch"]) > begins)


def label_entropy(manifest: Manifest) -> float:
    """Mean over the classes of the binary entropy of having the class, in nats.

    It is the least classification loss of a network that does not look at the images.
    """
    classes = len(manifest.classes)
    tags = torch.stack([tag_vector(image, classes) for image in manifest.images])
    return float(torch.special.entr(torch.stack([tags.mean(0), 1 - tags.mean(0)])).sum(0).mean())


def _warn_if_unlearnt(run: TrainingRun, settings: CamTraining, images: Manifest) -> None:
    loss, entropy = last_loss(run.metrics), label_entropy(images)
    if loss > UNLEARNT * entropy:
        LOG.warning(
            "%s: the network has not learnt the image-level labels: the classification loss of "
            "the last epoch is %.2f, without looking at the images it is %.2f; train for more "
            "epochs than cam.defaults.epochs or the variant says, %d",
            run.checkpoint,
            loss,
            entropy,
            settings.epochs,
        )


class TaggedViews(Dataset[Batch]):
    """Augmented crops with their tags.

    Item: `image` (3, crop, crop), `tags` (classes,) float, `id`.
    """

    def __init__(self, manifest: Manifest, settings: CamTraining) -> None:
        self.images = manifest.images
        self.classes = len(manifest.classes)
        self.settings = settings
        self.normalisation = normalisation(settings.backbone.name)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, draw: Draw) -> Batch:
        record = self.images[draw.image]
        return {
            "image": self._view(record, draw),
            "tags": tag_vector(record, self.classes),
            "id": record.id,
        }

    def _view(self, record: ImageRecord, draw: Draw) -> Tensor:
        rng = augmentation_rng(self.settings.seed, draw)
        shortest, longest = self.settings.resize
        image = record.photograph()
        image = augment.resize_longest(image, int(rng.integers(shortest, longest + 1)))
        image = augment.jitter(image, self.settings.jitter, rng)
        pixels = augment.to_tensor(image, self.normalisation)
        if rng.random() < self.settings.flip:
            pixels = pixels.flip(2)
        box = augment.random_crop(pixels, self.settings.crop, rng)
        return augment.crop_tensor(pixels, box, fill=0.0)  # zero is the mean colour


def tag_vector(record: ImageRecord, classes: int) -> Tensor:
    """Tags as a (classes,) vector of zeros and ones; all zeros where the image has no class.

    Raises:
        SSENetError: the tags are unknown, which is not the same as none.
    """
    vector = torch.zeros(classes)
    vector[[tag - 1 for tag in record.known_tags]] = 1.0
    return vector


def cam_loss(settings: CamTraining) -> LossFunction:
    """The loss of Eq. 1 as a function of network and batch."""
    ser, alignment = settings.ser, settings.alignment

    def baseline(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        view = batch["image"]
        classification = classification_loss(network(view), batch["tags"], size_of(view))
        return {"loss": classification, "classification": classification}

    def equivariant(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        image, tags = batch["image"], batch["tags"]
        warp, view_size = broadcast_object(draw_warp(ser)), size_of(image)
        maps, warped = network(image), network(warp.view(image))
        # As in Eq. 1, classification pools each view's whole map, the mean colour around a rotated
        # crop included: the crop's tags hold wherever it lies in its frame.
        classification = (
            classification_loss(maps, tags, view_size)
            + classification_loss(warped, tags, warp.size(view_size))
        ) / 2
        if ser.compared_at == "pixels":
            expected, warped, known = warp.pixel_maps(maps, warped, view_size, alignment)
        else:
            expected, known = warp.maps(maps, view_size, size_of(warped), alignment)
        # A crop that is only scaled is the same crop: all of it counts, as published. Otherwise
        # places that show what the crop does not (a rotated one's corners) or lie past its last
        # cell are left out.
        valid = None if warp.keeps_crop else known
        if ser.form == "raw":
            equivariance = raw_equivariance_loss(expected, warped, valid)
        else:
            equivariance = scale_equivariance_loss(expected, warped, tags, valid)
        return {
            "loss": classification + ser.weight * equivariance,
            "classification": classification,
            "equivariance": equivariance,
        }

    return equivariant if ser.weight else baseline
