"""Photographs whose every pixel says where it lies, and what a training view shows of them.

Red rises with the column and green with the row, by so much a pixel that a shift by half a pixel
is seen; blue tells the photographs apart. All is kept in PNG, without loss.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ssenet_core.data.manifest import FORMAT, FORMAT_VERSION, Manifest, load_manifest
from ssenet_core.io.files import sha256_file, write_json

CLASSES = ("a", "b", "c", "d", "e", "f")
# What `augment.to_tensor` subtracts and divides by for the backbone of config.yaml: ImageNet's.
MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
DARKEST = 30  # of red and green, so that the mean colour of padding is no pixel's
NO_JITTER = [0.0, 0.0, 0.0, 0.0]


def colours(view: Tensor) -> Tensor:
    """RGB from 0 to 255 of normalised images (..., 3, H, W)."""
    return (view * STD.to(view) + MEAN.to(view)) * 255


class Ramp(NamedTuple):
    """A photograph's size, grey values a pixel, its blue and its tags."""

    height: int
    width: int
    step: float
    blue: int
    tags: tuple[int, ...]

    def picture(self) -> NDArray[np.uint8]:
        """RGB, (height, width, 3)."""
        rows, columns = np.mgrid[: self.height, : self.width]
        layers = [DARKEST + self.step * columns, DARKEST + self.step * rows]
        return np.rint(np.stack([*layers, np.full(rows.shape, self.blue)], axis=2)).astype(np.uint8)


class Places(NamedTuple):
    """Where each pixel of a view lies in its photograph.

    Attributes:
        inside: whether it lies in it, (H, W) bool; the other pixels are padding.
        rows, columns: in pixels of the photograph, (H, W).
    """

    inside: NDArray[np.bool_]
    rows: NDArray[np.float64]
    columns: NDArray[np.float64]


def places(view: Tensor, ramp: Ramp, padding: str = "mean") -> Places:
    """Read where a view's pixels lie from their colours, (3, H, W).

    Args:
        padding: colour of the pixels outside the photograph, "mean" or "black".
    """
    red, green, blue = colours(view).double().numpy()
    black = np.max([red, green, blue], axis=0) < 1e-3
    inside = ~black if padding == "black" else (view != 0).any(dim=0).numpy()
    return Places(inside, (green - DARKEST) / ramp.step, (red - DARKEST) / ramp.step)


def write_ramps(folder: Path, ramps: Sequence[Ramp]) -> Manifest:
    """Write photographs and their manifest, `manifest.json`; their ids are ramp_0, ramp_1, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [(ramp.picture(), ramp.tags, None) for ramp in ramps]
    return write_pictures(folder, "ramp", pictures)


def write_pictures(folder: Path, name: str, pictures: Sequence[Any], classes=CLASSES) -> Manifest:
    """Write pictures as PNG, with their manifest.

    Args:
        pictures: RGB (H, W, 3) uint8, tags or None, the mask's path or None, of each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    records = []
    for number, (picture, tags, mask) in enumerate(pictures):
        image_id = f"{name}_{number}"
        path = folder / f"{image_id}.png"
        Image.fromarray(picture).save(path)
        records.append(
            {
                "id": image_id,
                "image": str(path),
                "mask": mask and str(mask),
                "width": picture.shape[1],
                "height": picture.shape[0],
                "tags": None if tags is None else list(tags),
                "sha256": sha256_file(path),
                "mask_sha256": mask and sha256_file(mask),
            }
        )
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "dataset": "pictures",
        "split": "train",
        "classes": list(classes),
        "images": records,
    }
    write_json(folder / "manifest.json", content)
    return load_manifest(folder / "manifest.json")
