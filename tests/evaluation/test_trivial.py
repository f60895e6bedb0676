"""The answers that need no network."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ssenet_core.evaluation.trivial import ellipse_answer, tag_answer


def test_one_tag_is_everywhere():
    assert (tag_answer(3, 5, [4]) == 4).all()


def test_several_tags_are_equal_bands_in_order():
    np.testing.assert_array_equal(tag_answer(2, 6, [3, 1, 2]), [[3, 3, 1, 1, 2, 2]] * 2)


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    tags=st.lists(st.integers(1, 20), unique=True, max_size=4),
)
def test_the_ellipse_is_a_symmetric_part_of_the_bands(height, width, tags):
    ellipse, bands = ellipse_answer(height, width, tags), tag_answer(height, width, tags)
    inside = ellipse > 0
    assert ellipse.shape == (height, width)
    assert ellipse.dtype == np.uint8
    np.testing.assert_array_equal(ellipse[inside], bands[inside])
    np.testing.assert_array_equal(inside, inside[::-1, ::-1])


def test_the_ellipse_has_its_axes():
    inside = ellipse_answer(200, 300, [1], axes=0.7) == 1
    assert np.isclose(inside.mean(), math.pi / 4 * 0.7**2, rtol=0.01)
    assert (inside.any(axis=1).sum(), inside.any(axis=0).sum()) == (140, 210)


def test_no_tag_is_background():
    assert not ellipse_answer(4, 4, []).any()
