"""Photographs of any camera come out as a viewer shows them."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from ssenet_core.errors import SSENetError
from ssenet_core.io.photographs import TURNS, read_photograph, upright

WIDTH, HEIGHT = 64, 48


def corners() -> Image.Image:
    """A picture whose four quarters differ, so that every turn shows."""
    pixels = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
    pixels[: HEIGHT // 2, : WIDTH // 2] = (220, 40, 40)
    pixels[: HEIGHT // 2, WIDTH // 2 :] = (40, 220, 40)
    pixels[HEIGHT // 2 :, : WIDTH // 2] = (40, 40, 220)
    return Image.fromarray(pixels)


def far(image: Image.Image, other: Image.Image) -> float:
    assert image.size == other.size
    return float(np.abs(np.asarray(image, float) - np.asarray(other, float)).mean())


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", [1, *TURNS])
def test_all_orientations_are_seen_upright(tmp_path: Path, orientation: int, suffix: str) -> None:
    back = {6: 8, 8: 6}.get(orientation, orientation)
    stored = corners().transpose(TURNS[back]) if orientation > 1 else corners()
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / f"p{suffix}", exif=exif)
    found = read_photograph(tmp_path / f"p{suffix}")
    assert far(found.image, corners()) < 6  # JPEG's and WebP's losses
    assert (found.orientation, found.upright_size) == (orientation, (WIDTH, HEIGHT))
    assert (found.width, found.height) == stored.size


def test_labels_are_turned_as_the_photograph_is() -> None:
    labels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    for orientation, turn in TURNS.items():
        back = {6: 8, 8: 6}.get(orientation, orientation)
        stored = np.asarray(Image.fromarray(labels).transpose(TURNS[back]))
        assert np.array_equal(upright(stored, orientation), labels), turn


@pytest.mark.parametrize(
    "block", ["0008000201120003", (b"II*\0" + struct.pack("<I", 2**31)).hex(), "4d4d002a000000ff"]
)
def test_broken_exif_counts_as_upright(tmp_path: Path, block: str) -> None:
    corners().save(tmp_path / "p.png", exif=bytes.fromhex(block))
    found = read_photograph(tmp_path / "p.png")
    assert found.orientation == 1
    assert far(found.image, corners()) == 0


@pytest.mark.parametrize("form", ["HEIF", "AVIF"])
def test_what_phones_write_is_read(tmp_path: Path, form: str) -> None:
    import pillow_heif

    Image.init()
    pillow_heif.register_heif_opener()
    corners().save(tmp_path / "IMG_0001.HEIC", format=form, quality=90)
    found = read_photograph(tmp_path / "IMG_0001.HEIC")
    assert far(found.image, corners()) < 8
    assert found.format == form
    assert not found.plain


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_grey_is_stretched_by_the_bits_in_use(tmp_path: Path, bits: int) -> None:
    ramp = np.linspace(0, 2**bits - 1, WIDTH * HEIGHT).astype(np.uint16).reshape(HEIGHT, WIDTH)
    Image.fromarray(ramp).save(tmp_path / "p.tif")
    found = np.asarray(read_photograph(tmp_path / "p.tif").image)
    assert (found.min(), found.max()) == (0, 255)
    assert np.array_equal(found[:, :, 0], ramp >> (bits - 8))


def test_dark_grey_of_eight_bits_stays_dark(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 50, np.uint16)).save(tmp_path / "p.png")
    assert np.asarray(read_photograph(tmp_path / "p.png").image).max() == 50


def test_values_without_a_range_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 0.5, np.float32)).save(tmp_path / "p.tif")
    with pytest.raises(SSENetError, match=r"p\.tif.*floating-point"):
        read_photograph(tmp_path / "p.tif")
    (tmp_path / "q.jpg").write_text("no picture")
    with pytest.raises(SSENetError, match=r"q\.jpg: expected a photograph"):
        read_photograph(tmp_path / "q.jpg")


def test_transparent_pixels_are_white(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:4] = (200, 10, 10, 255)
    Image.fromarray(pixels).save(tmp_path / "p.png")
    found = np.asarray(read_photograph(tmp_path / "p.png").image)
    assert (found[0, 0].tolist(), found[7, 7].tolist()) == ([200, 10, 10], [255, 255, 255])


def test_cmyk_is_read_as_colours(tmp_path: Path) -> None:
    corners().convert("CMYK").save(tmp_path / "p.jpg", quality=95)
    assert far(read_photograph(tmp_path / "p.jpg").image, corners()) < 6


def test_a_foreign_profile_is_applied_and_srgb_is_not(tmp_path: Path) -> None:
    def saved(profile: bytes) -> Image.Image:
        corners().save(tmp_path / "p.png", icc_profile=profile)
        return read_photograph(tmp_path / "p.png").image

    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert far(saved(srgb), corners()) == 0
    # sRGB with its red and blue primaries exchanged is another space, in which red is seen blue.
    content = bytearray(srgb)
    red, blue = content.index(b"rXYZ"), content.index(b"bXYZ")
    content[red : red + 4], content[blue : blue + 4] = b"bXYZ", b"rXYZ"
    content = content.replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))
    swapped = np.asarray(saved(bytes(content)))[0, 0]
    assert swapped[2] > 150 > swapped[0]
    assert far(saved(b"no profile"), corners()) == 0


def test_a_large_photograph_is_shrunk_to_its_longest_edge(tmp_path: Path) -> None:
    corners().resize((2016, 1512), Image.Resampling.NEAREST).save(tmp_path / "p.jpg", quality=95)
    found = read_photograph(tmp_path / "p.jpg", 64)
    assert (found.width, found.height) == (2016, 1512)
    assert far(found.image, corners()) < 6
    assert read_photograph(tmp_path / "p.jpg", 4000).image.size == (2016, 1512)


def test_only_pixels_that_need_no_change_are_plain(tmp_path: Path) -> None:
    file = io.BytesIO()
    corners().save(file, format="JPEG")
    (tmp_path / "p.jfif").write_bytes(file.getvalue())
    assert read_photograph(tmp_path / "p.jfif", 64).plain
    assert not read_photograph(tmp_path / "p.jfif", 63).plain
