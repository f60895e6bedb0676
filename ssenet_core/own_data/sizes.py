"""Sizes of a training that suit the photographs and the machine.

In: a survey, the machine, first weights if there are any. Out: an overlay of `config.yaml`, as a
plain dictionary of sections. The settings without first weights are those of `recipes/msrc14.yaml`,
scaled to the photographs; the others are a start that nobody has measured.
"""

import math
import statistics
from dataclasses import dataclass
from typing import Any

from ssenet_core.models.catalogue import BACKBONES
from ssenet_core.own_data.machine import Machine
from ssenet_core.own_data.survey import Survey
from ssenet_core.own_data.weights import Weights
from ssenet_core.settings.sections import LARGEST_SCALE

# With ImageNet weights, as chosen on photographs of PASCAL VOC (docs/results.md).
CROP = 320
AFFINITY_CROP, DEEPLAB_CROP = 224, 256
# A second view of 14 x 14 cells: smaller ones cost accuracy (docs/results.md).
SER_RATE = 0.7
VIEWS = (1.5625, 2.34375)  # longest edges at which maps are taken, in crops: 500 and 750 pixels
# How many stages of a kind of backbone stay as they are in the CAM network, and in DeepLab; of
# AffinityNet the head alone is trained.
FROZEN = {"resnet": (4, 4), "efficientnet": (6, 7), "convnext": (4, 4)}
BATCH = 8
DEEPLAB_EPOCHS = 11
DEEPLAB_STEPS = (400, 20000)
CELLS = 16  # pixels: crops are multiples of it
SMALLEST_CROP = 32
# Without first weights: a narrow network at a size that its machine can train.
SCRATCH_CROP, SCRATCH_GPU_CROP = 128, 224
LEARNT = 285 * 70  # images seen by the first classifier, with which docs/results.md's were trained
EPOCHS = (20, 100)
MEMORY_A_JOB = 2.0  # GiB, of a per-image job
IMAGES_A_SHARD = 250
MOST_SHARDS = 144
MOST_THREADS = 8


@dataclass(frozen=True)
class Sizes:
    """What the settings are worked out from.

    Attributes:
        edge: longest edge of a middling photograph, pixels.
        crop: edge of the training crops, pixels.
        epochs: of the first classifier, where it starts from random weights.
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
    scratch_crop = SCRATCH_GPU_CROP if machine.gpu else SCRATCH_CROP
    crop = max(SMALLEST_CROP, min(scratch_crop, edge // CELLS * CELLS))
    return Sizes(
        edge=edge,
        crop=CROP if weights else crop,
        epochs=min(max(round(LEARNT / train), EPOCHS[0]), EPOCHS[1]),
        width=0.25 if machine.gpu else 0.125,
        iterations=_deeplab_steps(train) if weights else 2000 if machine.gpu else 800,
        shards=max(1, min(max(by_memory, by_images), len(found.records), MOST_SHARDS)),
        threads=max(1, min(machine.cores, MOST_THREADS)),
        workers=workers,
    )


def _deeplab_steps(train: int) -> int:
    """DeepLab's training steps on ImageNet weights, for so many training images."""
    least, most = DEEPLAB_STEPS
    return min(max(round(DEEPLAB_EPOCHS * train / BATCH), least), most)


def stages(sizes: Sizes, weights: Weights | None) -> dict[str, Any]:
    """The sections of an overlay that say how networks learn and look, and how maps are judged."""
    return _from_scratch(sizes) if weights is None else _pretrained(sizes, weights)


def _from_scratch(sizes: Sizes) -> dict[str, Any]:
    """A narrow ResNet-38 learns the tags from random weights; the others start from it."""
    crop = sizes.crop
    narrow = {"width": sizes.width, "dilations": [1, 2, 2]}
    cam: dict[str, Any] = {
        "backbone": narrow,
        "crop": crop,
        "resize": [crop, crop * 3 // 2],
        "jitter": [0.3, 0.3, 0.3, 0.05],
        "inference": {"scales": _factors(sizes, 1.25, 1.875, 2.5)},
    }
    wide = {"resize": [crop // 2, crop * 3 // 2]}
    return {
        "cam": {
            "defaults": cam,
            "variants": {"pretrained": {"epochs": sizes.epochs}, "baseline-wide": wide},
        },
        "affinity": {
            "defaults": {
                "backbone": narrow,
                "crop": crop,
                "random_walk": {"background": {"alpha": 0.2, "power": None}, "crf": None},
            }
        },
        "deeplab": {
            "defaults": {
                "backbone": narrow,
                "head": {"channels": 128, "dilation": max(2, crop // 64)},
                "crop": crop,
                "scale": _factors(sizes, 1, 1.75),
                "iterations": sizes.iterations,
                "prediction": {"scales": _factors(sizes, 1, 1.375, 1.75)},
            }
        },
        "paper": {"scales": _factors(sizes, 0.875, 1.25, 1.875, 2.5)},
    }


def _pretrained(sizes: Sizes, weights: Weights) -> dict[str, Any]:
    """All networks start from an ImageNet network, of which the first stages stay as they are.

    The values were chosen on photographs of PASCAL VOC (docs/results.md).
    """
    known = BACKBONES.get(weights.backbone)
    all_stages = list(known.stages) if known else []
    kinds = (found for kind, found in FROZEN.items() if weights.backbone.startswith(kind))
    kept, kept_in_deeplab = next(kinds, (0, 0))
    backbone = {
        "name": weights.backbone,
        "output_stride": 16,
        "weights": weights.source,
        "freeze_batch_norm": True,
        "frozen_stages": all_stages[:kept],
    }
    later = {**backbone, "weights": "cam"}
    optimizer = {"lr": 0.0003, "head_lr": 10}
    jitter = [0.3, 0.3, 0.3, 0.1]
    crop = sizes.crop
    cam: dict[str, Any] = {
        "backbone": backbone,
        "dropout": 0.5,
        "epochs": 6,
        "crop": crop,
        "resize": [crop, crop * 3 // 2],
        "jitter": jitter,
        "ser": {"rate": SER_RATE, "compared_at": "pixels"},
        "optimizer": optimizer,
        "inference": {"scales": _factors(sizes, *VIEWS)},
    }
    return {
        "cam": {
            "defaults": cam,
            "variants": {"baseline-wide": {"resize": [crop // 2, crop * 3 // 2]}},
        },
        "affinity": {
            "defaults": {
                "backbone": {**later, "output_stride": 8, "frozen_stages": all_stages},
                "epochs": 5,
                "batch_size": BATCH,
                "crop": AFFINITY_CROP,
                "jitter": jitter,
                "optimizer": optimizer,
                "random_walk": {"background": {"alpha": 0.3, "power": None}, "crf": None},
            }
        },
        "deeplab": {
            "defaults": {
                "backbone": {**later, "frozen_stages": all_stages[:kept_in_deeplab]},
                "head": {"channels": 256, "dilation": 6, "dropout": 0.1},
                "iterations": sizes.iterations,
                "batch_size": BATCH,
                "crop": DEEPLAB_CROP,
                "scale": _factors(sizes, 0.75, 1.5),
                "jitter": jitter,
                "optimizer": optimizer,
                "prediction": {"scales": _factors(sizes, 1, 1.5)},
            }
        },
        "paper": {
            "table1": ["baseline", "ssenet", "ssenet-0.6", "ssenet-0.4"],
            "scales": _factors(sizes, 0.75, 1, 1.5, 2),
        },
    }


def _factors(sizes: Sizes, *crops: float) -> list[float]:
    """Factors of a photograph's size at which its longest edge has so many crops' length."""
    factors = [float(f"{crop * sizes.crop / sizes.edge:.3g}") for crop in crops]
    return list(dict.fromkeys(min(factor, LARGEST_SCALE) for factor in factors))
