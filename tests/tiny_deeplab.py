"""A tiny DeepLab checkpoint that sees all of its classes, and photographs for it."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from stage_settings import changed
from tiny_network import SETTINGS

from ssenet_core.models.checkpoints import save_checkpoint
from ssenet_core.models.networks import build_network

CLASSES = ("cat", "potted plant")


def write_checkpoint(path: Path, kind: str = "deeplab") -> Path:
    """Write a network with random weights."""
    torch.manual_seed(3)
    network = build_network(SETTINGS[kind], CLASSES)
    if kind == "deeplab":
        # Random scores are nearly even: centred on a photograph's, every class is somewhere ahead.
        network.eval()
        network.classifier.weight.data *= 20
        with torch.no_grad():
            scores = network(torch.randn(1, 3, 64, 64))
        network.classifier.bias.data -= scores.mean(dim=(0, 2, 3))
    settings = changed(SETTINGS[kind], {"scale": [0.5, 1.5]} if kind == "deeplab" else {})
    save_checkpoint(path, network, settings=settings, classes=CLASSES)
    return path


def photograph(width: int = 45, height: int = 33, seed: int = 0) -> Image.Image:
    """Coarse patches of random colours."""
    patches = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((width, height), Image.Resampling.NEAREST)
