"""Training of DeepLab on pseudo labels.

No mask is read. `train_deeplab` raises `SSENetError` for labels that are missing, and as
`training.engine.fit`.
"""

from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from ssenet_core.data import augment
from ssenet_core.data.manifest import Manifest, load_manifest
from ssenet_core.io.images import VOID, read_label_png
from ssenet_core.models.catalogue import normalisation
from ssenet_core.settings import DeepLabTraining
from ssenet_core.training.batches import Draw, augmentation_rng
from ssenet_core.training.corrections import NO_CORRECTIONS, Corrections
from ssenet_core.training.distributed import mean_over_processes
from ssenet_core.training.engine import Batch, fit, new_training
from ssenet_core.training.resume import labels_key
from ssenet_core.training.run import TrainingRun


def train_deeplab(
    run: TrainingRun,
    settings: DeepLabTraining,
    *,
    labels_dir: str | Path,
    corrections: str | Path | None = None,
) -> None:
    """Train DeepLab on the pseudo labels of the train split.

    Args:
        run: the job's files; with several processes, each makes this call (see `launch`).
        settings: what training depends on.
        labels_dir: pseudo labels, `{image id}.png` each.
        corrections: labels that replace them; see `training.corrections`.
    """
    images, corrected = load_manifest(run.manifest), Corrections(corrections)
    dataset = LabelledViews(images, Path(labels_dir), settings, corrected)
    labels = labels_key(images, Path(labels_dir), ".png") + corrected.key
    fit(new_training(run, settings, images, dataset, pixel_loss, labels=labels), run)


class LabelledViews(Dataset[Batch]):
    """Augmented crops with their pseudo labels, or corrected ones.

    Item: `image` (3, crop, crop), `labels` (crop, crop) uint8, 255 outside the image, `id`.
    """

    def __init__(
        self,
        manifest: Manifest,
        labels_dir: Path,
        settings: DeepLabTraining,
        corrections: Corrections = NO_CORRECTIONS,
    ) -> None:
        self.images = manifest.images
        self.labels_dir = labels_dir
        self.settings = settings
        self.corrections = corrections
        self.normalisation = normalisation(settings.backbone.name)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, draw: Draw) -> Batch:
        record = self.images[draw.image]
        rng = augmentation_rng(self.settings.seed, draw)
        factor = rng.uniform(*self.settings.scale)
        image = augment.resize_by(record.photograph(), factor, self.settings.antialias)
        image = augment.jitter(image, self.settings.jitter, rng)
        pixels = augment.to_tensor(image, self.normalisation)
        stored = read_label_png(self.labels_dir / f"{record.id}.png")
        labels = augment.label_tensor(self.corrections.applied(record.id, stored))
        labels = functional.interpolate(labels[None], pixels.shape[1:], mode="nearest-exact")[0]
        if rng.random() < self.settings.flip:
            pixels, labels = pixels.flip(2), labels.flip(2)
        box = augment.random_crop(pixels, self.settings.crop, rng)
        return {
            "image": augment.crop_tensor(pixels, box, fill=0.0),
            "labels": augment.crop_tensor(labels, box, fill=VOID)[0],
            "id": record.id,
        }


def pixel_loss(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Cross entropy of the up-sampled scores, void pixels left out; 0 where all are void."""
    labels = batch["labels"].long()
    scores = functional.interpolate(
        network(batch["image"]).float(),
        labels.shape[1:],
        mode="bilinear",
        align_corners=network.align_corners,  # type: ignore[arg-type]
    )
    total = functional.cross_entropy(scores, labels, ignore_index=VOID, reduction="sum")
    return {"loss": mean_over_processes(total, (labels != VOID).sum())}
