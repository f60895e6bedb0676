"""Dense CRF: posteriors, one lattice for several scores, and the smallest inputs."""

from typing import Any

import numpy as np
import pytest

from ssenet_core.crf import LOWEST_SCORE, DenseCRF, dense_crf

KERNELS: dict[str, Any] = {
    "gaussian": {"sxy": 3, "compat": 3},
    "bilateral": {"sxy": 80, "srgb": 13, "compat": 10},
}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def two_halves(height: int = 24, width: int = 32) -> np.ndarray:
    """A dark left half and a bright right one."""
    image = np.full((height, width, 3), 30, np.uint8)
    image[:, width // 2 :] = 220
    return image


def test_posteriors_sum_to_one_and_snap_to_colours(rng):
    image = two_halves()
    truth = np.arange(32) >= 16
    noise = rng.random((24, 32)) < 0.2
    right = np.where(truth ^ noise, 0.6, 0.4).astype(np.float32)
    posteriors = dense_crf(image, np.stack([1 - right, right]), iterations=10, **KERNELS)
    assert posteriors.dtype == np.float32
    np.testing.assert_allclose(posteriors.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(posteriors.argmax(axis=0), np.broadcast_to(truth, (24, 32)))


def test_one_lattice_gives_what_fresh_ones_give(rng):
    image = rng.integers(0, 256, (21, 17, 3), dtype=np.uint8)
    stacks = [rng.random((3, 21, 17)).astype(np.float32) for _ in range(3)]
    shared = DenseCRF(image, 3, **KERNELS)
    together = [shared.infer(stack, 10) for stack in stacks]
    for stack, posterior in zip(stacks, together, strict=True):
        fresh = dense_crf(image, stack, iterations=10, **KERNELS)
        np.testing.assert_array_equal(posterior, fresh)


def test_an_earlier_answer_is_not_overwritten_by_a_later_one(rng):
    crf = DenseCRF(two_halves(), 2, **KERNELS)
    first = crf.infer(rng.random((2, 24, 32)), 3)
    kept = first.copy()
    crf.infer(rng.random((2, 24, 32)), 3)
    np.testing.assert_array_equal(first, kept)


def test_without_iterations_the_scores_are_normalised(rng):
    scores = rng.random((3, 5, 6)).astype(np.float32)
    scores[0, 0] = 0
    posteriors = dense_crf(two_halves(5, 6), scores, iterations=0, **KERNELS)
    clipped = np.maximum(scores, LOWEST_SCORE)
    np.testing.assert_allclose(posteriors, clipped / clipped.sum(axis=0), rtol=1e-4)


def test_a_common_factor_of_a_pixels_scores_cancels_out(rng):
    scores = rng.uniform(0.1, 1, (3, 24, 32)).astype(np.float32)
    factor = rng.uniform(0.5, 2, (24, 32)).astype(np.float32)
    plain, scaled = (
        dense_crf(two_halves(), stack, iterations=5, **KERNELS)
        for stack in (scores, scores * factor)
    )
    np.testing.assert_allclose(plain, scaled, atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (1, 40), (40, 1)])
def test_tiny_images(size, rng):
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    posteriors = dense_crf(image, rng.random((2, *size)), iterations=10, **KERNELS)
    np.testing.assert_allclose(posteriors.sum(axis=0), 1, atol=1e-5)


def test_a_single_label_is_certain():
    posteriors = dense_crf(two_halves(), np.full((1, 24, 32), 0.2), iterations=10, **KERNELS)
    np.testing.assert_allclose(posteriors, 1, atol=1e-5)


def test_an_image_that_is_a_view_counts_by_its_values(rng):
    image = rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)
    scores = rng.random((2, 9, 11)).astype(np.float32)
    flipped = dense_crf(image[:, ::-1], scores[:, :, ::-1], iterations=3, **KERNELS)
    copied = dense_crf(image[:, ::-1].copy(), scores[:, :, ::-1].copy(), iterations=3, **KERNELS)
    np.testing.assert_array_equal(flipped, copied)


@pytest.mark.parametrize(
    ("image", "scores"),
    [
        (np.zeros((4, 5), np.uint8), np.ones((2, 4, 5))),
        (np.zeros((4, 5, 3), np.float32), np.ones((2, 4, 5))),
        (np.zeros((4, 5, 3), np.uint8), np.ones((2, 5, 4))),
    ],
)
def test_wrong_shapes_and_types_are_refused(image, scores):
    with pytest.raises(ValueError, match="must be"):
        dense_crf(image, scores, iterations=1, **KERNELS)
