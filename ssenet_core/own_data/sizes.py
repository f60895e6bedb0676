"""Sizes of a training that suit the photographs and the machine.

In: a survey, the machine, first weights if there are any. Out: an overlay of `config.yaml`, as a
plain dictionary of sections. The settings without first weights are those of `recipes/msrc14.yaml`,
scaled to the photographs; the others are a start that nobody has measured.
"""

import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssenet_core.own_data.machine import Machine
from ssenet_core.own_data.survey import Survey

CPU_CROP = 128
SMALLEST_CROP = 32
CELLS = 16  # pixels: crops are multiples of it
# GPU memory, GiB, from which a crop of that many pixels is taken. What autograd keeps of a CAM step
# of resnet101 with eight such crops and their halves was counted: 9.4, 6.8, 4.6 and 2.8 GiB.
GPU_CROPS = ((22.0, 384), (14.0, 320), (9.0, 256), (0.0, 192))
SCRATCH_CROP = 224  # a narrow network, which any GPU holds
LEARNT = 285 * 70  # images seen by the first classifier in the recipe
EPOCHS = (20, 100)
MEMORY_A_JOB = 2.0  # GiB, of a per-image job
IMAGES_A_SHARD = 250
MOST_SHARDS = 144
MOST_THREADS = 8
LARGEST_VIEW = 8.0  # of the schema: factors of the image


@dataclass(frozen=True)
class Weights:
    """First weights from a file: the backbone that they are of."""

    path: Path
    backbone: str


@dataclass(frozen=True)
class Sizes:
    """What the settings are worked out from.

    Attributes:
        edge: longest edge of a middling photograph, pixels.
        crop: edge of the training crops, pixels.
        epochs: of the first classifier, which starts from random weights.
        width: of ResNet-38, as a factor of its channels.
        iterations: DeepLab's training steps.
        shards: jobs of a per-image stage.
        threads: of a training job.
        workers: processes that load data for it.
    """

    edge: int
    crop: int
    epochs: int
    width: float
    iterations: int
    shards: int
    threads: int
    workers: int


def choose_sizes(found: Survey, train: int, machine: Machine, weights: Weights | None) -> Sizes:
    """Sizes for `train` training images out of the photographs found."""
    edge = round(statistics.median(max(r.width, r.height) for r in found.records))
    workers = 1 if machine.cores < MOST_THREADS else 2
    if machine.gpu:
        workers = max(1, min(MOST_THREADS, machine.cores - 1))
    by_memory = min(machine.cores, int(machine.memory / MEMORY_A_JOB))
    by_images = math.ceil(len(found.records) / IMAGES_A_SHARD)
    return Sizes(
        edge=edge,
        crop=_crop(edge, machine, weights),
        epochs=min(max(round(LEARNT / train), EPOCHS[0]), EPOCHS[1]),
        width=0.25 if machine.gpu else 0.125,
        iterations=2000 if machine.gpu else 800,
        shards=max(1, min(max(by_memory, by_images), len(found.records), MOST_SHARDS)),
        threads=max(1, min(machine.cores - workers, MOST_THREADS)),
        workers=workers,
    )


def _crop(edge: int, machine: Machine, weights: Weights | None) -> int:
    crop = CPU_CROP
    if machine.gpu and weights:
        crop = next(size for least, size in GPU_CROPS if machine.gpu_memory >= least)
    elif machine.gpu:
        crop = SCRATCH_CROP
    return max(SMALLEST_CROP, min(crop, edge // CELLS * CELLS))


def stages(sizes: Sizes, weights: Weights | None) -> dict[str, Any]:
    """The sections cam, affinity, deeplab and paper of an overlay."""
    crop = sizes.crop
    first, later = _backbones(sizes, weights)
    cam: dict[str, Any] = {
        "backbone": first,
        "crop": crop,
        "resize": [crop, crop * 3 // 2],
        "jitter": [0.3, 0.3, 0.3, 0.05],
        "inference": {"scales": _factors(sizes, 1.25, 1.875, 2.5)},
    }
    affinity = {
        "backbone": later,
        "crop": crop,
        "random_walk": {"background": {"alpha": 0.2, "power": None}, "crf": None},
    }
    deeplab = {
        "backbone": later,
        "head": {"channels": 256 if weights else 128, "dilation": max(2, crop // 64)},
        "crop": crop,
        "scale": _factors(sizes, 1, 1.75),
        "iterations": sizes.iterations,
        "prediction": {"scales": _factors(sizes, 1, 1.375, 1.75)},
    }
    variants: dict[str, Any] = {"baseline-wide": {"resize": [crop // 2, crop * 3 // 2]}}
    if weights:
        gentle = {"lr": 0.0001, "head_lr": 10}
        cam |= {"epochs": 15, "dropout": 0.5, "optimizer": gentle}
        affinity |= {"optimizer": gentle}
        deeplab |= {"optimizer": gentle}
    else:
        variants = {"pretrained": {"epochs": sizes.epochs}} | variants
    return {
        "cam": {"defaults": cam, "variants": variants},
        "affinity": {"defaults": affinity},
        "deeplab": {"defaults": deeplab},
        "paper": {"scales": _factors(sizes, 0.875, 1.25, 1.875, 2.5)},
    }


def _backbones(sizes: Sizes, weights: Weights | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of the CAM networks, and of the networks that start from theirs."""
    if weights is None:
        narrow = {"width": sizes.width, "dilations": [1, 2, 2]}
        return narrow, narrow
    shared = {"name": weights.backbone, "frozen_stages": ["conv1", "layer1"]}
    later = shared | {"weights": "cam", "freeze_batch_norm": True}
    return shared | {"weights": str(weights.path), "freeze_batch_norm": True}, later


def _factors(sizes: Sizes, *crops: float) -> list[float]:
    """Factors of a photograph's size at which its longest edge has so many crops' length."""
    factors = [float(f"{crop * sizes.crop / sizes.edge:.3g}") for crop in crops]
    return list(dict.fromkeys(min(factor, LARGEST_VIEW) for factor in factors))
