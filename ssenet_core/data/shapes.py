"""The synthetic dataset `shapes`: invented creatures on cluttered ground, made from a seed.

It is written in VOC layout (JPEGImages, SegmentationClass as indexed PNG,
ImageSets/Segmentation/{train,val}.txt). Image k depends on the seed, the size, the number of
classes and k alone, so that more images leave the others as they are.
"""

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ssenet_core.data.creatures import (
    PARTS,
    Creature,
    Field,
    body_plan,
    body_texture,
    dull_colour,
    make_creature,
    polygon_mask,
    smooth_noise,
)
from ssenet_core.data.dataset import IMAGES, LISTS, SHAPES_CLASSES, shapes_lists
from ssenet_core.io.files import atomic_path, write_text
from ssenet_core.io.images import write_label_png
from ssenet_core.settings import ShapesSettings

LOG = logging.getLogger("ssenet")
OVERSAMPLING = 3
SIZES = (0.25, 0.95)  # a creature's length as a share of the image's side
PAIRED = 0.25  # share of images with two creatures
ATTEMPTS = 40  # places tried for the second creature
MOST_SHARED = 0.2  # of the smaller of two creatures


def make_shapes(*, root: str | Path, settings: ShapesSettings) -> None:
    """Write the whole dataset in VOC layout.

    Args:
        root: folder to write into; files that are there already are replaced.
        settings: `seed`, `train` and `val` (numbers of images), `size` (side in pixels), `classes`.
    """
    root, lists = Path(root), shapes_lists(settings)
    for number, image_id in enumerate([*lists["train"], *lists["val"]], start=1):
        image, labels = draw_shapes(
            seed=settings.seed, number=number, size=settings.size, classes=settings.classes
        )
        with atomic_path(root / IMAGES / f"{image_id}.jpg") as path:
            Image.fromarray(image).save(path, format="JPEG", quality=95)
        write_label_png(root / "SegmentationClass" / f"{image_id}.png", labels)
    for name, ids in lists.items():
        write_text(root / LISTS / f"{name}.txt", "".join(f"{image_id}\n" for image_id in ids))
    LOG.info("%s: %d images to train on, %d to validate on", root, settings.train, settings.val)


def draw_shapes(
    *, seed: int, number: int, size: int, classes: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw image `number`: RGB (size, size, 3) and its labels (size, size), no void."""
    rng = np.random.default_rng([seed, number])
    side = size * OVERSAMPLING
    bright_ground = rng.random() < 0.5
    canvas = _ground(rng, side, rng.uniform(0.62, 0.8) if bright_ground else rng.uniform(0.2, 0.38))
    labels = np.zeros((side, side), np.uint8)
    kinds = [int(kind) for kind in rng.permutation(classes)]
    for kind, (creature, length) in zip(kinds, _place_creatures(rng, kinds, side), strict=False):
        value = rng.uniform(0.22, 0.42) if bright_ground else rng.uniform(0.6, 0.85)
        body = body_texture(rng, body_plan(kind), side, value, length)
        _paint(canvas, labels, creature, kind, body)
    blocks = canvas.reshape(size, OVERSAMPLING, size, OVERSAMPLING, 3)
    image = blocks.mean(axis=(1, 3)) + rng.normal(0, 0.012, (size, size, 3))
    centre = OVERSAMPLING // 2
    return (
        np.rint(255 * image.clip(0, 1)).astype(np.uint8),
        labels[centre::OVERSAMPLING, centre::OVERSAMPLING].copy(),
    )


def _ground(rng: np.random.Generator, side: int, value: float) -> Field:
    """Coloured noise of several frequencies, strewn with blobs and strokes, (side, side, 3)."""
    ground = np.broadcast_to(dull_colour(rng, value), (side, side, 3)).copy()
    for cells, amplitude in ((2, 0.08), (5, 0.07), (12, 0.07), (28, 0.06), (60, 0.04)):
        noise = smooth_noise(rng, side, cells, 1) + 0.4 * smooth_noise(rng, side, cells, 3)
        ground += amplitude * noise
    clutter = Image.new("RGBA", (side, side))
    draw = ImageDraw.Draw(clutter)
    for _ in range(int(rng.integers(6, 14))):
        shade = dull_colour(rng, float(np.clip(value + rng.uniform(-0.25, 0.25), 0.1, 0.95)))
        fill = tuple(int(channel) for channel in 255 * shade)
        x, y = rng.uniform(0, side, 2)
        if rng.random() < 0.5:
            width, height = rng.uniform(0.02, 0.11, 2) * side
            draw.ellipse((x - width, y - height, x + width, y + height), fill=fill)
        else:
            path = np.cumsum(rng.normal(0, 0.08 * side, (4, 2)), axis=0) + np.array([x, y])
            points = [(float(px), float(py)) for px, py in path]
            draw.line(points, fill=fill, width=int(rng.uniform(0.01, 0.035) * side) + 1)
    strewn = np.asarray(clutter, np.float32) / np.float32(255)
    opacity = np.float32(0.75) * strewn[..., 3:]
    return (ground * (1 - opacity) + strewn[..., :3] * opacity).astype(np.float32)


def _place_creatures(
    rng: np.random.Generator, kinds: list[int], side: int
) -> list[tuple[Creature, float]]:
    """One creature inside the image, or two that barely overlap, each with its length."""
    share = rng.uniform(*SIZES)
    first = _placed(rng, kinds[0], share, side)
    if len(kinds) == 1 or rng.random() >= PAIRED:
        return [(first, share * side)]
    covered = polygon_mask([*first.limbs, first.plate], side)
    plate = polygon_mask([first.plate], side)
    for _ in range(ATTEMPTS):
        other = rng.uniform(SIZES[0], max(SIZES[0] + 0.05, SIZES[1] - 0.7 * share))
        second = _placed(rng, kinds[1], other, side)
        hiding = polygon_mask([*second.limbs, second.plate], side)
        shared = (hiding & covered).sum() / min(hiding.sum(), covered.sum())
        if shared <= MOST_SHARED and not (hiding & plate).any():
            return [(first, share * side), (second, other * side)]
    return [(first, share * side)]


def _placed(rng: np.random.Generator, kind: int, share: float, side: int) -> Creature:
    creature = make_creature(rng, body_plan(kind), PARTS[SHAPES_CLASSES[kind]], share * side)
    low, high = creature.bounds()
    room = np.maximum(side - 1 - (high - low), 0)
    return creature.moved(rng.uniform(0, 1, 2) * room - low)


def _paint(
    canvas: Field, labels: NDArray[np.uint8], creature: Creature, kind: int, body: Field
) -> None:
    """Draw a creature into `canvas` (side, side, 3) and its label value into `labels`, in place."""
    side = len(labels)
    limbs, plate = polygon_mask(creature.limbs, side), polygon_mask([creature.plate], side)
    colours = PARTS[SHAPES_CLASSES[kind]].colours
    canvas[limbs] = body[limbs]
    canvas[plate] = colours[0]
    canvas[polygon_mask(creature.signs, side) & plate] = colours[1]
    labels[limbs | plate] = kind + 1
