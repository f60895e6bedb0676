"""Pictures: label values survive PNG, and what is no label picture or photograph is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssenet_core.errors import SSENetError
from ssenet_core.io.images import (
    load_image,
    read_label_png,
    read_mask,
    voc_palette,
    write_label_png,
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_palette_starts_with_vocs_colours():
    palette = voc_palette()
    assert len(palette) == 768
    assert [tuple(palette[i : i + 3]) for i in (0, 3, 6)] == [(0, 0, 0), (128, 0, 0), (0, 128, 0)]
    assert tuple(palette[-3:]) == (224, 224, 192)
    assert len({palette[i : i + 3] for i in range(0, 768, 3)}) == 256


def test_labels_round_trip(tmp_path, rng):
    labels = rng.integers(0, 256, (9, 14), dtype=np.uint8)
    write_label_png(tmp_path / "a.png", labels)
    np.testing.assert_array_equal(read_label_png(tmp_path / "a.png"), labels)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "P"
        colours = np.array(image.convert("RGB"))
    palette = np.frombuffer(voc_palette(), np.uint8).reshape(256, 3)
    np.testing.assert_array_equal(colours, palette[labels])


def test_grey_labels_are_read_and_colours_refused(tmp_path, rng):
    labels = rng.integers(0, 256, (9, 14), dtype=np.uint8)
    Image.fromarray(labels).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_label_png(tmp_path / "grey.png"), labels)
    Image.fromarray(np.stack([labels] * 3, axis=-1)).save(tmp_path / "rgb.png")
    with pytest.raises(SSENetError, match=r"rgb\.png.*found mode RGB"):
        read_label_png(tmp_path / "rgb.png")


@pytest.mark.parametrize("labels", [np.zeros((2, 2), np.int64), np.zeros((1, 2, 2), np.uint8)])
def test_what_is_not_labels_is_not_written(tmp_path, labels):
    with pytest.raises(ValueError, match="uint8"):
        write_label_png(tmp_path / "a.png", labels)
    assert list(tmp_path.iterdir()) == []


def test_photographs_keep_their_stored_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.new("L", (30, 20), 128).save(tmp_path / "a.jpg", exif=exif)
    image = load_image(tmp_path / "a.jpg")
    assert image.mode == "RGB"
    assert image.size == (30, 20)


@pytest.mark.parametrize("read", [load_image, read_label_png])
def test_a_missing_file_is_named(tmp_path, read):
    with pytest.raises(SSENetError, match="nowhere"):
        read(tmp_path / "nowhere")


def test_masks_are_checked_against_image_and_classes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    labels = np.array([[0, 3, 255], [4, 9, 0]], np.uint8)
    write_label_png(path, labels)
    assert np.array_equal(read_mask(path, size=(3, 2), classes=9), labels)
    with pytest.raises(SSENetError, match=r"a\.png.*size 2x3, found 3x2"):
        read_mask(path, size=(2, 3), classes=9)
    with pytest.raises(SSENetError, match=r"a\.png.*\[4, 9\].*0 to 3"):
        read_mask(path, size=(3, 2), classes=3)
