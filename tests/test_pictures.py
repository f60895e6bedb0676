"""Pictures of labels and maps: what is under them, over them, and how they shrink and grow."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssenet_core.io.images import label_picture, load_image
from ssenet_core.picture_grid import write_grid
from ssenet_core.pictures import class_colour, heat_overlay, label_overlay, thumbnail


@pytest.fixture
def photograph() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def orange(values: np.ndarray) -> np.ndarray:
    """Every value in one colour, with opacity as matplotlib's colours have."""
    return np.broadcast_to([1.0, 0.4, 0.0, 1.0], (*values.shape, 4))


def test_labels_have_their_classes_colours() -> None:
    labels = np.array([[0, 1, 20], [255, 2, 0]], np.uint8)
    colours = np.array(label_picture(labels).convert("RGB"))
    for label, colour in zip(labels.ravel().tolist(), colours.reshape(-1, 3), strict=True):
        assert tuple(colour) == class_colour(label)


def test_labels_over_a_photograph_leave_its_background(photograph: Image.Image) -> None:
    labels = np.zeros((6, 9), np.uint8)
    labels[2:4, 3:5] = 2
    found, pixels = np.array(label_overlay(photograph, labels)), np.array(photograph).astype(int)
    np.testing.assert_array_equal(found[labels == 0], pixels[labels == 0])
    mixed = (pixels[labels == 2] + class_colour(2)) // 2
    np.testing.assert_array_equal(found[labels == 2], mixed)


def test_a_share_of_nothing_is_the_photograph_and_of_all_the_colours(
    photograph: Image.Image,
) -> None:
    heat = np.ones((6, 9), np.float32)
    share = np.zeros((6, 9))
    share[:, 5:] = 1
    found = np.array(heat_overlay(photograph, heat, orange, share))
    np.testing.assert_array_equal(found[:, :5], np.array(photograph)[:, :5])
    assert {tuple(colour) for colour in found[:, 5:].reshape(-1, 3)} == {(255, 102, 0)}


def test_unknown_heat_shows_the_photograph_alone(photograph: Image.Image) -> None:
    heat = np.full((6, 9), 0.7, np.float32)
    heat[:, :4] = np.nan
    grey = photograph.convert("L")
    found = np.array(heat_overlay(grey, heat, orange, 0.5)).astype(int)
    expected = np.array(grey.convert("RGB")).astype(int)
    np.testing.assert_array_equal(found[:, :4], expected[:, :4])
    mixed = (expected[:, 4:] + [255, 102, 0]) / 2
    np.testing.assert_allclose(found[:, 4:], mixed, atol=0.5)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(480, 360, (240, 180)), (50, 30, (200, 120)), (240, 1, (240, 1)), (1000, 1, (240, 1))],
)
def test_large_pictures_shrink_and_small_ones_grow_by_a_whole_factor(
    width: int, height: int, expected: tuple[int, int]
) -> None:
    assert thumbnail(Image.new("RGB", (width, height)), 240).size == expected


def test_labels_do_not_mix_when_they_shrink() -> None:
    labels = np.random.default_rng(0).choice(np.array([1, 3, 255], np.uint8), (90, 70))
    small = thumbnail(label_picture(labels), 30)
    assert small.mode == "P"
    assert set(np.unique(np.array(small))) == {1, 3, 255}


def test_pictures_stand_under_their_headings(tmp_path: Path) -> None:
    red, green, blue = (Image.new("RGB", (30, 20), name) for name in ("#f00", "#0f0", "#00f"))
    columns = {"a": [red, green], "b $": [blue, label_picture(np.ones((20, 30), np.uint8))]}
    write_grid(tmp_path / "grid.png", columns, ["one $x\ny", "two$"], "A title")
    pixels = np.array(load_image(tmp_path / "grid.png"))

    def middle(colour: tuple[int, ...]) -> np.ndarray:
        there = np.argwhere((pixels == colour).all(axis=2))
        assert len(there) > 100
        return there.mean(axis=0)

    top, left = middle((255, 0, 0))
    assert middle((0, 255, 0))[0] > top + 50
    assert middle((0, 0, 255))[1] > left + 50
    np.testing.assert_allclose(
        middle(class_colour(1)), [middle((0, 255, 0))[0], middle((0, 0, 255))[1]], atol=2
    )


def test_a_column_needs_a_picture_a_row(tmp_path: Path) -> None:
    columns = {"a": [Image.new("L", (3, 3))]}
    with pytest.raises(ValueError):
        write_grid(tmp_path / "grid.png", columns, ["one", "two"])
    assert not list(tmp_path.iterdir())
