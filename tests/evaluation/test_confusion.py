"""The confusion matrix and its scores: identities, and cases worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ssenet_core.evaluation.confusion import LabelError, confusion_matrix, scores

CLASSES = 4
SIZE = (5, 7)
labels = hnp.arrays(np.uint8, SIZE, elements=st.integers(0, CLASSES - 1))
truths = hnp.arrays(np.uint8, SIZE, elements=st.sampled_from([*range(CLASSES), 255]))


@given(truth=truths, prediction=labels)
def test_counts_equal_a_plain_loop(truth, prediction):
    expected = np.zeros((CLASSES, CLASSES), dtype=np.int64)
    for true, predicted in zip(truth.ravel(), prediction.ravel(), strict=True):
        if true != 255:
            expected[true, predicted] += 1
    found = confusion_matrix(truth, prediction, CLASSES)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, expected)


@given(truth=labels)
def test_a_perfect_prediction_is_diagonal(truth):
    confusion = confusion_matrix(truth, truth, CLASSES)
    assert np.count_nonzero(confusion - np.diag(np.diag(confusion))) == 0
    found = scores(confusion)
    assert found.miou == 100
    assert found.mfn == found.mfp == (None if truth.max() == 0 else 0)
    assert [value is None for value in found.iou] == [c not in truth for c in range(CLASSES)]


def test_scores_by_hand():
    #           predicted: background, 1, 2
    confusion = np.array([[50, 4, 6], [5, 20, 0], [0, 10, 30]])
    found = scores(confusion)
    expected = [50 / 65, 20 / 39, 30 / 46]
    assert found.iou == pytest.approx([100 * value for value in expected])
    assert found.miou == pytest.approx(100 * sum(expected) / 3)
    assert found.mfn == pytest.approx((5 / 20 + 10 / 30) / 2)
    assert found.mfp == pytest.approx((14 / 20 + 6 / 30) / 2)
    assert found.never_found == []


def test_absent_classes_do_not_count():
    found = scores(np.array([[9, 0, 0], [1, 10, 0], [0, 0, 0]]))
    assert found.iou[2] is None
    assert found.miou == pytest.approx(100 * (9 / 10 + 10 / 11) / 2)
    assert (found.mfn, found.mfp) == (pytest.approx(0.1), 0)


def test_a_class_that_is_never_found_makes_its_ratio_infinite():
    missed = scores(np.array([[9, 0, 0], [3, 0, 0], [0, 0, 5]]))
    assert missed.mfn == math.inf
    assert missed.mfp == 0  # 0 / 0 of class 1 is left out
    assert missed.never_found == [1]
    invented = scores(np.array([[9, 3, 0], [0, 0, 0], [0, 0, 5]]))
    assert (invented.mfn, invented.mfp) == (0, math.inf)


def test_nothing_to_judge_has_no_scores():
    found = scores(np.zeros((3, 3), dtype=np.int64))
    assert (found.miou, found.mfn, found.mfp) == (None, None, None)


def test_sizes_must_agree():
    with pytest.raises(LabelError, match=r"expected 4 x 3 pixels.*found 3 x 4"):
        confusion_matrix(np.zeros((3, 4), np.uint8), np.zeros((4, 3), np.uint8), 2)


@pytest.mark.parametrize("value", [3, 255])
def test_labels_outside_the_classes_are_refused(value):
    truth, prediction = np.full((2, 2), 255, np.uint8), np.full((2, 2), value, np.uint8)
    with pytest.raises(LabelError, match=rf"labels 0 to 2 in the prediction, found {value}"):
        confusion_matrix(truth, prediction, 3)
    with pytest.raises(LabelError, match=r"labels 0 to 2 in the mask, found 3"):
        confusion_matrix(np.full((2, 2), 3, np.uint8), np.zeros((2, 2), np.uint8), 3)
