"""Views of a photograph for inference: resized by some factors, and mirrored.

In: photographs. Out: RGB arrays, read and resized where there is time for it, and the batches that
a network gets of them.
"""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ssenet_core.data.augment import Pixels, resize_by, to_tensor
from ssenet_core.data.manifest_entries import ImageRecord


def read_views(
    image: ImageRecord, scales: Sequence[float], antialias: bool = True
) -> tuple[Pixels, list[Pixels]]:
    """An image's photograph, and its views at some scales."""
    photograph = image.photograph()
    return np.array(photograph), views_at(photograph, scales, antialias)


def views_at(image: Image.Image, scales: Sequence[float], antialias: bool = True) -> list[Pixels]:
    """An RGB image resized by each of some factors, as arrays; `antialias` as in `resize_by`."""
    return [np.array(resize_by(image, scale, antialias)) for scale in scales]


def image_tensor(image: Image.Image | Pixels, network: nn.Module) -> Tensor:
    """An RGB image as `network` wants it: (3, H, W) float32, normalised, on its device."""
    device = next(network.parameters()).device
    return to_tensor(image, network.backbone.normalisation, device)  # type: ignore[arg-type, union-attr]


def mirrored_batch(view: Pixels, network: nn.Module, flip: bool) -> Tensor:
    """A view as `network` wants it, and with `flip` its mirror image beside it.

    Returns:
        (1 or 2, 3, H, W) float32, normalised, on the network's device.
    """
    one = image_tensor(view, network)[None]
    return torch.cat([one, one.flip(3)]) if flip else one
