"""Photographs as cameras, phones and microscopes write them, read as a viewer shows them.

`read_photograph` raises an `SSENetError` for a file that is no picture, or one whose range of
values cannot be told.
"""

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from ssenet_core.io.images import FORMATS, reading

PHOTOGRAPH_FORMATS = (*FORMATS, "AVIF", "HEIF")
ORIENTATION = 0x0112  # the EXIF entry
# What turns the stored pixels upright, by the entry's value; 1 is upright.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Photograph:
    """A photograph, and how its file stores it.

    Attributes:
        image: 8-bit sRGB, upright.
        width: of the whole photograph as it is stored, pixels.
        height: of the same.
        orientation: EXIF's, 1 to 8; 1 where the stored pixels are upright, or EXIF is broken.
        format: "JPEG", "HEIF", ...
        plain: whether the file is a JPEG of exactly these pixels.
    """

    image: Image.Image
    width: int
    height: int
    orientation: int
    format: str
    plain: bool

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height of the whole photograph as a viewer shows it."""
        size = (self.width, self.height)
        return size[::-1] if self.orientation >= 5 else size


def read_photograph(path: str | Path, longest_edge: int | None = None) -> Photograph:
    """Read a photograph upright, in 8-bit sRGB, and at most so large.

    Of an animation, the first picture; what is transparent is seen on white. Grey of 9 to 16 bits
    is stretched by the bits in use.

    Args:
        path: of any format in `PHOTOGRAPH_FORMATS`, whatever its suffix.
        longest_edge: to which a larger photograph is shrunk, pixels; None: never.

    Raises:
        SSENetError: missing, damaged, of another format, or its range of values cannot be told.
    """
    _register_formats()
    with (
        reading(path, f"a photograph ({', '.join(PHOTOGRAPH_FORMATS)})"),
        Image.open(path, formats=PHOTOGRAPH_FORMATS) as stored,
    ):
        return as_photograph(stored, longest_edge)


def as_photograph(stored: Image.Image, longest_edge: int | None = None) -> Photograph:
    """An opened image as `read_photograph` reads it; `ValueError` where its range is unknown."""
    orientation, form, mode = _orientation(stored), str(stored.format), stored.mode
    width, height = size = stored.size
    if form == "TIFF" and orientation >= 5:  # Pillow turns these, and no others, by itself
        width, height = height, width
    profile = _foreign_profile(stored.info.get("icc_profile"))
    if longest_edge and stored.mode in {"L", "RGB", "YCbCr", "CMYK"}:
        # JPEG decodes an eighth, a quarter or a half for the asking; twice is kept for quality.
        stored.draft(stored.mode, (2 * longest_edge, 2 * longest_edge))
    image = _srgb(_eight_bits(stored), profile)
    if longest_edge and max(width, height) > longest_edge:
        image.thumbnail((longest_edge, longest_edge), Image.Resampling.LANCZOS, reducing_gap=3)
    as_stored = image.size == size and orientation == 1
    if form != "TIFF" and orientation in TURNS:
        image = image.transpose(TURNS[orientation])
    plain = form == "JPEG" and as_stored and mode in {"L", "RGB"} and profile is None
    return Photograph(image, width, height, orientation, form, plain)


def upright(labels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Labels (H, W) that were drawn on stored pixels, turned as the photograph is."""
    if orientation not in TURNS:
        return labels
    return np.asarray(Image.fromarray(labels).transpose(TURNS[orientation]))


@cache
def _register_formats() -> None:
    # Imported when a photograph is read, as it takes a while.
    import pillow_heif

    Image.init()  # or Pillow does not know all formats by their names yet
    pillow_heif.register_heif_opener()


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except Exception:  # Pillow has no kind of its own for EXIF that is broken
        return 1
    return value if isinstance(value, int) and value in TURNS else 1


def _eight_bits(image: Image.Image) -> Image.Image:
    """A picture of 8 bits a channel; `ValueError` where the range of values is unknown."""
    if image.mode.startswith("I"):
        return _stretched(np.asarray(image).astype(np.int64))
    if image.mode == "F":
        raise ValueError("floating-point values have no known range; save it with 8 bits a channel")
    if image.mode == "RGB" and _wide_samples(image) and _brightest(image) < 128:
        raise ValueError(
            "its colours have more than 8 bits, of which the upper ones are not in use, so that it "
            "would come out dark; save it with 8 bits a channel"
        )
    return image


def _stretched(grey: NDArray[np.int64]) -> Image.Image:
    """Grey of 8 to 16 bits as 8 bits: the bits in use, of the brightest pixel, fill the range."""
    brightest, darkest = int(grey.max()), int(grey.min())
    if darkest < 0 or brightest > 0xFFFF:
        raise ValueError(f"expected grey from 0 to 65535, found {darkest} to {brightest}")
    bits = max(8, brightest.bit_length())
    return Image.fromarray((grey >> (bits - 8)).astype(np.uint8))


def _wide_samples(image: Image.Image) -> bool:
    """Whether a TIFF stores more than 8 bits a channel, of which Pillow gives the upper ones."""
    tags = getattr(image, "tag_v2", None)
    return tags is not None and max(tags.get(258, (8,))) > 8


def _brightest(image: Image.Image) -> int:
    """The largest value of any channel."""
    return int(np.asarray(image).max())


def _foreign_profile(profile: bytes | None) -> ImageCms.ImageCmsProfile | None:
    """A colour profile that is read and is not sRGB's own."""
    if not profile:
        return None
    try:
        found = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return None if ImageCms.getProfileDescription(found).startswith("sRGB") else found
    except (ImageCms.PyCMSError, OSError):
        return None


def _srgb(image: Image.Image, profile: ImageCms.ImageCmsProfile | None) -> Image.Image:
    """Colours of any space and profile as sRGB; a profile of another space is left out."""
    if image.mode in {"P", "PA", "LA", "RGBA"} or "transparency" in image.info:
        seen = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
    if profile is not None and image.mode in {"L", "RGB", "CMYK"}:
        try:
            target = ImageCms.createProfile("sRGB")
            found = ImageCms.profileToProfile(image, profile, target, outputMode="RGB")
        except ImageCms.PyCMSError:
            found = None
        if found is not None:
            return found
    return image.convert("RGB")
