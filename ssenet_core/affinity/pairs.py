"""Pairs of neighbouring cells of a grid, and the affinities of their features.

A pair is a cell p and the cell p + offset, for each offset of half a disc. Tensors of pairs have
the layout (pairs, h, w): entry [i, y, x] is about cell (y, x) and the cell `offsets(radius)[i]`
further on. If that is outside the grid there is no pair, and the affinity is 0. The published
AffinityNet also omits pairs that begin within `radius - 1` cells of the left, right or bottom
border, where some offset leaves the grid: `pairs="inner"` omits these, `"all"` does not. Pairs are
accessed by slices of the grid, not by indices. `radius_of` raises `ValueError` for a number of
pairs without a radius.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ssenet_core.settings import Pairs

Window = tuple[Any, slice, slice]


class PairWindow(NamedTuple):
    """One offset's pairs as two windows of the grid, which index the last two dimensions.

    Attributes:
        place: index of the offset in `offsets(radius)`.
        first: window of the pairs' first cells.
        second: window of their second cells, of the same shape.
    """

    place: int
    first: Window
    second: Window


@cache
def offsets(radius: int) -> tuple[tuple[int, int], ...]:
    """Half of the non-zero offsets (rows, columns) shorter than `radius`: 34 for a radius of 5.

    The other half are their negatives. They are sorted, so that memory is read in order.
    """
    reach = range(1 - radius, radius)
    return tuple(
        (down, right)
        for down in range(radius)
        for right in reach
        if (down > 0 or right > 0) and down**2 + right**2 < radius**2
    )


@cache
def radius_of(pairs: int) -> int:
    """The radius whose half disc has this many offsets.

    Raises:
        ValueError: there is none.
    """
    radius = 1
    while len(offsets(radius)) < pairs:
        radius += 1
    if len(offsets(radius)) != pairs:
        raise ValueError(f"no radius has {pairs} pairs a cell")
    return radius


def pair_windows(
    height: int, width: int, radius: int, pairs: Pairs = "all"
) -> Iterator[PairWindow]:
    """The pairs of a grid, offset by offset; offsets without a pair are omitted."""
    for place, (down, right) in enumerate(offsets(radius)):
        if pairs == "inner":
            rows, left, end = height - (radius - 1), radius - 1, width - (radius - 1)
        else:
            rows, left, end = height - down, max(-right, 0), width - max(right, 0)
        if rows > 0 and left < end:
            first = (..., slice(0, rows), slice(left, end))
            second = (..., slice(down, down + rows), slice(left + right, end + right))
            yield PairWindow(place, first, second)


def pair_affinities(features: Tensor, radius: int, pairs: Pairs = "all") -> Tensor:
    """Affinities exp(-mean over channels |f_p - f_q|) of all pairs (AffinityNet).

    Forward and backward passes go offset by offset, so that memory holds the differences of one
    offset instead of those of all pairs.

    Args:
        features: (batch, channels, h, w); half precision is converted to float32.
        radius: offsets are shorter than this, cells.
        pairs: "all" or "inner", see the module.

    Returns:
        (batch, pairs, h, w) in [0, 1]; 0 where there is no pair.
    """
    if features.dtype in (torch.float16, torch.bfloat16):
        features = features.float()
    return _PairAffinities.apply(features, radius, pairs)


class _PairAffinities(torch.autograd.Function):
    """`pair_affinities`, whose backward pass recomputes the differences of features."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, radius: int, pairs: Pairs) -> Tensor:
        batch, _, height, width = features.shape
        result = features.new_zeros((batch, len(offsets(radius)), height, width))
        for place, first, second in pair_windows(height, width, radius, pairs):
            distance = (features[first] - features[second]).abs_().mean(dim=1)
            result[:, place][first] = distance.neg_().exp_()
        ctx.save_for_backward(features, result)
        ctx.radius = radius
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        features, affinities = ctx.saved_tensors
        channels, height, width = features.shape[1:]
        # d loss / d |f_p - f_q|, (batch, pairs, h, w); 0 where there is no pair.
        slope = gradient * affinities / -channels
        result = torch.zeros_like(features)
        for place, first, second in pair_windows(height, width, ctx.radius):
            change = (features[first] - features[second]).sign_()
            change *= slope[:, place, None][first]
            result[first] += change
            result[second] -= change
        return result, None, None
