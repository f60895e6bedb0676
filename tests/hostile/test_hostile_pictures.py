"""Photographs and masks: odd kinds, every truncation, damage, bombs, and what is no picture."""

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcomes import damaged_one_of, many, tried, written
from PIL import Image
from samples import COLOURS, GREY, HEIGHT, LABELS, MASKS, PHOTOGRAPHS, PIXELS, WIDTH, encoded, png

from ssenet_core.errors import SSENetError
from ssenet_core.io.images import FORMATS, load_image, read_label_png


def photograph(path: Path) -> np.ndarray:
    return np.array(load_image(path))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_every_kind_is_read_as_rgb(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(PHOTOGRAPHS[name])
    pixels = tried("odd kinds of photographs", lambda: photograph(tmp_path / name))
    assert pixels is not None
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    if name in {"colours.png", "alpha.png", "colours.bmp", "colours.webp", "colours.ppm"}:
        np.testing.assert_array_equal(pixels, PIXELS)
    if name.startswith("animated"):  # the first picture, not the last
        assert np.abs(pixels.astype(int) - PIXELS).mean() < 40


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(png(3, 1, 16, 0, b"\0\0\0\x80\0\xff\xff"), [0, 128, 255], id="16-bit grey"),
        pytest.param(png(1, 1, 16, 2, b"\0\x01\0\x80\0\xff\xff"), [1, 128, 255], id="16-bit RGB"),
        pytest.param(png(2, 1, 1, 0, b"\0\x40"), [0, 255], id="1-bit"),
        pytest.param(png(4, 1, 2, 0, b"\0\x1b"), [0, 85, 170, 255], id="2-bit grey"),
        pytest.param(png(1, 1, 8, 6, b"\0\x07\x08\x09\0"), [7, 8, 9], id="transparent"),
        pytest.param(png(1, 1, 8, 0, b"\0\x2a"), [42], id="one pixel"),
    ],
)
def test_depths_keep_their_range(tmp_path: Path, content: bytes, expected: list[int]) -> None:
    (tmp_path / "a.png").write_bytes(content)
    pixels = tried("odd kinds of photographs", lambda: photograph(tmp_path / "a.png"))
    assert pixels is not None
    found = pixels.ravel() if pixels.size == 3 and len(expected) == 3 else pixels[0, :, 0]
    assert found.tolist() == expected


@pytest.mark.parametrize(("width", "height"), [(20_000, 10), (10, 20_000), (1, 1)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_extreme_shapes_are_read(tmp_path: Path, width: int, height: int, kind: str) -> None:
    path = tmp_path / "long"
    path.write_bytes(encoded(Image.new("RGB", (width, height), (9, 9, 9)), kind))
    pixels = tried("odd kinds of photographs", lambda: photograph(path))
    assert pixels is not None
    assert pixels.shape == (height, width, 3)


@pytest.mark.parametrize("name", ["baseline.jpg", "progressive.jpg", "colours.png", "animated.gif"])
def test_every_truncation_is_an_error_or_nothing_is_missing(folder: Path, name: str) -> None:
    whole = PHOTOGRAPHS[name]
    path = written(folder / name, whole)
    expected = photograph(path)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        pixels = tried("truncated photographs", lambda: photograph(path), path)
        assert pixels is None or np.array_equal(pixels, expected), length


@pytest.mark.parametrize("name", MASKS)
def test_every_truncated_mask_is_an_error_or_nothing_is_missing(folder: Path, name: str) -> None:
    whole = MASKS[name]
    path = written(folder / name, whole)
    expected = read_label_png(path)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        labels = tried("truncated masks", lambda: read_label_png(path), path)
        assert labels is None or np.array_equal(labels, expected), length


@many
@given(damaged_one_of(dict(PHOTOGRAPHS)))
def test_damaged_photographs(folder: Path, sample: tuple[str, bytes]) -> None:
    path = written(folder / sample[0], sample[1])
    pixels = tried("damaged photographs", lambda: photograph(path), path)
    assert pixels is None or (pixels.ndim == 3 and pixels.dtype == np.uint8 and pixels.size)


@many
@given(damaged_one_of(dict(MASKS)))
def test_damaged_masks(folder: Path, sample: tuple[str, bytes]) -> None:
    path = written(folder / sample[0], sample[1])
    labels = tried("damaged masks", lambda: read_label_png(path), path)
    assert labels is None or (labels.ndim == 2 and labels.dtype == np.uint8 and labels.size)


SIGNATURES = [
    b"",
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"BM",
    b"II*\0",
    b"RIFF",
    b"P6 ",
]


@many
@given(st.sampled_from(SIGNATURES), st.binary(max_size=200))
def test_any_bytes(folder: Path, signature: bytes, rest: bytes) -> None:
    path = written(folder / "any.jpg", signature + rest)
    tried("any bytes as photograph", lambda: photograph(path), path)
    tried("any bytes as mask", lambda: read_label_png(path), path)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(png(60_000, 60_000, 8, 2, bytes(99)), id="PNG"),
        pytest.param(b"GIF89a" + b"\xff\xff" * 2 + b"\0" * 30, id="GIF"),
        pytest.param(b"P6 99999 99999 255\n" + bytes(99), id="PPM"),
        pytest.param(b"BM" + bytes(12) + b"\x28\0\0\0" + b"\0\0\1\0" * 2 + bytes(28), id="BMP"),
    ],
)
def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(content)
    assert tried("bombs", lambda: photograph(path), path) is None
    assert tried("bombs", lambda: read_label_png(path), path) is None


def test_a_bomb_is_told_by_its_pixels(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(60_000, 60_000, 8, 2, bytes(99)))
    with pytest.raises(SSENetError, match=r"bomb\.png.*3600000000 pixels.*exceeds limit"):
        load_image(path)


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        pytest.param(encoded(COLOURS, "PNG"), "mode RGB", id="RGB"),
        pytest.param(encoded(LABELS.convert("RGBA"), "PNG"), "mode RGBA", id="RGBA"),
        pytest.param(encoded(GREY.convert("1"), "PNG"), "mode 1", id="1-bit"),
        pytest.param(png(2, 1, 16, 0, b"\0\0\1\0\2"), "mode I;16", id="16-bit"),
        pytest.param(png(4, 1, 2, 0, b"\0\x1b"), "2-bit grey", id="2-bit grey"),
        pytest.param(png(2, 1, 4, 0, b"\0\x12"), "4-bit grey", id="4-bit grey"),
        pytest.param(encoded(GREY, "JPEG"), "cannot read it", id="JPEG: its labels are blurred"),
        pytest.param(encoded(LABELS, "GIF"), "cannot read it", id="GIF"),
    ],
)
def test_masks_that_are_no_label_values_are_refused(
    tmp_path: Path, picture: bytes, said: str
) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(picture)
    with pytest.raises(SSENetError, match=rf"mask\.png: expected .*{said}"):
        read_label_png(path)


def test_few_labels_in_few_bits_are_read(tmp_path: Path) -> None:
    LABELS.point(lambda value: value % 4).save(tmp_path / "a.png", bits=2)
    labels = read_label_png(tmp_path / "a.png")
    np.testing.assert_array_equal(labels, np.array(LABELS) % 4)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_values_of_unknown_range_are_refused(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (3, 2)).save(tmp_path / "a.tif")
    with pytest.raises(SSENetError, match=rf"a\.tif: .*8 or 16 bits.*{mode}"):
        load_image(tmp_path / "a.tif")


def test_postscript_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a picture in PostScript, Pillow would start Ghostscript, whatever the file is called."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(COLOURS, "EPS"))
    started: list[Any] = []
    monkeypatch.setattr(subprocess, "Popen", lambda *command, **_: started.append(command))
    assert tried("any bytes as photograph", lambda: photograph(path), path) is None
    assert not started
    assert "EPS" not in FORMATS


def test_pipes_devices_and_folders_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path / "pipe.jpg", Path("/dev/zero"), tmp_path, tmp_path / ("x" * 300)):
        assert tried("places that hold no file", lambda path=path: photograph(path), path) is None
        assert tried("places that hold no file", lambda p=path: read_label_png(p), path) is None


def test_the_orientation_tag_is_left_alone(tmp_path: Path) -> None:
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turn
        (tmp_path / "a.jpg").write_bytes(encoded(COLOURS, "JPEG", exif=exif))
        pixels = tried("odd kinds of photographs", lambda: photograph(tmp_path / "a.jpg"))
        assert pixels is not None
        assert pixels.shape == (HEIGHT, WIDTH, 3)
