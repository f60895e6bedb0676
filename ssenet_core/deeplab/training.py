"""Training of DeepLab on pseudo labels.

In: the manifest and the pseudo labels of the train split. Out: a checkpoint. No mask is read.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from ssenet_core.data import augment
from ssenet_core.data.manifest import Manifest, load_manifest
from ssenet_core.models.backbones import load_backbone_weights
from ssenet_core.models.checkpoints import build_network
from ssenet_core.storage import VOID, load_image, read_label_png, sha256_file
from ssenet_core.training.batches import Draw, augmentation_rng
from ssenet_core.training.labels_key import labels_key
from ssenet_core.training.loop import Batch, Training, fit


def train_deeplab(
    *,
    manifest: str | Path,
    labels_dir: str | Path,
    checkpoint: str | Path,
    metrics: str | Path,
    settings: Mapping[str, Any],
    weights: str | Path | None = None,
    code: str = "",
    workers: int = 0,
    save_every: int = 200,
) -> None:
    """Train DeepLab on the pseudo labels of the train split.

    Args:
        manifest: JSON of the train split.
        labels_dir: pseudo labels, `{image id}.png` each.
        checkpoint, metrics: written on success.
        settings: a variant's resolved `deeplab` section without `prediction`.
        weights: file of backbone weights (or of a CAM network); None trains from random ones.
        code: fingerprint of the code, so that an interrupted run of older code is not resumed.
        workers: processes that load data.
        save_every: steps between resume points.
    """
    images = load_manifest(manifest)
    torch.manual_seed(settings["seed"])
    network = build_network("deeplab", settings, images.classes)
    if weights is not None:
        load_backbone_weights(network.backbone, weights)
    training = Training(
        kind="deeplab",
        network=network,
        dataset=LabelledViews(images, Path(labels_dir), settings),
        loss=pixel_loss,
        settings=settings,
        classes=images.classes,
        data=sha256_file(manifest) + labels_key(images, Path(labels_dir), ".png"),
    )
    fit(
        training,
        checkpoint=checkpoint,
        metrics=metrics,
        code=code,
        workers=workers,
        save_every=save_every,
    )


class LabelledViews(Dataset[Batch]):
    """Augmented crops with their pseudo labels.

    Item: `image` (3, crop, crop), `labels` (crop, crop) uint8, 255 outside the image, `id`.
    """

    def __init__(self, manifest: Manifest, labels_dir: Path, settings: Mapping[str, Any]) -> None:
        self.images = manifest.images
        self.labels_dir = labels_dir
        self.settings = settings

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, draw: Draw) -> Batch:
        record = self.images[draw.image]
        rng = augmentation_rng(self.settings["seed"], draw)
        factor = rng.uniform(*self.settings["scale"])
        image = augment.resize_by(load_image(record.image), factor)
        pixels = augment.to_tensor(augment.jitter(image, self.settings["jitter"], rng))
        labels = augment.label_tensor(read_label_png(self.labels_dir / f"{record.id}.png"))
        labels = functional.interpolate(labels[None], pixels.shape[1:], mode="nearest-exact")[0]
        if rng.random() < self.settings["flip"]:
            pixels, labels = pixels.flip(2), labels.flip(2)
        box = augment.random_crop(pixels, self.settings["crop"], rng)
        return {
            "image": augment.crop_tensor(pixels, box, fill=0.0),
            "labels": augment.crop_tensor(labels, box, fill=VOID)[0],
            "id": record.id,
        }


def pixel_loss(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Cross entropy of the up-sampled scores, void pixels left out; 0 where all are void."""
    labels = batch["labels"].long()
    scores = functional.interpolate(
        network(batch["image"]).float(), labels.shape[1:], mode="bilinear", align_corners=False
    )
    total = functional.cross_entropy(scores, labels, ignore_index=VOID, reduction="sum")
    return {"loss": total / (labels != VOID).sum().clamp(min=1)}
