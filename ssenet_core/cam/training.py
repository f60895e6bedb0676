"""Training of the CAM network: two views of a crop, tags, Eq. 1 of the paper.

In: a manifest with tags. Out: a checkpoint. With `ser.weight` 0 the second view is left out and
the same code trains the baseline. No mask is read.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from ssenet_core.cam.losses import classification_loss, scale_equivariance_loss
from ssenet_core.data import augment
from ssenet_core.data.manifest import ImageRecord, Manifest, load_manifest
from ssenet_core.models.geometry import maps_to_view
from ssenet_core.storage import load_image
from ssenet_core.training.batches import Draw, augmentation_rng
from ssenet_core.training.loop import Batch, LossFunction
from ssenet_core.training.run import TrainingRun, train


def train_cam(run: TrainingRun, settings: Mapping[str, Any]) -> None:
    """Train a CAM network on the tags of a manifest.

    Args:
        run: the job's files.
        settings: a variant's resolved `cam` section without `inference`.
    """
    images = load_manifest(run.manifest)
    train("cam", run, settings, images, TaggedViews(images, settings), cam_loss(settings))


class TaggedViews(Dataset[Batch]):
    """Augmented crops with their tags.

    Item: `image` (3, crop, crop), `tags` (classes,) float, `id`.
    """

    def __init__(self, manifest: Manifest, settings: Mapping[str, Any]) -> None:
        self.images = manifest.images
        self.classes = len(manifest.classes)
        self.settings = settings

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
        rng = augmentation_rng(self.settings["seed"], draw)
        shortest, longest = self.settings["resize"]
        image = load_image(record.image)
        image = augment.resize_longest(image, int(rng.integers(shortest, longest + 1)))
        image = augment.jitter(image, self.settings["jitter"], rng)
        pixels = augment.to_tensor(image)
        if rng.random() < self.settings["flip"]:
            pixels = pixels.flip(2)
        box = augment.random_crop(pixels, self.settings["crop"], rng)
        return augment.crop_tensor(pixels, box, fill=0.0)  # zero is the mean colour


def tag_vector(record: ImageRecord, classes: int) -> Tensor:
    """Tags as a (classes,) vector of zeros and ones."""
    vector = torch.zeros(classes)
    vector[[tag - 1 for tag in record.tags]] = 1.0
    return vector


def cam_loss(settings: Mapping[str, Any]) -> LossFunction:
    """The loss of Eq. 1 as a function of network and batch."""
    weight, rate = settings["ser"]["weight"], settings["ser"]["rate"]
    alignment = settings["alignment"]

    def baseline(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        classification = classification_loss(network(batch["image"]), batch["tags"])
        return {"loss": classification, "classification": classification}

    def equivariant(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        view, tags = batch["image"], batch["tags"]
        small_view = scaled_view(view, rate)
        large, small = network(view), network(small_view)
        sizes = [tuple(v.shape[2:]) for v in (view, small_view)]
        warped = maps_to_view(large, sizes[0], tuple(small.shape[2:]), sizes[1], alignment)
        classification = (classification_loss(large, tags) + classification_loss(small, tags)) / 2
        equivariance = scale_equivariance_loss(warped, small, tags)
        return {
            "loss": classification + weight * equivariance,
            "classification": classification,
            "equivariance": equivariance,
        }

    return equivariant if weight else baseline


def scaled_view(view: Tensor, rate: float) -> Tensor:
    """The view down-sampled bilinearly to floor(rate x size) pixels (given sizes, not factors)."""
    size = [int(rate * edge) for edge in view.shape[2:]]
    return functional.interpolate(view, size=size, mode="bilinear", align_corners=False)
