"""Dense CRF: posteriors, several stacks of scores at once, and the smallest inputs."""

import numpy as np
import pytest

from ssenet_core import crf
from ssenet_core.crf import LOWEST_SCORE, dense_crf, dense_crfs
from ssenet_core.settings import BilateralKernel, CrfSettings, GaussianKernel


def settings(iterations: int, weight: float | None = None) -> CrfSettings:
    """Both kernels, of their usual weights or of another one."""
    return CrfSettings(
        iterations=iterations,
        gaussian=GaussianKernel(sxy=3, compat=weight or 3),
        bilateral=BilateralKernel(sxy=80, srgb=13, compat=weight or 10),
    )


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
    posteriors = dense_crf(image, np.stack([1 - right, right]), settings(10))
    assert posteriors.dtype == np.float32
    np.testing.assert_allclose(posteriors.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(posteriors.argmax(axis=0), np.broadcast_to(truth, (24, 32)))


def counted_libraries(monkeypatch) -> list[int]:
    """The numbers of labels of the CRFs that are built, as they are built."""
    built: list[int] = []
    build = crf._crf

    def counting(image, scores, chosen):
        built.append(len(scores))
        return build(image, scores, chosen)

    monkeypatch.setattr(crf, "_crf", counting)
    return built


@pytest.mark.parametrize("stacks", [1, 2, 3])
@pytest.mark.parametrize("iterations", [0, 1, 10])
def test_stacks_together_give_what_each_alone_gives(stacks, iterations, rng, monkeypatch):
    image = rng.integers(0, 256, (61, 47, 3), dtype=np.uint8)
    scores = [rng.random((3, 61, 47)).astype(np.float32) ** 4 for _ in range(stacks)]
    scores[0][1] = 0
    alone = [dense_crf(image, stack, settings(iterations)) for stack in scores]
    built = counted_libraries(monkeypatch)
    together = dense_crfs(image, scores, settings(iterations))
    assert built == [3 * stacks]
    for found, expected in zip(together, alone, strict=True):
        assert found.dtype == np.float32
        # Rounding grows in the pixels of this noise that are about to change sides.
        np.testing.assert_allclose(found, expected, atol=1e-3 if iterations > 1 else 1e-5)
        np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)


def test_a_stack_that_others_would_drown_is_run_alone(rng, monkeypatch):
    """With such weights one stack's agreement outweighs another's doubts by e to the 90."""
    strong = settings(1, weight=90)
    sure = np.stack([np.full((24, 32), 0.99), np.full((24, 32), 0.01)])
    unsure = rng.uniform(0.4, 0.6, (2, 24, 32))
    built = counted_libraries(monkeypatch)
    together = dense_crfs(two_halves(), [sure, unsure], strong)
    assert built == [4, 2, 2]
    for found, scores in zip(together, (sure, unsure), strict=True):
        expected = dense_crf(two_halves(), scores, strong)
        np.testing.assert_array_equal(found, expected)


def test_answers_do_not_share_memory(rng):
    stacks = [rng.random((2, 24, 32)) for _ in range(2)]
    first, second = dense_crfs(two_halves(), stacks, settings(3))
    kept = second.copy()
    first[:] = 0
    np.testing.assert_array_equal(second, kept)


def test_no_stacks_give_no_answers():
    assert dense_crfs(two_halves(), [], settings(3)) == []


def test_stacks_of_several_shapes_are_refused():
    stacks = [np.ones((2, 24, 32)), np.ones((3, 24, 32))]
    with pytest.raises(ValueError, match="one shape"):
        dense_crfs(two_halves(), stacks, settings(1))


def test_without_iterations_the_scores_are_normalised(rng):
    scores = rng.random((3, 5, 6)).astype(np.float32)
    scores[0, 0] = 0
    posteriors = dense_crf(two_halves(5, 6), scores, settings(0))
    clipped = np.maximum(scores, LOWEST_SCORE)
    np.testing.assert_allclose(posteriors, clipped / clipped.sum(axis=0), rtol=1e-4)


def test_a_common_factor_of_a_pixels_scores_cancels_out(rng):
    scores = rng.uniform(0.1, 1, (3, 24, 32)).astype(np.float32)
    factor = rng.uniform(0.5, 2, (24, 32)).astype(np.float32)
    plain, scaled = (
        dense_crf(two_halves(), stack, settings(5)) for stack in (scores, scores * factor)
    )
    np.testing.assert_allclose(plain, scaled, atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (1, 40), (40, 1)])
def test_tiny_images(size, rng):
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    posteriors = dense_crf(image, rng.random((2, *size)), settings(10))
    np.testing.assert_allclose(posteriors.sum(axis=0), 1, atol=1e-5)


def test_a_single_label_is_certain():
    posteriors = dense_crf(two_halves(), np.full((1, 24, 32), 0.2), settings(10))
    np.testing.assert_allclose(posteriors, 1, atol=1e-5)


def test_an_image_that_is_a_view_counts_by_its_values(rng):
    image = rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)
    scores = rng.random((2, 9, 11)).astype(np.float32)
    flipped = dense_crf(image[:, ::-1], scores[:, :, ::-1], settings(3))
    copied = dense_crf(image[:, ::-1].copy(), scores[:, :, ::-1].copy(), settings(3))
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
        dense_crf(image, scores, settings(1))
