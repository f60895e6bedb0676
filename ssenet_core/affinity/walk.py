"""Random walk of score maps along affinities, without any power of the transition matrix.

With A the symmetric matrix of affinities, 1 on its diagonal, raised to `beta` elementwise, and D
the diagonal matrix of its column sums, T = A D^-1 has columns that sum to one, and the walk's
answer is scores · T^n. T = D^1/2 S D^-1/2 with S = D^-1/2 A D^-1/2 symmetric, its spectrum in
[-1, 1]. There, x^n is a series of Chebyshev polynomials with non-negative coefficients that sum to
one, nearly all of it within a few times sqrt(n) terms: 96 products with S do for n = 256.
"""

import warnings
from collections.abc import Callable
from functools import cache
from math import exp, lgamma, log

import numpy as np
import torch
from torch import Tensor

from ssenet_core.affinity.pairs import offsets, pair_windows, radius_of

# Coefficients dropped from the series, together. The answer's relative error is at most this times
# the square root of (cells x the ratio of column sums): under 1e-6 for 10,000 cells.
DROPPED = 1e-9

Product = Callable[[Tensor, Tensor | None], Tensor]


@torch.no_grad()
def propagate(
    scores: Tensor, affinities: Tensor, *, beta: float, steps: int, sparse: bool | None = None
) -> Tensor:
    """Scores after a random walk, scores · T^steps: each a weighted mean of a cell's surroundings.

    Computed in float64. Memory is linear in the cells.

    Args:
        scores: (K, h, w).
        affinities: of the pairs of cells, (pairs, h, w) in [0, 1], as `pair_affinities` lays them
            out, on the device of the scores.
        beta: power of each affinity; a higher one keeps the walk within borders.
        steps: number of steps, 256 in AffinityNet.
        sparse: multiply by a sparse matrix (MKL; a few times faster on a CPU) or by shifted slices
            of the affinities (any device); None takes the faster that there is.

    Returns:
        (K, h, w), of the type of `scores`.
    """
    if scores.shape[1:] != affinities.shape[1:]:
        raise ValueError(f"scores {tuple(scores.shape)}, affinities {tuple(affinities.shape)}")
    if sparse is None:
        sparse = scores.device.type == "cpu" and torch.backends.mkl.is_available()
    weights, sums = _normalised(affinities, beta)
    roots = sums.sqrt()
    product = _sparse_product(weights, sums) if sparse else _sliced_product(weights, sums)
    walked = _power_series(product, scores.double() * roots, steps) / roots
    return walked.to(scores.dtype)


def _normalised(affinities: Tensor, beta: float) -> tuple[Tensor, Tensor]:
    """S without its diagonal, as (pairs, h, w), and the column sums D, (h, w); both float64."""
    height, width = affinities.shape[1:]
    windows = list(pair_windows(height, width, radius_of(len(affinities))))
    powers = affinities.double() ** beta
    weights = torch.zeros_like(powers)
    sums = torch.ones_like(powers[0])
    for place, first, second in windows:
        weights[place][first] = powers[place][first]
        sums[first] += powers[place][first]
        sums[second] += powers[place][first]
    scale = sums.rsqrt()
    for place, first, second in windows:
        weights[place][first] *= scale[first] * scale[second]
    return weights, sums


def _power_series(product: Product, start: Tensor, steps: int) -> Tensor:
    """S^steps · start as a Chebyshev series, by the recurrence T_k+1 = 2 S T_k - T_k-1."""
    coefficients = _chebyshev_coefficients(steps)
    result = coefficients[0] * start
    before, now = None, start
    for coefficient in coefficients[1:]:
        before, now = now, product(now, before)
        if coefficient:  # every other one is 0
            result.add_(now, alpha=coefficient)
    return result


@cache
def _chebyshev_coefficients(power: int) -> tuple[float, ...]:
    """Coefficients of x^power on [-1, 1], cut where the rest sums to less than `DROPPED`.

    That of T_k is 2^(1 - n) C(n, (n - k) / 2), half of it for k = 0, and 0 where n - k is odd.
    """
    coefficients = [0.0] * (power + 1)
    for order in range(power % 2, power + 1, 2):
        few, many = (power - order) // 2, (power + order) // 2
        choices = lgamma(power + 1) - lgamma(few + 1) - lgamma(many + 1)
        coefficients[order] = exp(choices - power * log(2)) * (2 if order else 1)
    rest = 0.0
    while rest + coefficients[-1] < DROPPED:
        rest += coefficients.pop()
    return tuple(coefficients)


def _sliced_product(weights: Tensor, sums: Tensor) -> Product:
    """Product with S by shifted slices of (K, h, w) maps."""
    height, width = sums.shape
    diagonal = 1 / sums
    pairs = [
        (weights[place][first], first, second)
        for place, first, second in pair_windows(height, width, radius_of(len(weights)))
    ]

    def product(now: Tensor, before: Tensor | None) -> Tensor:
        result = now * diagonal
        for weight, first, second in pairs:
            result[first].addcmul_(weight, now[second])
            result[second].addcmul_(weight, now[first])
        return result if before is None else result.mul_(2).sub_(before)

    return product


def _sparse_product(weights: Tensor, sums: Tensor) -> Product:
    """Product with S as a sparse matrix: the recurrence's step is one call of the library."""
    matrix = _doubled_matrix(weights, sums)

    def product(now: Tensor, before: Tensor | None) -> Tensor:
        # The columns of the matrix product are the maps: (cells, K).
        columns = now.flatten(1).T
        if before is None:
            result = (matrix @ columns).div_(2)
        else:
            result = torch.addmm(before.flatten(1).T, matrix, columns, beta=-1)
        return result.T.unflatten(1, sums.shape)

    return product


def _doubled_matrix(weights: Tensor, sums: Tensor) -> Tensor:
    """2 S as a sparse CSR matrix (cells, cells), its rows written straight from the pairs."""
    height, width = sums.shape
    radius = radius_of(len(weights))
    pairs, cells = len(weights), height * width
    # A row's entries by ascending column: pairs that end in the cell, itself, pairs it begins.
    entries = weights.new_zeros((2 * pairs + 1, height, width))
    entries[pairs] = 1 / sums
    for place, first, second in pair_windows(height, width, radius):
        entries[pairs + 1 + place][first] = weights[place][first]
        entries[pairs - 1 - place][second] = weights[place][first]
    ahead = np.array([down * width + right for down, right in offsets(radius)], dtype=np.int64)
    columns = np.arange(cells)[:, None] + np.concatenate([-ahead[::-1], [0], ahead])
    values = np.ascontiguousarray(entries.numpy().reshape(-1, cells).T)  # (cells, entries)
    there = values != 0
    starts = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    with warnings.catch_warnings():
        # torch announces, once, that sparse CSR matrices are new and that it does not check them.
        warnings.filterwarnings("ignore", message="Sparse", category=UserWarning)
        return torch.sparse_csr_tensor(
            torch.from_numpy(starts.astype(np.int32)),
            torch.from_numpy(columns[there].astype(np.int32)),
            torch.from_numpy(2 * values[there]),
            (cells, cells),
        )
