"""Training of AffinityNet: features whose distances say whether neighbours share a class.

It learns from the posteriors of the two dense CRFs of each training image; no mask is read.
`train_affinity` raises `SSENetError` for labels that are missing, and as `training.engine.fit`.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from ssenet_core.affinity.labels import (
    affinity_loss,
    confident_labels,
    corrected_posteriors,
    pair_labels,
)
from ssenet_core.affinity.pairs import pair_affinities
from ssenet_core.data import augment
from ssenet_core.data.manifest import Manifest, load_manifest
from ssenet_core.io.images import VOID
from ssenet_core.io.maps import read_refined
from ssenet_core.models.catalogue import normalisation
from ssenet_core.scores import power_name
from ssenet_core.settings import AffinityTraining
from ssenet_core.training.batches import Draw, augmentation_rng
from ssenet_core.training.corrections import NO_CORRECTIONS, Corrections
from ssenet_core.training.engine import Batch, LossFunction, fit, new_training
from ssenet_core.training.resume import labels_key
from ssenet_core.training.run import TrainingRun


def train_affinity(
    run: TrainingRun,
    settings: AffinityTraining,
    *,
    labels_dir: str | Path,
    powers: tuple[float, float],
    corrections: str | Path | None = None,
) -> None:
    """Train AffinityNet on the confident pixels of the refined CAMs.

    Args:
        run: the job's files; with several processes, each makes this call (see `launch`).
        settings: what training depends on.
        labels_dir: refined scores, `{image id}.h5` each.
        powers: of the strong and the weak background; see `refine.powers`.
        corrections: labels of pixels that are known; see `training.corrections`.
    """
    images, corrected = load_manifest(run.manifest), Corrections(corrections)
    dataset = ConfidentViews(images, Path(labels_dir), powers, settings, corrected)
    labels = labels_key(images, Path(labels_dir), ".h5") + corrected.key
    fit(new_training(run, settings, images, dataset, pair_loss(settings), labels=labels), run)


class ConfidentViews(Dataset[Batch]):
    """Crops with the labels of their confident cells.

    Item: `image` (3, crop, crop), `labels` (cells, cells) uint8, 255 where unsure, `id`.
    """

    def __init__(
        self,
        manifest: Manifest,
        labels_dir: Path,
        powers: tuple[float, float],
        settings: AffinityTraining,
        corrections: Corrections = NO_CORRECTIONS,
    ) -> None:
        self.images = manifest.images
        self.labels_dir = labels_dir
        self.names = [power_name(power) for power in powers]
        self.stride = settings.backbone.output_stride
        self.settings = settings
        self.corrections = corrections
        self.normalisation = normalisation(settings.backbone.name)
        self.black_padding = settings.padding == "black"

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, draw: Draw) -> Batch:
        record = self.images[draw.image]
        rng = augmentation_rng(self.settings.seed, draw)
        image = augment.jitter(record.photograph(), self.settings.jitter, rng)
        pixels = augment.to_tensor(image, self.normalisation)
        refined = read_refined(self.labels_dir / f"{record.id}.h5")
        stored, classes = [refined.posteriors[name] for name in self.names], refined.classes
        if (corrected := self.corrections.of(record.id)) is not None:
            stored, classes = corrected_posteriors(stored, classes, corrected)
        posteriors = [torch.from_numpy(posterior) for posterior in stored]
        if rng.random() < self.settings.flip:
            pixels = pixels.flip(2)
            posteriors = [posterior.flip(2) for posterior in posteriors]
        box = augment.random_crop(pixels, self.settings.crop, rng)
        fill = augment.black(self.normalisation) if self.black_padding else 0.0
        cells = _cell_labels(posteriors, classes, box, self.stride, self.black_padding)
        return {
            "image": augment.crop_tensor(pixels, box, fill),
            "labels": cells,
            "id": record.id,
        }


def _cell_labels(
    posteriors: list[Tensor],
    classes: NDArray[np.int64],
    box: augment.CropBox,
    stride: int,
    cut_cells: bool,
) -> Tensor:
    """Confident labels of a crop's cells.

    Args:
        cut_cells: whether cells partly outside the image have a label; else they are void.
    """
    low, high = (augment.crop_tensor(p, box, fill=0.0).numpy() for p in posteriors)
    labels = confident_labels(low, high, classes, stride)
    if cut_cells:
        return torch.from_numpy(labels)
    inside = augment.crop_tensor(torch.ones_like(posteriors[0][:1]), box, fill=0.0)[0]
    cells = inside.unfold(0, stride, stride).unfold(1, stride, stride)
    labels[(cells.amin(dim=(2, 3)) == 0).numpy()] = VOID
    return torch.from_numpy(labels)


def pair_loss(settings: AffinityTraining) -> LossFunction:
    """AffinityNet's loss as a function of network and batch."""
    radius, pairs = settings.radius, settings.pairs

    def loss(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        affinities = pair_affinities(network(batch["image"]), radius, pairs)
        return affinity_loss(affinities, pair_labels(batch["labels"], radius, pairs))

    return loss
