"""Pairs and affinities against double loops over cells; the gradient; the memory."""

import math

import pytest
import torch

from ssenet_core.affinity.pairs import offsets, pair_affinities, pair_windows, radius_of


def test_radius_5_has_34_offsets_and_a_row_of_the_walk_69():
    assert len(offsets(5)) == 34
    both = {*offsets(5), *((-down, -right) for down, right in offsets(5))}
    assert len(both) == 68
    assert (0, 0) not in both


@pytest.mark.parametrize("radius", [1, 2, 3, 5, 8])
def test_offsets_are_half_of_the_disc(radius):
    disc = {
        (y, x)
        for y in range(-radius, radius + 1)
        for x in range(-radius, radius + 1)
        if 0 < math.hypot(y, x) < radius
    }
    half = offsets(radius)
    assert len(half) * 2 == len(disc)
    assert {*half, *((-y, -x) for y, x in half)} == disc
    assert radius_of(len(half)) == radius


def test_no_radius_has_35_offsets():
    with pytest.raises(ValueError, match="35"):
        radius_of(35)


@pytest.mark.parametrize("size", [(7, 9), (1, 1), (1, 6), (6, 1), (3, 3)])
def test_windows_hold_each_pair_once(size):
    height, width = size
    cells = torch.arange(height * width).reshape(size)
    found = []
    for _, first, second in pair_windows(height, width, 5):
        found += zip(cells[first].flatten().tolist(), cells[second].flatten().tolist(), strict=True)
    expected = {
        (a, b)
        for a in range(height * width)
        for b in range(a + 1, height * width)
        if (a // width - b // width) ** 2 + (a % width - b % width) ** 2 < 25
    }
    assert len(found) == len(set(found))
    assert set(found) == expected


def begins_inside(y: int, x: int, size: tuple[int, int], radius: int) -> bool:
    """The published rule: rows 0 to h - radius, columns radius - 1 to w - radius."""
    height, width = size
    return y <= height - radius and radius - 1 <= x <= width - radius


def test_inner_pairs_of_a_crop_of_448_pixels():
    windows = pair_windows(56, 56, 5, "inner")
    assert sum(torch.zeros(56, 56)[first].numel() for _, first, _ in windows) == 84_864


@pytest.mark.parametrize("size", [(7, 12), (5, 9), (4, 9), (5, 8), (1, 1), (20, 3)])
def test_inner_pairs_are_those_that_begin_away_from_three_borders(size):
    height, width = size
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    found = set()
    for place, first, second in pair_windows(height, width, 5, "inner"):
        ends = [grid[window].flatten() for window in (first, second) for grid in (rows, columns)]
        found |= {(place, *end) for end in torch.stack(ends, dim=1).tolist()}
    expected = {
        (place, y, x, y + down, x + right)
        for place, (down, right) in enumerate(offsets(5))
        for y in range(height)
        for x in range(width)
        if begins_inside(y, x, size, 5)
    }
    assert {tuple(pair) for pair in found} == expected
    assert bool(expected) == (height >= 5 and width >= 9)


@pytest.mark.parametrize("pairs", ["all", "inner"])
@pytest.mark.parametrize("size", [(6, 7), (2, 9), (1, 1), (6, 11)])
def test_affinities_by_double_loop(size, pairs):
    height, width = size
    features = torch.randn(2, 4, height, width, generator=torch.Generator().manual_seed(0))
    affinities = pair_affinities(features, 5, pairs)
    assert affinities.shape == (2, 34, height, width)
    for image in range(2):
        for place, (down, right) in enumerate(offsets(5)):
            for y in range(height):
                for x in range(width):
                    there = (y + down, x + right)
                    inside = pairs == "all" or begins_inside(y, x, size, 5)
                    if inside and there[0] < height and 0 <= there[1] < width:
                        here = features[image, :, y, x]
                        distance = (here - features[image, :, *there]).abs().mean()
                        expected = math.exp(-distance)
                    else:
                        expected = 0.0
                    assert float(affinities[image, place, y, x]) == pytest.approx(
                        expected, abs=1e-6
                    )


@pytest.mark.parametrize("pairs", ["all", "inner"])
def test_affinities_gradient(pairs):
    features = torch.randn(
        2, 3, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    ).requires_grad_()
    assert torch.autograd.gradcheck(lambda f: pair_affinities(f, 3, pairs), features)


def test_equal_features_have_affinity_1_and_no_gradient():
    features = torch.ones(1, 3, 4, 4, requires_grad=True)
    affinities = pair_affinities(features, 2)
    assert set(affinities.detach().unique().tolist()) == {0.0, 1.0}
    affinities.sum().backward()
    assert features.grad is not None
    assert not features.grad.any()


def test_half_precision_is_widened():
    features = torch.randn(1, 8, 5, 5).bfloat16()
    affinities = pair_affinities(features, 3)
    assert affinities.dtype == torch.float32
    torch.testing.assert_close(affinities, pair_affinities(features.float(), 3))


def test_training_keeps_no_differences():
    features = torch.randn(1, 16, 12, 12, requires_grad=True)
    kept: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        affinities = pair_affinities(features, 5)
    assert sum(tensor.numel() for tensor in kept) == features.numel() + affinities.numel()
