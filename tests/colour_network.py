"""Real networks with weights of ones and zeros, so that what they answer can be told beforehand.

The smallest ResNet-38 of which all is zero but what hands the colour on: feature k of a cell is
channel k of the normalised colour at the pixel that the cell looks at, plus `LIFT`, which keeps it
above zero; one more feature is `LIFT` alone. The heads are as simple: see `write_colour_network`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from ramp import MEAN, STD
from stage_settings import stage_settings
from torch import Tensor, nn

from ssenet_core.models.checkpoints import save_checkpoint
from ssenet_core.models.networks import build_network

LIFT = 3.0  # more than any normalised colour is below zero
COLOURS = 3  # the first features
SMALLEST = {"backbone": {"width": 1 / 32}}
HEAD = {"head": {"channels": 8, "dilation": 1, "dropout": 0.0}}


def write_colour_network(
    path: Path, kind: str, classes: Sequence[str], rows: Sequence[Sequence[float]]
) -> dict[str, Any]:
    """Write a checkpoint and return its settings.

    Args:
        kind: cam, affinity or deeplab.
        classes: foreground class names.
        rows: of each channel of the answer a weight of red, green and blue (in [0, 1]) and a
            constant. The channels are class maps before the ReLU, features, of which there may be
            fewer than the network has (the rest are zero) and none below zero, or scores,
            background first.
    """
    settings = stage_settings(kind, SMALLEST | (HEAD if kind == "deeplab" else {}))
    torch.manual_seed(0)
    network = build_network(settings, classes)
    with torch.no_grad():
        _hand_colours_on(network)
        if kind == "affinity":
            _ones(network.embeddings[0])
            weights, head = _head_weights(rows, network.mix.in_channels), network.mix
        else:
            weights, head = _head_weights(rows, network.classifier.in_channels), network.classifier
        head.weight.zero_()
        head.weight[: len(rows), :, 0, 0] = weights
    save_checkpoint(path, network, settings=settings, classes=classes)
    return settings


def colour_maps(pixels: Tensor, rows: Sequence[Sequence[float]]) -> Tensor:
    """What a network of these `rows` answers at each pixel of an RGB picture (H, W, 3) uint8."""
    table = torch.tensor(rows, dtype=torch.float64)
    colours = pixels.double() / 255
    return (colours @ table[:, :COLOURS].T + table[:, COLOURS]).permute(2, 0, 1)


def bilinear(
    maps: NDArray[np.float64], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Maps (K, h, w) at fractional rows and columns, (K, rows, columns); the border goes on."""
    for axis, places in ((1, rows), (2, columns)):
        maps = np.apply_along_axis(_between, axis, maps, places)
    return maps


def _between(line: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.interp(places, np.arange(len(line)), line)


def cells_of_views(
    picture: NDArray[np.uint8],
    rows: Sequence[Sequence[float]],
    scales: Sequence[float],
    flip: bool,
) -> Iterator[tuple[NDArray[np.float64], bool, tuple[int, int]]]:
    """What a network of these `rows` answers to each view of a picture.

    Yields:
        The cells (K, h, w), whether the view was mirrored, and the view's height and width.
    """
    image = Image.fromarray(picture)
    for scale in scales:
        size = round(image.width * scale), round(image.height * scale)
        view = np.array(image.resize(size, Image.Resampling.BICUBIC))
        for mirrored in (False, True)[: 1 + flip]:
            shown = torch.from_numpy(view[:, ::-1].copy() if mirrored else view)
            yield colour_maps(shown, rows).numpy()[:, ::8, ::8], mirrored, size[::-1]


def _hand_colours_on(network: nn.Module) -> None:
    """Zero all weights but those on the way of the colours to the head."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.zero_()
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, nn.BatchNorm2d):
            module.running_var.fill_(1 - module.eps)
    backbone = network.backbone
    for channel in range(COLOURS):
        backbone.conv1a.weight[channel, channel, 1, 1] = 1
    # The first activation lifts the colours above zero, and gives the channel after them its value.
    backbone.b2[0].bn2a.bias[: COLOURS + 1] = LIFT
    for block in (*backbone.b2, *backbone.b3, *backbone.b4, *backbone.b5, backbone.b6, backbone.b7):
        if block.conv1 is not None:
            _ones(block.conv1)
    for layer in (getattr(network, name, None) for name in ("fc6", "fc7")):
        if layer is not None:
            _ones(layer)


def _ones(layer: nn.Conv2d) -> None:
    """Let a layer hand its first channels on, each pixel for itself."""
    middle = layer.kernel_size[0] // 2
    for channel in range(COLOURS + 1):
        layer.weight[channel, channel, middle, middle] = 1


def _head_weights(rows: Sequence[Sequence[float]], features: int) -> Tensor:
    """The head's weights (rows, features) for features of lifted, normalised colours."""
    table = torch.tensor(rows)
    weights = torch.zeros(len(rows), features)
    weights[:, :COLOURS] = table[:, :COLOURS] * STD.flatten()
    shift = table[:, :COLOURS] @ (MEAN - LIFT * STD).flatten()
    weights[:, COLOURS] = (table[:, COLOURS] + shift) / LIFT
    return weights
