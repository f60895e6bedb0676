"""Small valid pictures of every kind that cameras, scanners and programs write, as bytes."""

import io
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 24, 16
PIXELS = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
COLOURS = Image.fromarray(PIXELS)
GREY = Image.fromarray(PIXELS[..., 0])
LABELS = Image.fromarray(PIXELS[..., 0] % 21)
LABELS.putpalette([3 * value % 256 for value in range(768)])


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """The bytes of a picture file."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, bits: int, colour: int, rows: bytes) -> bytes:
    """A PNG chunk by chunk; `rows` are its bytes before compression, `colour` its colour type."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


PHOTOGRAPHS: Mapping[str, bytes] = {
    "baseline.jpg": encoded(COLOURS, "JPEG"),
    "progressive.jpg": encoded(COLOURS, "JPEG", progressive=True),
    "cmyk.jpg": encoded(COLOURS.convert("CMYK"), "JPEG"),
    "grey.jpg": encoded(GREY, "JPEG"),
    "colours.png": encoded(COLOURS, "PNG"),
    "palette.png": encoded(COLOURS.convert("P"), "PNG"),
    "alpha.png": encoded(COLOURS.convert("RGBA"), "PNG"),
    "animated.png": encoded(COLOURS, "PNG", save_all=True, append_images=[COLOURS.rotate(180)]),
    "animated.gif": encoded(COLOURS, "GIF", save_all=True, append_images=[COLOURS.rotate(180)]),
    "colours.bmp": encoded(COLOURS, "BMP"),
    "colours.webp": encoded(COLOURS, "WEBP", lossless=True),
    "colours.tif": encoded(COLOURS, "TIFF"),
    "deflated.tif": encoded(COLOURS, "TIFF", compression="tiff_adobe_deflate"),
    "colours.ppm": encoded(COLOURS, "PPM"),
}
MASKS: Mapping[str, bytes] = {
    "indexed.png": encoded(LABELS, "PNG"),
    "grey.png": encoded(GREY, "PNG"),
}
