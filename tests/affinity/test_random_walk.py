"""Random walk against the power of a dense matrix that loops over cells fill."""

import numpy as np
import pytest
import torch

from ssenet_core.affinity.pairs import offsets, pair_affinities
from ssenet_core.affinity.random_walk import _chebyshev_coefficients, propagate

PATHS = [
    pytest.param(False, id="slices"),
    pytest.param(
        True,
        id="sparse",
        marks=pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="torch without MKL"),
    ),
]


def smooth_affinities(height: int, width: int, radius: int = 5, seed: int = 0) -> torch.Tensor:
    """Affinities of features with areas and borders, (pairs, h, w) float64."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, 6, 4, 4, dtype=torch.float64, generator=generator)
    features = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    features = features + 0.05 * torch.randn(features.shape, generator=generator).double()
    return pair_affinities(features, radius)[0]


def dense_transition(affinities: torch.Tensor, radius: int, beta: float) -> np.ndarray:
    """T by a loop over all pairs of cells."""
    _, height, width = affinities.shape
    matrix = np.eye(height * width)
    for place, (down, right) in enumerate(offsets(radius)):
        for y in range(height - down):
            for x in range(width):
                if 0 <= x + right < width:
                    here, there = y * width + x, (y + down) * width + x + right
                    matrix[here, there] = matrix[there, here] = affinities[place, y, x] ** beta
    return matrix / matrix.sum(axis=0)


def relative_error(found: torch.Tensor, expected: np.ndarray) -> float:
    rows = found.reshape(len(expected), -1).numpy() - expected
    return float((np.linalg.norm(rows, axis=1) / np.linalg.norm(expected, axis=1)).max())


@pytest.mark.parametrize("sparse", PATHS)
@pytest.mark.parametrize(
    ("size", "radius", "beta", "steps"),
    [
        ((14, 17), 5, 8, 256),
        ((14, 17), 5, 8, 1),
        ((14, 17), 5, 8, 7),
        ((9, 23), 3, 1, 64),
        ((14, 17), 5, 16, 1024),
        ((3, 2), 5, 8, 256),
    ],
)
def test_walk_equals_the_dense_power(size, radius, beta, steps, sparse):
    affinities = smooth_affinities(*size, radius)
    generator = torch.Generator().manual_seed(1)
    scores = torch.rand(4, *size, dtype=torch.float64, generator=generator)
    scores[0] = 0.2
    scores[3] = 0
    scores[3, 1, 1] = 1  # the answer to a single cell is small everywhere: the hardest
    found = propagate(scores, affinities, beta=beta, steps=steps, sparse=sparse)
    transition = dense_transition(affinities, radius, beta)
    power = np.linalg.matrix_power(transition, steps)
    assert relative_error(found, scores.flatten(1).numpy() @ power) < 1e-6


@pytest.mark.parametrize("sparse", PATHS)
def test_float32_scores_and_affinities_stay_within_the_bound(sparse):
    affinities = smooth_affinities(14, 17)
    scores = torch.rand(3, 14, 17, generator=torch.Generator().manual_seed(1))
    found = propagate(scores, affinities.float(), beta=8, steps=256, sparse=sparse)
    assert found.dtype == torch.float32
    power = np.linalg.matrix_power(dense_transition(affinities, 5, 8), 256)
    assert relative_error(found, scores.double().flatten(1).numpy() @ power) < 1e-5


@pytest.mark.parametrize("sparse", PATHS)
@pytest.mark.parametrize("steps", [1, 256])
def test_columns_of_the_power_sum_to_one_and_none_is_negative(sparse, steps):
    affinities = smooth_affinities(6, 7)
    unit = torch.eye(42, dtype=torch.float64).reshape(42, 6, 7)
    power = propagate(unit, affinities, beta=8, steps=steps, sparse=sparse).flatten(1)
    np.testing.assert_allclose(power.sum(dim=0), 1, atol=1e-7)
    assert float(power.min()) > -1e-8


@pytest.mark.parametrize("sparse", PATHS)
def test_a_constant_stays(sparse):
    scores = torch.full((1, 14, 17), 0.2)
    found = propagate(scores, smooth_affinities(14, 17), beta=8, steps=256, sparse=sparse)
    torch.testing.assert_close(found, scores)


@pytest.mark.parametrize("sparse", PATHS)
def test_nothing_crosses_where_affinity_is_0(sparse):
    labels = torch.zeros(1, 1, 8, 10)
    labels[..., 5:] = 1e4
    affinities = pair_affinities(labels, 5)[0]
    scores = (labels[0] > 0).float()
    found = propagate(scores, affinities, beta=8, steps=256, sparse=sparse)
    torch.testing.assert_close(found, scores, atol=1e-6, rtol=0)


@pytest.mark.parametrize("sparse", PATHS)
def test_values_where_there_is_no_pair_do_not_matter(sparse):
    affinities = smooth_affinities(6, 7)
    scores = torch.rand(2, 6, 7, generator=torch.Generator().manual_seed(1))
    dirty = torch.where(affinities == 0, 0.7, affinities)
    clean, soiled = (
        propagate(scores, given, beta=8, steps=16, sparse=sparse) for given in (affinities, dirty)
    )
    assert torch.equal(clean, soiled)


@pytest.mark.parametrize("sparse", PATHS)
def test_no_steps_and_single_cells_change_nothing(sparse):
    scores = torch.rand(2, 6, 7)
    assert torch.allclose(
        propagate(scores, smooth_affinities(6, 7), beta=8, steps=0, sparse=sparse), scores
    )
    single = torch.rand(3, 1, 1)
    alone = propagate(single, torch.zeros(34, 1, 1), beta=8, steps=256, sparse=sparse)
    torch.testing.assert_close(alone, single)


def test_the_faster_path_is_the_default_and_wants_no_gradient():
    affinities = smooth_affinities(6, 7).requires_grad_()
    scores = torch.rand(2, 6, 7, requires_grad=True)
    found = propagate(scores, affinities, beta=8, steps=256)
    assert not found.requires_grad
    torch.testing.assert_close(
        found, propagate(scores, affinities, beta=8, steps=256, sparse=False)
    )


def test_the_arguments_are_left_as_they_were():
    affinities, scores = smooth_affinities(6, 7), torch.rand(2, 6, 7, dtype=torch.float64)
    before = affinities.clone(), scores.clone()
    propagate(scores, affinities, beta=8, steps=16)
    assert torch.equal(affinities, before[0])
    assert torch.equal(scores, before[1])


def test_grids_that_differ_are_refused():
    with pytest.raises(ValueError, match="affinities"):
        propagate(torch.rand(2, 6, 6), smooth_affinities(6, 7), beta=8, steps=2)


@pytest.mark.parametrize("power", [0, 1, 2, 5, 256, 1024])
def test_the_series_is_the_power(power):
    x = np.linspace(-1, 1, 2001)
    series = np.polynomial.chebyshev.chebval(x, _chebyshev_coefficients(power))
    np.testing.assert_allclose(series, x**power, atol=2e-9)


def test_256_steps_take_fewer_than_100_products():
    assert len(_chebyshev_coefficients(256)) - 1 < 100
