"""Photographs, masks, class maps and affinities of any size for the benchmarks, all from a seed.

In: sizes and numbers, and a folder of photographs where there is one. Out: arrays, and files with
the manifest that names them.
"""

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from ssenet_core.affinity.pairs import pair_affinities
from ssenet_core.data.manifest import ImageRecord, write_manifest
from ssenet_core.data.shapes import draw_shapes
from ssenet_core.io.files import sha256_file
from ssenet_core.io.maps import MAP_STEPS
from ssenet_core.settings import DatasetSettings

WIDTH, HEIGHT = 500, 375  # the usual photograph of VOC
DRAWN = 500  # side of a drawn picture; larger ones are resized from it
STRIDE, RADIUS = 8, 5
SCALES = (0.5, 1.0, 1.5, 2.0)
BLOBS = (9, 12)  # cells of the noise that masks are made of
COARSE = (18, 24)  # and maps; so stored ones are packed as well as a small network's of photographs
CLASSES = 6  # the most that `shapes` draws


def photograph(
    width: int = WIDTH, height: int = HEIGHT, *, folder: Path | None = None, number: int = 1
) -> Image.Image:
    """The number-th photograph of a folder, or a drawn one, resized to width x height."""
    if folder is None:
        pixels, _ = draw_shapes(seed=0, number=number, size=DRAWN, classes=CLASSES)
        cut = Image.fromarray(pixels[: DRAWN * HEIGHT // WIDTH])
        return cut.resize((width, height), Image.Resampling.BICUBIC)
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".jpg", ".png"})
    with Image.open(files[(number - 1) % len(files)]) as image:
        return image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)


def mask(
    width: int = WIDTH, height: int = HEIGHT, *, number: int = 1, classes: int = 20
) -> NDArray[np.uint8]:
    """Labels in blobs, (height, width), with a few classes and some void."""
    random = np.random.default_rng([1, number])
    present = random.choice(np.arange(1, classes + 1), 3, replace=False)
    values = np.concatenate([[0, 0], present, [255]]).astype(np.uint8)
    blobs = _smooth(random.normal(size=(len(values), *BLOBS)), width, height)
    return values[blobs.argmax(axis=0)]


def class_maps(
    width: int = WIDTH,
    height: int = HEIGHT,
    *,
    classes: int = 3,
    number: int = 1,
    stored: bool = True,
) -> NDArray[np.float32]:
    """Maps of four scales in [0, 1], maximum 1, (classes, height, width); or as files have them."""
    random = np.random.default_rng([2, number])
    noise = random.normal(size=(classes, *COARSE))
    maps = sum(_smooth(noise, width, height, STRIDE / scale).clip(0) for scale in SCALES)
    maps /= maps.max(axis=(1, 2), keepdims=True)
    return np.rint(maps * MAP_STEPS) / np.float32(MAP_STEPS) if stored else maps


def _smooth(
    noise: NDArray[np.float64], width: int, height: int, stride: float = STRIDE
) -> NDArray[np.float32]:
    """Coarse noise up-sampled from a grid of `stride` pixels, as class maps are."""
    coarse = torch.from_numpy(noise.astype(np.float32))[None]
    cells = (math.ceil(height / stride), math.ceil(width / stride))
    grid = functional.interpolate(coarse, cells, mode="bicubic", align_corners=False)
    full = functional.interpolate(grid, (height, width), mode="bilinear", align_corners=False)
    return full[0].numpy()


def affinities(image: Image.Image, stride: int) -> Tensor:
    """Affinities (pairs, h, w) between cells, from the cells' mean colours: areas and borders."""
    size = (-(-image.width // stride), -(-image.height // stride))
    colours = np.asarray(image.resize(size, Image.Resampling.BOX), np.float32) / 16
    features = torch.from_numpy(colours.copy()).permute(2, 0, 1)[None]
    return pair_affinities(features, RADIUS)[0]


def write_photographs(root: Path, number: int, *, folder: Path | None = None) -> list[ImageRecord]:
    """Write photographs of the usual size as JPEG, with one to three tags each."""
    records = []
    for place in range(1, number + 1):
        path = root / f"image_{place:04d}.jpg"
        image = photograph(folder=folder, number=place)
        image.save(path, quality=95)
        tags = tuple(range(1, 2 + place % 3))
        checksum = sha256_file(path)
        records.append(
            ImageRecord(
                id=path.stem,
                image=path,
                mask=None,
                width=image.width,
                height=image.height,
                tags=tags,
                sha256=checksum,
            )
        )
    return records


def write_split(path: Path, records: list[ImageRecord]) -> None:
    """Write the manifest of a training split with the twenty classes of VOC."""
    dataset = DatasetSettings(name="benchmark", source="voc", root=str(path.parent))
    write_manifest(path, dataset, "train", records)
