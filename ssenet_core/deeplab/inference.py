"""Multi-scale prediction of DeepLab with flips and a dense CRF, one PNG of labels per image.

`predict` raises `SSENetError` for invalid checkpoints and images, and scores that are not finite.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from ssenet_core.crf import LabelInputs, dense_crf, label_inputs, write_labels
from ssenet_core.data.augment import Pixels, mirrored_batch, read_views, views_at
from ssenet_core.data.manifest import ImageRecord
from ssenet_core.models.checkpoints import load_checkpoint
from ssenet_core.models.device import autocast, check_finite, pick_device
from ssenet_core.settings import DeepLabTraining, Prediction
from ssenet_core.shard import Shard, map_images


def predict(
    shard: Shard, settings: Prediction, *, checkpoint: str | Path, workers: int = 0
) -> None:
    """Write the predicted labels of one shard's images, `{image id}.png` each.

    Args:
        shard: the job's images.
        settings: `prediction` of the variant.
        checkpoint: of a DeepLab network.
        workers: processes for the CRF and for writing, see `map_images`.
    """
    network, facts = load_checkpoint(checkpoint, DeepLabTraining, pick_device())
    classes = np.arange(1, len(facts.classes) + 1)

    def compute(image: ImageRecord, given: tuple[Pixels, list[Pixels]]) -> LabelInputs:
        probabilities = network_probabilities(network, *given, settings)
        return label_inputs(probabilities, classes, given[0], settings.crf)

    map_images(
        shard,
        "predictions",
        read=partial(read_views, scales=settings.scales, antialias=facts.settings.antialias),
        compute=compute,
        write=write_labels,
        workers=workers,
    )


def label_probabilities(
    network: nn.Module, photograph: Image.Image, settings: Prediction, antialias: bool = True
) -> NDArray[np.float32]:
    """Probabilities of the labels at each pixel of an image, after the CRF if there is one.

    Args:
        network: DeepLab in evaluation mode.
        photograph: RGB.
        settings: scales, flip, precision, CRF.
        antialias: whether views are resized with antialiasing, as in the network's training.

    Returns:
        (classes, H, W) float32, background first; sums over the labels are one.
    """
    pixels = np.array(photograph)
    views = views_at(photograph, settings.scales, antialias)
    probabilities = network_probabilities(network, pixels, views, settings)
    if settings.crf:
        probabilities = dense_crf(pixels, probabilities, settings.crf)
    return probabilities


def network_probabilities(
    network: nn.Module, photograph: Pixels, views: Sequence[Pixels], settings: Prediction
) -> NDArray[np.float32]:
    """Probabilities of the labels at each pixel of an image, before any CRF.

    Args:
        network: DeepLab in evaluation mode.
        photograph: the image, (H, W, 3) uint8.
        views: the image at some scales.
        settings: flip, precision.

    Returns:
        (classes, H, W) float32, background first; sums over the labels are one.
    """
    device = next(network.parameters()).device
    size = photograph.shape[:2]
    with torch.inference_mode(), autocast(device, settings.precision):
        scores = mean_scores(network, views, size, settings.flip)
        return check_finite(scores, settings.precision).softmax(dim=0).cpu().numpy()


def mean_scores(
    network: nn.Module, views: Sequence[Pixels], size: tuple[int, int], flip: bool
) -> Tensor:
    """Scores before the softmax at the image's size, averaged over scales and flips.

    Args:
        network: DeepLab in evaluation mode.
        views: the image at some scales.
        size: height and width of the image, pixels.
        flip: whether each view's mirror image counts too.

    Returns:
        (classes, H, W) float32, background first.
    """
    found = []
    for view in views:
        batch = mirrored_batch(view, network, flip)
        scores = functional.interpolate(
            network(batch).float(),
            size,
            mode="bilinear",
            align_corners=network.align_corners,  # type: ignore[arg-type]
        )
        found.append((scores[0] + scores[1].flip(2)) / 2 if flip else scores[0])
    return torch.stack(found).mean(dim=0)
