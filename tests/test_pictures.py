"""Pictures of labels and maps: what is under them, over them, and how they shrink and grow."""

import numpy as np
import pytest
from PIL import Image

from ssenet_core.io.images import label_picture
from ssenet_core.pictures import (
    ACROSS,
    View,
    class_colour,
    heat_overlay,
    label_overlay,
    picture_sheet,
    thumbnail,
)


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
    found = np.array(heat_overlay(photograph, heat, share, orange))
    np.testing.assert_array_equal(found[:, :5], np.array(photograph)[:, :5])
    assert {tuple(colour) for colour in found[:, 5:].reshape(-1, 3)} == {(255, 102, 0)}


def test_unknown_heat_shows_the_photograph_alone(photograph: Image.Image) -> None:
    heat = np.full((6, 9), 0.7, np.float32)
    heat[:, :4] = np.nan
    grey = photograph.convert("L")
    found = np.array(heat_overlay(grey, heat, 0.5, orange)).astype(int)
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


COLOURS = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255)}


def block(stage: str, colour: str, **words: str | tuple[str, ...]) -> View:
    picture = Image.new("RGB", (120, 80), colour)
    return View(stage, words.pop("title", colour), picture, **words)


def corner(sheet: Image.Image, colour: str, count: int = 1) -> list[int]:
    """Where the blocks of one colour begin, from the top and from the left; counts them."""
    there = np.argwhere((np.array(sheet) == COLOURS[colour]).all(axis=2))
    assert len(there) == count * 120 * 80
    return there.min(axis=0).tolist()


def test_pictures_of_a_stage_stand_in_its_column() -> None:
    rows = [
        ("one", [block("a", "red"), block("b", "blue")]),
        ("two", [block("c", "red"), block("b", "lime")]),
    ]
    sheet = picture_sheet(rows, columns=["b", "a"])
    lime, blue, red = (corner(sheet, colour) for colour in ("lime", "blue", "red"))
    assert lime[0] > blue[0] + 80
    assert lime[1] == blue[1] < red[1]
    assert blue[0] == red[0]  # and what is of no column is left out


def test_pictures_that_share_a_cell_are_made_smaller() -> None:
    wide = View("a", "", Image.new("RGB", (240, 100), "red"))
    sheet = np.array(picture_sheet([("one", [wide, wide, block("b", "blue")])], columns=["a", "b"]))
    there = np.argwhere((sheet == COLOURS["red"]).all(axis=2))
    blue = np.argwhere((sheet == COLOURS["blue"]).all(axis=2))
    assert len(there) > 2 * 100 * 40
    assert there.max(axis=0)[1] < blue.min(axis=0)[1]


def test_a_long_row_goes_on_below() -> None:
    views = [block("", "red")] * ACROSS + [block("", "blue")]
    sheet = picture_sheet([("all", views)])
    red, blue = corner(sheet, "red", ACROSS), corner(sheet, "blue")
    assert blue[0] > red[0] + 80
    assert blue[1] == red[1]


def test_notes_and_headings_have_their_own_place() -> None:
    plain = picture_sheet([("", [block("", "red")])])
    more = [block("", "red", notes=("a", "b")), block("", "blue")]
    noted = picture_sheet([("", more)], title="A sheet", facts="facts", legend=[(1, "x" * 300)])
    assert noted.height > plain.height + 5 * 14
    assert corner(noted, "red")[0] == corner(noted, "blue")[0] > corner(plain, "red")[0]
    assert noted.width == plain.width  # a text that is too long is cut off
