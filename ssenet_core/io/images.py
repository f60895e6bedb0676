"""Reading of photographs, reading and writing of indexed PNGs of label values.

Raises `SSENetError` for a picture that cannot be read, or has no label values where it should.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssenet_core.errors import SSENetError
from ssenet_core.io.files import atomic_path, require_plain_file

VOID = 255  # the label of pixels that do not count
# Pillow knows many more: for EPS it would run Ghostscript, of some it takes half a file for all.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
STRETCHED = {"L;2", "L;4"}  # Pillow's names of grey that it multiplies to fill 0 to 255


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
    """Read an indexed or grey PNG as labels (H, W) uint8.

    Raises:
        SSENetError: missing, damaged, too large, no PNG, or of colours instead of label values.
    """
    with reading(path, "a label PNG"):
        with Image.open(path, formats=("PNG",)) as image:
            image.verify()  # the checksums, which reading alone ignores; it uses up the image
        with Image.open(path, formats=("PNG",)) as image:
            mode, encoding = image.mode, image.tile[0][3]
            labels = np.array(image)
    if mode not in {"P", "L"} or encoding in STRETCHED:
        found = f"{encoding[-1]}-bit grey" if encoding in STRETCHED else f"mode {mode}"
        raise SSENetError(
            f"{path}: expected an indexed or 8-bit grey PNG of label values, found {found}; "
            "convert the colours to label values"
        )
    return labels


def read_mask(path: str | Path, *, size: tuple[int, int], classes: int) -> NDArray[np.uint8]:
    """Read a ground truth mask and check it against its image.

    Args:
        path: an indexed PNG.
        size: the image's width and height.
        classes: number of foreground classes; 1 to `classes`, 0 and 255 are label values.

    Returns:
        Label values (H, W).

    Raises:
        SSENetError: unreadable, of another size, or with other values.
    """
    labels = read_label_png(path)
    height, width = labels.shape
    if (width, height) != size:
        raise SSENetError(
            f"{path}: expected the image's size {size[0]}x{size[1]}, found {width}x{height}"
        )
    check_label_values(path, labels, classes)
    return labels


def check_label_values(path: str | Path, labels: NDArray[np.uint8], classes: int) -> None:
    """Raise an `SSENetError` if labels (H, W) are none of 0 to `classes` and 255."""
    unknown = [int(value) for value in np.unique(labels) if classes < value < VOID]
    if unknown:
        raise SSENetError(
            f"{path}: label values {unknown} are outside the {classes} classes "
            f"(0 to {classes}, and {VOID} for void); are all classes named, in the masks' order?"
        )


def load_image(path: str | Path) -> Image.Image:
    """Read a photograph as RGB, in its stored orientation: masks are drawn on stored pixels.

    Of an animation, the first picture; 16 bits a channel become 8; what is transparent is not.

    Raises:
        SSENetError: missing, damaged, too large, or of another format or range than photographs.
    """
    expected = f"an image ({', '.join(FORMATS)})"
    with reading(path, expected), Image.open(path, formats=FORMATS) as image:
        return as_rgb(image)


def as_rgb(image: Image.Image) -> Image.Image:
    """A picture of any mode as 8-bit RGB; `ValueError` where its range of values is unknown."""
    if image.mode.startswith("I;16"):  # Pillow would cut off what is above 255
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in {"I", "F"}:
        raise ValueError(f"expected 8 or 16 bits a channel, found Pillow's mode {image.mode}")
    return image.convert("RGB")


@contextmanager
def reading(path: str | Path, what: str) -> Iterator[None]:
    """Explain whatever Pillow raises over a file that is not what it seems: it has many kinds."""
    try:
        with warnings.catch_warnings():
            # Twice as many pixels as it warns of are an error.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", module="PIL")  # broken EXIF, which does not matter
            require_plain_file(path)
            yield
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise SSENetError(f"{path}: expected {what}, cannot read it ({reason})") from error
