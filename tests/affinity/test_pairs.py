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


@pytest.mark.parametrize("size", [(6, 7), (2, 9), (1, 1)])
def test_affinities_by_double_loop(size):
    height, width = size
    features = torch.randn(2, 4, height, width, generator=torch.Generator().manual_seed(0))
    affinities = pair_affinities(features, 5)
    assert affinities.shape == (2, 34, height, width)
    for image in range(2):
        for place, (down, right) in enumerate(offsets(5)):
            for y in range(height):
                for x in range(width):
                    there = (y + down, x + right)
                    if there[0] < height and 0 <= there[1] < width:
                        here = features[image, :, y, x]
                        distance = (here - features[image, :, *there]).abs().mean()
                        expected = math.exp(-distance)
                    else:
                        expected = 0.0
                    assert float(affinities[image, place, y, x]) == pytest.approx(
                        expected, abs=1e-6
                    )


def test_affinities_gradient():
    features = torch.randn(
        2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    ).requires_grad_()
    assert torch.autograd.gradcheck(lambda f: pair_affinities(f, 3), features)


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
