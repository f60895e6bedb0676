"""Pictures of the pipeline: photographs in, indexed PNGs of labels out and in.

A picture that cannot be read, or holds no labels where some are expected, is an `SSENetError`.
"""

import warnings
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssenet_core.errors import SSENetError
from ssenet_core.storage.files import atomic_path

VOID = 255  # the label of pixels that do not count


@cache
def voc_palette() -> bytes:
    """The 256 RGB colours of VOC: bit k of a label is bit 7 - k // 3 of channel k mod 3."""
    palette = bytearray()
    for label in range(256):
        channels = [0, 0, 0]
        for bit in range(8):
            channels[bit % 3] |= (label >> bit & 1) << (7 - bit // 3)
        palette.extend(channels)
    return bytes(palette)


def label_picture(labels: NDArray[np.uint8]) -> Image.Image:
    """Labels (H, W) uint8 as an indexed picture in VOC's colours; `ValueError` for other arrays."""
    if labels.dtype != np.uint8 or labels.ndim != 2:
        raise ValueError(f"labels must be uint8 (H, W), not {labels.dtype} {labels.shape}")
    picture = Image.fromarray(labels, mode="P")
    picture.putpalette(voc_palette())
    return picture


def write_png(path: str | Path, picture: Image.Image) -> None:
    """Write a picture as PNG, atomically."""
    with atomic_path(path) as temporary:
        picture.save(temporary, format="PNG")


def write_label_png(path: str | Path, labels: NDArray[np.uint8]) -> None:
    """Write labels (H, W) uint8 as an indexed PNG in VOC's colours, atomically."""
    write_png(path, label_picture(labels))


def read_label_png(path: str | Path) -> NDArray[np.uint8]:
    """Read an indexed or grey PNG as labels (H, W) uint8."""
    try:
        with Image.open(path) as image:
            image.verify()  # the checksums, which reading alone ignores; it uses up the image
        with Image.open(path) as image:
            image.load()
            mode, labels = image.mode, np.array(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise SSENetError(f"{path}: expected a label PNG, cannot read it ({error})") from error
    if mode not in {"P", "L"}:
        raise SSENetError(
            f"{path}: expected an indexed or 8-bit grey PNG of label values, found mode {mode}; "
            "convert the colours to label values"
        )
    return labels


def load_image(path: str | Path) -> Image.Image:
    """Read a photograph as RGB, in its stored orientation: masks are drawn on stored pixels."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise SSENetError(f"{path}: expected an image, cannot read it ({error})") from error
