"""Pseudo labels: random walk of class activation maps along AffinityNet's affinities.

Writes one PNG of labels per image. `random_walk` raises `SSENetError` for an invalid checkpoint,
image or map, and for features that are not finite.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from ssenet_core.affinity.pairs import pair_affinities
from ssenet_core.affinity.random_walk import propagate
from ssenet_core.crf import LabelInputs, label_inputs, write_labels
from ssenet_core.data.augment import image_tensor
from ssenet_core.data.manifest import ImageRecord
from ssenet_core.io.maps import ClassMaps
from ssenet_core.models.checkpoints import load_checkpoint
from ssenet_core.models.device import autocast, check_finite, pick_device
from ssenet_core.models.networks import AffinityNetwork
from ssenet_core.scores import (
    argmax_and_max,
    block_average,
    constant_background,
    power_background,
    with_background,
)
from ssenet_core.settings import AffinityTraining, RandomWalk
from ssenet_core.shard import Shard, map_images, maps_on


def random_walk(
    shard: Shard,
    settings: RandomWalk,
    *,
    checkpoint: str | Path,
    maps_dir: str | Path,
    workers: int = 0,
) -> None:
    """Write the pseudo labels of one shard's images, `{image id}.png` each.

    Args:
        shard: the job's images.
        settings: `random_walk` of the variant.
        checkpoint: of an AffinityNet.
        maps_dir: class activation maps, `{image id}.h5` each.
        workers: processes for the CRF and for writing, see `map_images`.
    """
    device = pick_device()
    network, _ = load_checkpoint(checkpoint, AffinityTraining, device)

    def read(image: ImageRecord) -> tuple[Image.Image, ClassMaps]:
        photograph = image.photograph()
        return photograph, maps_on(photograph, image, Path(maps_dir) / f"{image.id}.h5")

    def compute(image: ImageRecord, given: tuple[Image.Image, ClassMaps]) -> LabelInputs:
        photograph, maps = given
        if not len(maps.classes):  # the walk would keep background everywhere
            return (np.zeros(maps.maps.shape[1:], np.uint8),)
        with torch.inference_mode(), autocast(device, settings.precision):
            scores = walked_scores(network, photograph, maps, settings)
        if settings.crf:  # its lowest score is meant as a share of a pixel's scores
            scores = scores / scores.sum(axis=0, keepdims=True)
        return label_inputs(scores, maps.classes, np.array(photograph), settings.crf)

    map_images(
        shard, "pseudo labels", read=read, compute=compute, write=write_labels, workers=workers
    )


def walked_scores(
    network: AffinityNetwork, image: Image.Image, maps: ClassMaps, settings: RandomWalk
) -> NDArray[np.float32]:
    """Scores after the random walk, at the image's size.

    Args:
        network: AffinityNet in evaluation mode.
        image: RGB.
        maps: its normalised class maps, (K, H, W).
        settings: `random_walk` of the variant; with `keep_tagged`, the walk is halved where a class
            would have no pixel, until each has one. Where none is short enough, it is not halved.

    Returns:
        (K + 1, H, W) float32, background first.
    """
    device = next(network.parameters()).device
    stride = network.backbone.stride
    if settings.background.alpha is not None:
        background = constant_background(maps.maps, settings.background.alpha)
    else:
        assert settings.background.power is not None  # `Background` has one of both
        background = power_background(maps.maps, settings.background.power)
    scores = block_average(with_background(maps.maps, background), stride)
    # As published, image and scores are padded with zeros to whole cells.
    right, bottom = -image.width % stride, -image.height % stride
    whole = functional.pad(image_tensor(image, network)[None], (0, right, 0, bottom))
    features = check_finite(network(whole).float(), settings.precision)
    affinities = pair_affinities(features, settings.radius, settings.pairs)[0]
    start = torch.from_numpy(scores).to(device)

    def walk(steps_log2: int) -> NDArray[np.float32]:
        walked = propagate(start, affinities, beta=settings.beta, steps=2**steps_log2)
        full = functional.interpolate(
            walked[None].float(), whole.shape[2:], mode="bilinear", align_corners=False
        )
        return full[0, :, : image.height, : image.width].cpu().numpy()

    longest = walk(settings.steps_log2)
    if not settings.keep_tagged or _has_all_rows(longest):
        return longest
    shorter = map(walk, range(settings.steps_log2 - 1, -1, -1))
    return next(filter(_has_all_rows, shorter), longest)


def _has_all_rows(scores: NDArray[np.float32]) -> bool:
    """Whether each class, a row after the background's, has the highest score at some pixel."""
    return set(range(1, len(scores))) <= set(np.unique(argmax_and_max(scores)[0]))
