"""Multi-scale, flipped inference of class activation maps to one HDF5 file an image (Eq. 3)."""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from ssenet_core.cam.losses import EPSILON
from ssenet_core.data.augment import resize_by, to_tensor
from ssenet_core.data.manifest import ImageRecord
from ssenet_core.models.checkpoints import load_checkpoint
from ssenet_core.models.device import autocast, pick_device
from ssenet_core.models.geometry import maps_to_pixels
from ssenet_core.shard import Shard, map_images
from ssenet_core.storage import ClassMaps, sha256_file, write_maps


def infer_cam(shard: Shard, settings: Mapping[str, Any], *, checkpoint: str | Path) -> None:
    """Write the class activation maps of one shard's images, `{image id}.h5` each.

    Args:
        shard: the job's images.
        settings: `inference` of the variant: scales, flip, precision.
        checkpoint: a CAM network's.
    """
    device = pick_device()
    network, facts = load_checkpoint(checkpoint, "cam", device)
    checksum = sha256_file(checkpoint)
    alignment = facts["settings"]["alignment"]

    def write(image: ImageRecord, path: Path) -> None:
        with torch.inference_mode(), autocast(device, settings["precision"]):
            scores = multi_scale_maps(
                network, image.photograph(), settings["scales"], settings["flip"], alignment
            )
        classes = list(image.tags) if image.tags else _decided(network, image, device)
        maps = normalised_maps(scores, classes)
        attributes = {
            "scales": np.asarray(settings["scales"], np.float64),
            "flip": settings["flip"],
            "checkpoint_sha256": checksum,
            "classes_from": "tags" if image.tags else "classifier",
        }
        write_maps(path, ClassMaps(image.id, maps, np.asarray(classes, np.int64), attributes))

    map_images(shard, write, "class activation maps")


def multi_scale_maps(
    network: nn.Module,
    image: Image.Image,
    scales: Sequence[float],
    flip: bool,
    alignment: str,
) -> Tensor:
    """Class maps at the image's size: ReLU'd and summed over scales and flips.

    Returns:
        (classes, H, W) float32, not normalised.
    """
    if not scales:
        raise ValueError("at least one scale is needed")
    return sum_of(single_scale_maps(network, image, scale, flip, alignment) for scale in scales)


def single_scale_maps(
    network: nn.Module, image: Image.Image, scale: float, flip: bool, alignment: str
) -> Tensor:
    """Class maps at the image's size from one view and its mirror image, ReLU'd and summed.

    Returns:
        (classes, H, W) float32, not normalised.
    """
    width, height = image.size
    view = to_tensor(resize_by(image, scale))[None].to(next(network.parameters()).device)
    views = torch.cat([view, view.flip(3)]) if flip else view
    maps = functional.relu(network(views)).float()
    maps = maps_to_pixels(maps, (view.shape[2], view.shape[3]), (height, width), alignment)
    return maps[0] + maps[1].flip(2) if flip else maps[0]


def sum_of(maps: Iterable[Tensor]) -> Tensor:
    """The maps' sum, with one of them in memory at a time."""
    return reduce(Tensor.add, maps)


def normalised_maps(scores: Tensor, classes: Sequence[int]) -> NDArray[np.float32]:
    """The maps of `classes` (label values), each divided by its maximum (Eq. 3), (K, H, W)."""
    chosen = scores[[label - 1 for label in classes]].float()
    if chosen.numel():
        chosen = chosen / (chosen.amax(dim=(1, 2), keepdim=True) + EPSILON)
    return chosen.cpu().numpy()


def _decided(network: nn.Module, image: ImageRecord, device: torch.device) -> list[int]:
    """Label values of the classes that the classifier finds in an image without tags."""
    with torch.inference_mode():
        view = to_tensor(image.photograph())[None].to(device)
        logits = network(view).mean(dim=(2, 3))[0]
    return [index + 1 for index in torch.nonzero(logits > 0).flatten().tolist()]
