"""Pictures of labels and class maps over their photographs, and thumbnails of any picture.

In: photographs, label values (H, W), maps (H, W) in [0, 1]. Out: PIL images. Labels have VOC's
colours (`io.images.label_picture` draws them alone); the colours of maps are the caller's choice.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssenet_core.io.images import voc_palette

THUMBNAIL = 240  # pixels, the longer side

# Of values (H, W) in [0, 1], colours (H, W, 3 or more) in [0, 1], as matplotlib's colour maps are.
Colours = Callable[[NDArray[Any]], NDArray[Any]]


def class_colour(label: int) -> tuple[int, int, int]:
    """A label's colour in VOC's palette: red, green and blue, 0 to 255."""
    red, green, blue = voc_palette()[3 * label : 3 * label + 3]
    return red, green, blue


def label_overlay(photograph: Image.Image, labels: NDArray[np.uint8]) -> Image.Image:
    """An RGB photograph with its labels' colours mixed in by half, the background left as it is.

    Args:
        photograph: RGB, (H, W).
        labels: (H, W).
    """
    pixels = np.array(photograph)
    colours = np.frombuffer(voc_palette(), dtype=np.uint8).reshape(256, 3)
    here = labels > 0
    pixels[here] = (pixels[here].astype(np.uint16) + colours[labels[here]]) // 2
    return Image.fromarray(pixels)


def heat_overlay(
    photograph: Image.Image,
    heat: NDArray[np.float32],
    colours: Colours,
    share: float | NDArray[Any],
) -> Image.Image:
    """A map in colours, laid over its photograph; where it is not known, the photograph alone.

    Args:
        photograph: of any mode, (H, W).
        heat: the map, (H, W) in [0, 1]; NaN where it is not known.
        colours: of the map's values.
        share: of the colours in the mixture, 0 to 1: one number, or one a pixel, (H, W).

    Returns:
        RGB, (H, W).
    """
    known = np.isfinite(heat)
    opacity = np.where(known, share, 0)[..., None]
    shades = 255 * colours(np.where(known, heat, 0))[..., :3]
    mixed = (1 - opacity) * np.asarray(photograph.convert("RGB")) + opacity * shades
    return Image.fromarray(np.rint(mixed).astype(np.uint8))


def thumbnail(picture: Image.Image, size: int = THUMBNAIL) -> Image.Image:
    """A picture of at most `size` pixels a side; small ones grow by a whole factor to be seen.

    Labels do not mix: an indexed picture is resized by the nearest pixel.
    """
    longer = max(picture.size)
    scale = size / longer if longer > size else size // longer
    width, height = (max(1, round(side * scale)) for side in picture.size)
    nearest = picture.mode == "P"
    resampling = Image.Resampling.NEAREST if nearest else Image.Resampling.LANCZOS
    return picture.resize((width, height), resampling)
