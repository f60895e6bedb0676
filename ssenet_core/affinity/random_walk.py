"""Random walk of score maps along affinities, without powers of the transition matrix.

Let A be the symmetric matrix of affinities, 1 on its diagonal, raised to `beta` elementwise, and D
the diagonal matrix of its column sums. The columns of T = A D^-1 sum to one, and the walk's result
is scores · T^n (AffinityNet). T = D^1/2 S D^-1/2, where S = D^-1/2 A D^-1/2 is symmetric with
spectrum in [-1, 1]. On that interval x^n is a series of Chebyshev polynomials with non-negative
coefficients that sum to one, concentrated in a few times sqrt(n) terms: n = 256 takes 96 products
with S. `propagate` raises `ValueError` if the sizes of scores and affinities differ.
"""

import warnings
from collections.abc import Callable, Iterator
from functools import cache
from math import exp, lgamma, log
from typing import Any

import torch
from torch import Tensor

from ssenet_core.affinity.pairs import PairWindow, offsets, pair_windows, radius_of

# Sum of the truncated coefficients. The result's relative error is at most this times the square
# root of (cells x ratio of the largest to the smallest column sum): below 1e-6 for 10,000 cells.
TRUNCATED = 1e-9

Product = Callable[[Tensor, Tensor | None], Tensor]
Weights = Iterator[tuple[PairWindow, Tensor]]


@torch.no_grad()
def propagate(
    scores: Tensor, affinities: Tensor, *, beta: float, steps: int, sparse: bool | None = None
) -> Tensor:
    """Scores after a random walk, scores · T^steps (AffinityNet).

    Computed in float64. Memory is linear in the number of cells.

    Args:
        scores: (K, h, w).
        affinities: (pairs, h, w) in [0, 1], in the layout of `pair_affinities`, on the scores'
            device.
        beta: exponent of the affinities; a higher one confines the walk to objects.
        steps: number of steps, 256 in AffinityNet.
        sparse: multiply by a sparse matrix (MKL; a few times faster on a CPU) or by shifted slices
            of the affinities (any device); None: the faster one available.

    Returns:
        (K, h, w), of the type of `scores`.

    Raises:
        ValueError: scores and affinities differ in size.
    """
    if scores.shape[1:] != affinities.shape[1:]:
        raise ValueError(f"scores {tuple(scores.shape)}, affinities {tuple(affinities.shape)}")
    if sparse is None:
        sparse = scores.device.type == "cpu" and torch.backends.mkl.is_available()
    radius = radius_of(len(affinities))
    sums = _column_sums(affinities, radius, beta)
    roots = sums.sqrt()
    weights = _weights(affinities, radius, sums, beta)
    product = _sparse_product(weights, sums, radius) if sparse else _sliced_product(weights, sums)
    walked = _power_series(product, scores.double() * roots, steps) / roots
    return walked.to(scores.dtype)


def _column_sums(affinities: Tensor, radius: int, beta: float) -> Tensor:
    """The diagonal of D, (h, w) float64: each cell's sum of affinities^beta, its own 1 included."""
    height, width = affinities.shape[1:]
    sums = affinities.new_ones((height, width), dtype=torch.float64)
    for place, first, second in pair_windows(height, width, radius):
        powers = affinities[place].double() ** beta
        sums[first] += powers[first]
        sums[second] += powers[first]
    return sums


def _weights(affinities: Tensor, radius: int, sums: Tensor, beta: float) -> Weights:
    """The entries of S without its diagonal, offset by offset: the pairs and a float64 window.

    All offsets at once would take as much memory as the matrix.
    """
    height, width = sums.shape
    scale = sums.rsqrt()
    for window in pair_windows(height, width, radius):
        powers = affinities[window.place].double() ** beta
        yield window, powers[window.first] * (scale[window.first] * scale[window.second])


def _power_series(product: Product, start: Tensor, steps: int) -> Tensor:
    """S^steps · start as a Chebyshev series with the recurrence T_k+1 = 2 S T_k - T_k-1."""
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
    """Chebyshev coefficients of x^n, n = power, truncated where the rest sums to < `TRUNCATED`.

    That of T_k is 2^(1 - n) C(n, (n - k) / 2), half of that for k = 0, and 0 if n - k is odd.
    """
    coefficients = [0.0] * (power + 1)
    for order in range(power % 2, power + 1, 2):
        few, many = (power - order) // 2, (power + order) // 2
        choices = lgamma(power + 1) - lgamma(few + 1) - lgamma(many + 1)
        coefficients[order] = exp(choices - power * log(2)) * (2 if order else 1)
    rest = 0.0
    while rest + coefficients[-1] < TRUNCATED:
        rest += coefficients.pop()
    return tuple(coefficients)


def _sliced_product(weights: Weights, sums: Tensor) -> Product:
    """Product with S by shifted slices of (K, h, w) maps."""
    diagonal = 1 / sums
    pairs = [(weight, window.first, window.second) for window, weight in weights]

    def product(now: Tensor, before: Tensor | None) -> Tensor:
        result = now * diagonal
        for weight, first, second in pairs:
            result[first].addcmul_(weight, now[second])
            result[second].addcmul_(weight, now[first])
        return result if before is None else result.mul_(2).sub_(before)

    return product


def _sparse_product(weights: Weights, sums: Tensor, radius: int) -> Product:
    """Product with S as a sparse matrix; a step of the recurrence is one call of `addmm`."""
    matrix = _doubled_matrix(weights, sums, radius)

    def product(now: Tensor, before: Tensor | None) -> Tensor:
        # (K, h, w) to (cells, K): the columns are the maps.
        columns = now.flatten(1).T
        if before is None:
            result = (matrix @ columns).div_(2)
        else:
            result = torch.addmm(before.flatten(1).T, matrix, columns, beta=-1)
        return result.T.unflatten(1, sums.shape)

    return product


def _doubled_matrix(weights: Weights, sums: Tensor, radius: int) -> Tensor:
    """2 S as a sparse CSR matrix (cells, cells).

    All rows have the same number of entries, in ascending order of columns: the pairs that end in
    the cell, the cell itself, the pairs that begin in it. If a pair's other cell is outside the
    grid, the entry is 0 and its column arbitrary.
    """
    width, cells = sums.shape[1], sums.numel()
    ahead = [down * width + right for down, right in offsets(radius)]
    pairs = len(ahead)
    values = sums.new_zeros((*sums.shape, 2 * pairs + 1))
    entries = values.permute(2, 0, 1)  # (entries of a row, h, w)
    entries[pairs] = 2 / sums
    for (place, first, second), weight in weights:
        entries[pairs + 1 + place][first] = entries[pairs - 1 - place][second] = 2 * weight
    whole: dict[str, Any] = {"dtype": torch.int32, "device": sums.device}
    steps = torch.tensor([*(-step for step in reversed(ahead)), 0, *ahead], **whole)
    columns = torch.arange(cells, **whole)[:, None] + steps
    starts = torch.arange(0, values.numel() + 1, len(steps), **whole)
    with warnings.catch_warnings():
        # torch warns once that sparse CSR matrices are in beta state.
        warnings.filterwarnings("ignore", message="Sparse", category=UserWarning)
        return torch.sparse_csr_tensor(
            starts, columns.clamp_(0, cells - 1).flatten(), values.flatten(), (cells, cells)
        )
