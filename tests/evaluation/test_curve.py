"""The threshold curve: at each alpha exactly a plain evaluation's answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssenet_core.evaluation.confusion import LabelError, confusion_matrix
from ssenet_core.evaluation.curve import ThresholdCurve, alpha_grid
from ssenet_core.settings import AlphaGrid

CLASSES = 5
TENTHS = alpha_grid(AlphaGrid(start=0.05, stop=0.95, count=10))


def plain_labels(maps, classes, alpha):
    """Argmax of the background's constant score and the maps, background first."""
    background = np.full((1, *maps.shape[1:]), alpha, dtype=np.float32)
    values = np.concatenate([[0], classes]).astype(np.uint8)
    return values[np.concatenate([background, maps]).argmax(axis=0)]


def random_image(random, size, num_maps, precision):
    truth = random.choice([*range(CLASSES), 255], size).astype(np.uint8)
    # Few levels and the thresholds themselves, through float16 like stored maps: ties do occur.
    levels = np.concatenate([np.linspace(0, 1, 21), TENTHS])
    maps = random.choice(levels, (num_maps, *size)).astype(precision).astype(np.float32)
    classes = random.permutation(np.arange(1, CLASSES))[:num_maps].astype(np.int64)
    return truth, maps, classes


@given(
    seed=st.integers(0, 2**32 - 1),
    num_maps=st.integers(0, CLASSES - 1),
    precision=st.sampled_from([np.float16, np.float32]),
)
def test_every_threshold_equals_a_plain_evaluation(seed, num_maps, precision):
    random = np.random.default_rng(seed)
    alphas = [
        *TENTHS,
        0.3,
        0.0,
        1.0,
        float(np.float16(0.2)),
    ]
    curve = ThresholdCurve(alphas, CLASSES)
    expected = {alpha: np.zeros((CLASSES, CLASSES), dtype=np.int64) for alpha in alphas}
    for size in ((6, 4), (3, 9)):
        truth, maps, classes = random_image(random, size, num_maps, precision)
        curve.add(truth, maps, classes)
        for alpha in alphas:
            labels = plain_labels(maps, classes, alpha)
            expected[alpha] += confusion_matrix(truth, labels, CLASSES)
    for alpha in alphas:
        np.testing.assert_array_equal(curve.confusion(alpha), expected[alpha])


def test_a_score_equal_to_the_threshold_is_background():
    curve = ThresholdCurve([0.2], 2)
    maps = np.array([[[0.2, np.nextafter(np.float32(0.2), np.float32(1))]]], dtype=np.float32)
    curve.add(np.ones((1, 2), np.uint8), maps, np.array([1]))
    np.testing.assert_array_equal(curve.confusion(0.2), [[0, 0], [1, 1]])


@pytest.mark.parametrize("score", [2.0**20, 1e30, -1.0, -1e-30, 2.0**-20])
def test_scores_of_any_size_are_on_their_side_of_the_threshold(score):
    curve = ThresholdCurve([0.0, 0.25], 2)
    curve.add(np.ones((1, 1), np.uint8), np.array([[[score]]], np.float32), np.array([1]))
    for alpha in (0.0, 0.25):
        assert curve.confusion(alpha)[1].tolist() == [int(score <= alpha), int(score > alpha)]


def test_only_the_thresholds_can_be_asked_for():
    with pytest.raises(ValueError, match="not a threshold"):
        ThresholdCurve([0.2, 0.4], 2).confusion(0.3)


@pytest.mark.parametrize(
    ("truth", "maps", "classes", "message"),
    [
        (np.zeros((2, 3)), np.zeros((1, 3, 2)), [1], "like the mask"),
        (np.zeros((2, 3)), np.zeros((2, 2, 3)), [1], "expected 1 maps"),
        (np.zeros((2, 3)), np.zeros((1, 2, 3)), [3], "map classes 1 to 2"),
        (np.zeros((2, 3)), np.full((1, 2, 3), np.nan), [1], "finite"),
        (np.zeros((2, 3)), np.array([np.ones((2, 3)), np.full((2, 3), np.nan)]), [1, 2], "finite"),
        (np.zeros((2, 3)), np.full((1, 2, 3), np.inf), [1], "finite"),
        (np.full((2, 3), 7), np.zeros((1, 2, 3)), [1], r"labels 0 to 2 in the mask, found \[7\]"),
    ],
)
def test_maps_that_do_not_fit_are_refused(truth, maps, classes, message):
    with pytest.raises(LabelError, match=message):
        ThresholdCurve([0.2], 3).add(
            truth.astype(np.uint8), maps.astype(np.float32), np.array(classes)
        )


def test_the_grid_holds_round_thresholds():
    assert alpha_grid(AlphaGrid(start=0.02, stop=0.8, count=40))[9] == 0.2
