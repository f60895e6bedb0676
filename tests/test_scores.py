"""Background scores, labels and block averages against their formulas, cell by cell."""

import numpy as np
import pytest

from ssenet_core.scores import (
    argmax_and_max,
    block_average,
    constant_background,
    labels_at_threshold,
    labels_from_scores,
    power_background,
    power_name,
    power_of,
    with_background,
)


@pytest.fixture
def maps() -> np.ndarray:
    return np.random.default_rng(0).random((3, 5, 7)).astype(np.float32)


@pytest.mark.parametrize("power", [1, 4, 16, 24, 2.5])
def test_power_background_is_the_formula(maps, power):
    background = power_background(maps, power)
    assert background.dtype == np.float32
    for y, x in np.ndindex(5, 7):
        expected = (1 - max(float(one[y, x]) for one in maps)) ** power
        assert background[y, x] == pytest.approx(expected, rel=1e-4)


def test_a_higher_power_leaves_the_background_less(maps):
    assert (power_background(maps, 24) <= power_background(maps, 4)).all()


def test_without_classes_all_is_background():
    maps = np.zeros((0, 4, 5), np.float32)
    np.testing.assert_array_equal(power_background(maps, 4), np.ones((4, 5)))
    for background in (power_background(maps, 4), constant_background(maps, 0.2)):
        scores = with_background(maps, background)
        labels = labels_from_scores(scores, np.zeros(0, np.int64))
        np.testing.assert_array_equal(labels, np.zeros((4, 5)))


def test_constant_background_is_row_0(maps):
    scores = with_background(maps, constant_background(maps, 0.2))
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores[0], np.full((5, 7), 0.2, np.float32))
    np.testing.assert_array_equal(scores[1:], maps)


def test_labels_are_values_of_the_highest_and_ties_are_background():
    scores = np.array([[[0.5, 0.1, 0.1]], [[0.5, 0.7, 0.2]], [[0.5, 0.2, 0.7]]])
    labels = labels_from_scores(scores, np.array([3, 20]))
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, [[0, 3, 20]])


def test_a_map_at_the_threshold_is_background():
    maps = np.array([[[0.2, 0.3, 0.1]], [[0.1, 0.2, 0.4]]], np.float32)
    np.testing.assert_array_equal(labels_at_threshold(maps, np.array([3, 20]), 0.2), [[0, 3, 20]])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("rows", [1, 2, 21])
def test_the_argmax_is_the_first_of_equal_scores(rows, dtype):
    # Few levels: ties do occur.
    scores = np.random.default_rng(0).integers(-2, 3, (rows, 9, 11)).astype(dtype)
    kept = scores.copy()
    found, highest = argmax_and_max(scores)
    np.testing.assert_array_equal(found, scores.argmax(axis=0))
    np.testing.assert_array_equal(highest, scores.max(axis=0))
    assert (found.dtype, highest.dtype) == (np.uint8, dtype)
    np.testing.assert_array_equal(scores, kept)


@pytest.mark.parametrize("row", [0, 1, 2])
def test_a_nan_is_passed_on(row):
    scores = np.zeros((3, 1, 2))
    scores[row, 0, 1] = np.nan
    np.testing.assert_array_equal(argmax_and_max(scores)[1], [[0, np.nan]])


@pytest.mark.parametrize("rows", [0, 257])
def test_rows_that_a_byte_cannot_number_are_refused(rows):
    with pytest.raises(ValueError, match=f"1 to 256 rows of scores, found {rows}"):
        argmax_and_max(np.zeros((rows, 2, 2)))


def test_labels_need_one_class_a_foreground_row():
    with pytest.raises(ValueError, match="rows"):
        labels_from_scores(np.zeros((2, 1, 1)), np.array([1, 2]))


@pytest.mark.parametrize(("power", "name"), [(4, "power-4"), (4.0, "power-4"), (2.5, "power-2.5")])
def test_power_names(power, name):
    assert power_name(power) == name
    assert power_of(name) == power


@pytest.mark.parametrize("size", [(16, 24), (17, 23), (1, 1), (3, 40)])
def test_block_average_by_double_loop(size):
    height, width = size
    maps = np.random.default_rng(1).random((2, height, width)).astype(np.float32)
    averages = block_average(maps, 8)
    assert averages.shape == (2, -(-height // 8), -(-width // 8))
    assert averages.dtype == np.float32
    for y, x in np.ndindex(*averages.shape[1:]):
        block = maps[:, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8]
        # A block that the border cuts has zeros beyond it.
        np.testing.assert_allclose(averages[:, y, x], block.sum(axis=(1, 2)) / 64, rtol=1e-5)


def test_block_average_of_no_maps():
    assert block_average(np.zeros((0, 9, 17), np.float32), 8).shape == (0, 2, 3)
