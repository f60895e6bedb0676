"""Colour jitter: each amount changes what it names, over its whole range; resizing."""

import colorsys

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ssenet_core.data.augment import jitter, resize_by

DRAWS = 200


def jittered(colours: list[tuple[int, int, int]], amounts: list[float]) -> NDArray[np.float64]:
    """What many draws make of a row of pixels, (draws, pixels, 3)."""
    row = Image.fromarray(np.array([colours], np.uint8))
    return np.stack(
        [np.array(jitter(row, amounts, np.random.default_rng(seed)))[0] for seed in range(DRAWS)]
    ).astype(float)


def spread(found: NDArray[np.float64], low: float, high: float) -> None:
    """Assert that values fill a range evenly, as far as whole grey values tell."""
    width = high - low
    assert low - 0.1 * width < found.min() < low + 0.1 * width
    assert high - 0.1 * width < found.max() < high + 0.1 * width
    assert abs(found.mean() - (low + high) / 2) < 0.1 * width


def test_brightness_is_a_factor_of_every_colour() -> None:
    found = jittered([(120, 120, 120), (60, 60, 60)], [0.4, 0, 0, 0])
    spread(found[:, 0] / 120, 0.6, 1.4)
    np.testing.assert_allclose(found[:, 1], found[:, 0] / 2, atol=1)


def test_contrast_is_a_factor_of_the_distance_to_the_mean() -> None:
    found = jittered([(80, 80, 80), (160, 160, 160)], [0, 0.4, 0, 0])
    spread((found[:, 1] - found[:, 0]) / 80, 0.6, 1.4)
    np.testing.assert_allclose(found.mean(axis=1), 120, atol=1)


def test_saturation_is_a_factor_of_the_distance_to_grey() -> None:
    found = jittered([(140, 100, 100), (90, 90, 90)], [0, 0, 0.4, 0])
    spread((found[:, 0, 0] - found[:, 0, 1]) / 40, 0.6, 1.4)
    assert (found[:, 1] == 90).all()


def test_hue_is_turned_to_either_side() -> None:
    found = jittered([(60, 180, 180), (90, 90, 90)], [0, 0, 0, 0.1])
    hues = np.array([colorsys.rgb_to_hsv(*pixel)[0] for pixel in found[:, 0] / 255])
    spread(hues, 0.4, 0.6)
    np.testing.assert_allclose(found[:, 0].max(axis=1), 180, atol=1)
    assert (found[:, 1] == 90).all()


@pytest.mark.parametrize("factor", [0.4, 0.5, 1.5])
def test_resizing_without_antialiasing_is_cubic_convolution_of_four_pixels(factor: float) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (15, 21, 3), dtype=np.uint8)
    expected = picture.astype(float)
    for axis, pixels in ((0, round(15 * factor)), (1, round(21 * factor))):
        expected = np.apply_along_axis(_cubic, axis, expected, pixels)
    found = np.array(resize_by(Image.fromarray(picture), factor, antialias=False))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected.clip(0, 255), atol=0.51)


def _cubic(line: NDArray[np.float64], pixels: int) -> NDArray[np.float64]:
    """A line resized by the cubic kernel with -3/4, the border going on."""
    values = []
    for centre in (np.arange(pixels) + 0.5) * len(line) / pixels - 0.5:
        taps = np.floor(centre) + np.arange(-1, 3)
        x = np.abs(centre - taps)
        weights = np.where(x < 1, 1.25 * x**3 - 2.25 * x**2 + 1, -0.75 * (x - 1) * (x - 2) ** 2)
        values.append(weights @ line[taps.clip(0, len(line) - 1).astype(int)])
    return np.array(values)
