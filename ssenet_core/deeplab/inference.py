"""Multi-scale, flipped prediction with a dense CRF; one indexed PNG of labels an image."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from ssenet_core.crf import dense_crf
from ssenet_core.data.augment import resize_by, to_tensor
from ssenet_core.data.manifest import ImageRecord
from ssenet_core.models.checkpoints import load_checkpoint
from ssenet_core.models.device import autocast, pick_device
from ssenet_core.scores import winners
from ssenet_core.shard import Shard, map_images
from ssenet_core.storage import write_label_png


def predict(shard: Shard, settings: Mapping[str, Any], *, checkpoint: str | Path) -> None:
    """Write the predicted labels of one shard's images, `{image id}.png` each.

    Args:
        shard: the job's images.
        settings: `prediction` of the variant: scales, flip, precision, crf (or None).
        checkpoint: a DeepLab network's.
    """
    device = pick_device()
    network, _ = load_checkpoint(checkpoint, "deeplab", device)

    def write(image: ImageRecord, path: Path) -> None:
        probabilities = label_probabilities(network, image.photograph(), settings)
        write_label_png(path, likeliest(probabilities))

    map_images(shard, write, "predictions")


def label_probabilities(
    network: nn.Module, photograph: Image.Image, settings: Mapping[str, Any]
) -> NDArray[np.float32]:
    """Probabilities of the labels at each pixel of an RGB photograph, after the CRF if any.

    Args:
        settings: scales, flip, precision, crf (or None).

    Returns:
        (classes, H, W) float32, background first; sums over the labels are one.
    """
    device = next(network.parameters()).device
    with torch.inference_mode(), autocast(device, settings["precision"]):
        scores = mean_scores(network, photograph, settings["scales"], settings["flip"])
    probabilities = scores.softmax(dim=0).cpu().numpy()
    if settings["crf"]:
        probabilities = dense_crf(np.array(photograph), probabilities, **settings["crf"])
    return probabilities


def likeliest(probabilities: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Label values (H, W) uint8 of the highest probabilities (labels, H, W)."""
    return winners(probabilities)[0]


def mean_scores(
    network: nn.Module, image: Image.Image, scales: Sequence[float], flip: bool
) -> Tensor:
    """Scores before the soft-max at the image's size, mean over scales and flips.

    Returns:
        (classes, H, W) float32, background first.
    """
    width, height = image.size
    device = next(network.parameters()).device
    views = []
    for scale in scales:
        view = to_tensor(resize_by(image, scale))[None].to(device)
        batch = torch.cat([view, view.flip(3)]) if flip else view
        scores = functional.interpolate(
            network(batch).float(), (height, width), mode="bilinear", align_corners=False
        )
        views.append((scores[0] + scores[1].flip(2)) / 2 if flip else scores[0])
    return torch.stack(views).mean(dim=0)
