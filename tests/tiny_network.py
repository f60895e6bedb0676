"""The smallest ResNet-38, for tests that need a network but not a good one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ssenet_core.models.catalogue import IMAGENET
from ssenet_core.models.checkpoints import build_network, save_checkpoint

SETTINGS: dict[str, Any] = {
    "backbone": {
        "name": "resnet38",
        "width": 1 / 32,
        "dilations": [1, 1, 1],
        "dropout": [0.0, 0.0],
        "weights": None,
        "freeze_batch_norm": False,
        "frozen_stages": [],
    },
    "dropout": 0.0,
    "alignment": "cells",
    "head": {"channels": 8, "dilation": 1, "dropout": 0.0},
}


class Normalised:
    """The `backbone` of a network that a test writes itself: how its images are normalised."""

    normalisation = IMAGENET


def write_network(path: Path, kind: str, classes: Sequence[str]) -> Path:
    """Write a network's checkpoint with random weights, the same at every call."""
    torch.manual_seed(0)
    network = build_network(kind, SETTINGS, classes)
    save_checkpoint(path, network, kind=kind, settings=SETTINGS, classes=classes)
    return path
