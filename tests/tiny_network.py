"""The smallest ResNet-38, for tests that need a network but not a good one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from stage_settings import stage_settings

from ssenet_core.models.catalogue import IMAGENET
from ssenet_core.models.checkpoints import save_checkpoint
from ssenet_core.models.networks import build_network

TINY = {"width": 1 / 32, "dropout": [0.0, 0.0], "freeze_batch_norm": False}
SETTINGS: dict[str, Any] = {
    "cam": stage_settings("cam", {"backbone": TINY}),
    "affinity": stage_settings("affinity", {"backbone": TINY}),
    "deeplab": stage_settings(
        "deeplab",
        {"backbone": TINY, "head": {"channels": 8, "dilation": 1, "dropout": 0.0}},
    ),
}


class Normalised:
    """The `backbone` of a network that a test writes itself: how its images are normalised."""

    normalisation = IMAGENET


def write_network(path: Path, kind: str, classes: Sequence[str]) -> Path:
    """Write a network's checkpoint with random weights, the same at every call."""
    torch.manual_seed(0)
    network = build_network(SETTINGS[kind], classes)
    save_checkpoint(path, network, settings=SETTINGS[kind], classes=classes)
    return path
