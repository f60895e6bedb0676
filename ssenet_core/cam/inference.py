"""Multi-scale inference of class activation maps with flips, one HDF5 file per image (Eq. 3).

`infer_cam` raises `SSENetError` for invalid checkpoints and images, and scores that are not finite.
"""

from collections.abc import Iterable, Sequence
from functools import partial, reduce
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from ssenet_core.cam.alignment import maps_to_pixels
from ssenet_core.cam.losses import EPSILON
from ssenet_core.data.augment import Pixels, image_tensor, mirrored_batch, read_views, views_at
from ssenet_core.data.manifest import ImageRecord
from ssenet_core.io.files import sha256_file
from ssenet_core.io.maps import ClassMaps, write_maps
from ssenet_core.models.checkpoints import load_checkpoint
from ssenet_core.models.device import autocast, check_finite, pick_device
from ssenet_core.settings import Alignment, CamInference, CamTraining
from ssenet_core.shard import Shard, map_images


def infer_cam(
    shard: Shard, settings: CamInference, *, checkpoint: str | Path, workers: int = 0
) -> None:
    """Write the class activation maps of one shard's images, `{image id}.h5` each.

    An image has one map per tag, and no map if it is known to have none of the classes. If its tags
    are unknown, the classifier determines the classes.

    Args:
        shard: the job's images.
        settings: `inference` of the variant.
        checkpoint: of a CAM network.
        workers: processes that write files, see `map_images`.
    """
    device = pick_device()
    network, facts = load_checkpoint(checkpoint, CamTraining, device)
    checksum = sha256_file(checkpoint)
    flip, alignment = settings.flip, facts.settings.alignment

    def compute(image: ImageRecord, given: tuple[Pixels, list[Pixels]]) -> tuple[ClassMaps]:
        photograph, views = given
        size = photograph.shape[:2]
        unknown = image.tags is None
        classes = _predicted_classes(network, photograph) if unknown else list(image.known_tags)
        maps = np.zeros((0, *size), np.float32)
        if classes:
            with torch.inference_mode(), autocast(device, settings.precision):
                scores = sum_maps(view_maps(network, view, size, flip, alignment) for view in views)
            maps = normalised_maps(check_finite(scores, settings.precision), classes)
        attributes = {
            "scales": np.asarray(settings.scales, np.float64),
            "flip": flip,
            "checkpoint_sha256": checksum,
            "classes_from": "classifier" if unknown else "tags",
        }
        return (ClassMaps(image.id, maps, np.asarray(classes, np.int64), attributes),)

    map_images(
        shard,
        "class activation maps",
        read=partial(read_views, scales=settings.scales),
        compute=compute,
        write=write_maps,
        workers=workers,
    )


def multi_scale_maps(
    network: nn.Module,
    image: Image.Image,
    scales: Sequence[float],
    flip: bool,
    alignment: Alignment,
) -> Tensor:
    """Class maps at the image's size: ReLU'd and summed over scales and flips.

    Args:
        network: a CAM network in evaluation mode.
        image: RGB.
        scales: factors of the image's size, at least one.
        flip: whether the flipped image is added at each scale.
        alignment: "cells" or "plain", see `cam.alignment`.

    Returns:
        (classes, H, W) float32, not normalised.
    """
    if not scales:
        raise ValueError("at least one scale is needed")
    return sum_maps(single_scale_maps(network, image, scale, flip, alignment) for scale in scales)


def single_scale_maps(
    network: nn.Module, image: Image.Image, scale: float, flip: bool, alignment: Alignment
) -> Tensor:
    """Class maps at the image's size from one scale, ReLU'd, and summed over flips.

    Args:
        network: a CAM network in evaluation mode.
        image: RGB.
        scale: factor of the image's size.
        flip: whether the flipped image is added.
        alignment: "cells" or "plain", see `cam.alignment`.

    Returns:
        (classes, H, W) float32, not normalised.
    """
    (view,) = views_at(image, [scale])
    return view_maps(network, view, (image.height, image.width), flip, alignment)


def view_maps(
    network: nn.Module, view: Pixels, size: tuple[int, int], flip: bool, alignment: Alignment
) -> Tensor:
    """Class maps at the image's size from a resized view, ReLU'd, and summed over flips.

    Args:
        network: a CAM network in evaluation mode.
        view: the image at some scale.
        size: height and width of the image, pixels.
        flip: whether the flipped view is added.
        alignment: "cells" or "plain", see `cam.alignment`.

    Returns:
        (classes, H, W) float32, not normalised.
    """
    views = mirrored_batch(view, network, flip)
    maps, shape = network(views).float(), (views.shape[2], views.shape[3])
    if alignment == "plain":  # as published: ReLU at the view's pixels
        maps = maps_to_pixels(maps, shape, shape, alignment)
    maps = maps_to_pixels(functional.relu(maps), shape, size, alignment)
    return maps[0] + maps[1].flip(2) if flip else maps[0]


def sum_maps(maps: Iterable[Tensor]) -> Tensor:
    """Sum of maps of equal shape, with one of them in memory at a time."""
    return reduce(Tensor.add, maps)


def normalised_maps(scores: Tensor, classes: Sequence[int]) -> NDArray[np.float32]:
    """Class maps of some classes, each divided by its maximum (paper, Eq. 3).

    Args:
        scores: class maps, ReLU'd, (classes, H, W).
        classes: label values, K of them.

    Returns:
        (K, H, W) float32, in [0, 1).
    """
    chosen = scores[[label - 1 for label in classes]].float()
    return (chosen / (chosen.amax(dim=(1, 2), keepdim=True) + EPSILON)).cpu().numpy()


def _predicted_classes(network: nn.Module, photograph: Pixels) -> list[int]:
    """Label values of the classes whose score is above 0, for an image with unknown tags."""
    with torch.inference_mode():
        logits = network(image_tensor(photograph, network)[None]).mean(dim=(2, 3))[0]
    return [index + 1 for index in torch.nonzero(logits > 0).flatten().tolist()]
