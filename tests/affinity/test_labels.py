"""Confident labels, labels of pairs and AffinityNet's loss, against loops over cells and pairs."""

import math

import numpy as np
import pytest
import torch

from ssenet_core.affinity.labels import PairLabels, affinity_loss, confident_labels, pair_labels
from ssenet_core.affinity.pairs import offsets, pair_affinities
from ssenet_core.scores import power_background, with_background

CLASSES = np.array([2, 7])


def one_hot(rows: list[list[int]], stride: int = 1) -> np.ndarray:
    """Posteriors that are sure of row `rows[y][x]`."""
    grid = np.repeat(np.repeat(np.array(rows), stride, axis=0), stride, axis=1)
    return (np.arange(3)[:, None, None] == grid).astype(np.float32)


def test_both_answers_decide():
    #             agree on 0, on a class, foreground only, neither is sure, contradiction
    low = one_hot([[0, 1, 2, 0, 1]], stride=8)
    high = one_hot([[0, 1, 1, 2, 0]], stride=8)
    labels = confident_labels(low, high, CLASSES, 8)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, [[0, 2, 7, 255, 0]])


def test_backgrounds_of_a_map_give_background_void_and_foreground():
    maps = np.array([[[0.0, 0.01, 0.1, 0.2, 0.5, 1.0]]], np.float32)
    low, high = (with_background(maps, power_background(maps, power)) for power in (4, 24))
    labels = confident_labels(low, high, np.array([5]), 1)
    # (1 - m)^24 > m up to m = 0.089, (1 - m)^4 < m from m = 0.276
    np.testing.assert_array_equal(labels, [[0, 0, 255, 255, 5, 5]])


def test_averages_decide_not_single_pixels():
    low = np.zeros((3, 8, 8), np.float32)
    low[0] = 0.6
    low[1] = 0.4
    low[:, :3] = np.array([0, 1, 0])[:, None, None]  # 3/8 of the cell is sure: 0.625 in all
    labels = confident_labels(low, low, CLASSES, 8)
    np.testing.assert_array_equal(labels, [[2]])


def test_cells_outside_the_image_are_void_and_cut_ones_count_what_they_have():
    low = one_hot([[0, 1], [1, 1]], stride=8)
    low[:, :, 12:] = 0
    low[:, 8:, :8] = 0
    low[:, 8:, 8:] = 0
    np.testing.assert_array_equal(confident_labels(low, low, CLASSES, 8), [[0, 2], [255, 255]])


def test_labels_by_double_loop():
    rng = np.random.default_rng(0)
    low, high = rng.dirichlet(np.ones(3), (2, 20, 27)).transpose(0, 3, 1, 2).astype(np.float32)
    labels = confident_labels(low, high, CLASSES, 8)
    assert labels.shape == (3, 4)
    for y, x in np.ndindex(3, 4):
        block = np.s_[:, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8]
        of_low = int(low[block].mean(axis=(1, 2)).argmax())
        of_high = int(high[block].mean(axis=(1, 2)).argmax())
        if of_high == 0:
            expected = 0
        elif of_low > 0:
            expected = CLASSES[of_low - 1]
        else:
            expected = 255
        assert labels[y, x] == expected


def test_an_image_without_classes_is_background():
    posterior = np.ones((1, 8, 16), np.float32)
    labels = confident_labels(posterior, posterior, np.zeros(0, np.int64), 8)
    np.testing.assert_array_equal(labels, [[0, 0]])


@pytest.mark.parametrize("pairs", ["all", "inner"])
@pytest.mark.parametrize("size", [(6, 7), (1, 1), (2, 9), (6, 11)])
def test_pair_labels_by_double_loop(size, pairs):
    height, width = size
    rng = np.random.default_rng(0)
    grid = torch.from_numpy(rng.choice([0, 1, 2, 255], (2, height, width)).astype(np.uint8))
    kinds = pair_labels(grid, 5, pairs)
    for image in range(2):
        for place, (down, right) in enumerate(offsets(5)):
            for y in range(height):
                for x in range(width):
                    below, beside = y + down, x + right
                    expected = (False, False, False)
                    inside = pairs == "all" or (y <= height - 5 and 4 <= x <= width - 5)
                    if inside and below < height and 0 <= beside < width:
                        a, b = int(grid[image, y, x]), int(grid[image, below, beside])
                        if 255 not in (a, b):
                            expected = (a == b == 0, a == b != 0, a != b)
                    found = tuple(bool(kind[image, place, y, x]) for kind in kinds)
                    assert found == expected


def test_pair_labels_of_one_grid_equal_those_of_a_batch():
    grid = torch.tensor([[0, 0, 1], [255, 1, 2]], dtype=torch.uint8)
    for alone, batched in zip(pair_labels(grid, 3), pair_labels(grid[None], 3), strict=True):
        assert torch.equal(alone, batched[0])


def random_case(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, PairLabels]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([0, 1, 2, 255], dtype=torch.uint8)[
        torch.randint(4, (2, 5, 6), generator=generator)
    ]
    features = torch.randn(2, 3, 5, 6, dtype=dtype, generator=generator)
    return features, pair_labels(labels, 3)


def test_loss_by_loop_over_pairs():
    features, pairs = random_case()
    affinities = pair_affinities(features, 3)
    sums = {name: [0.0, 0] for name in pairs._fields}
    for name in pairs._fields:
        for affinity in affinities[getattr(pairs, name)].tolist():
            likelihood = 1 - affinity if name == "different" else affinity
            sums[name][0] -= math.log(likelihood + 1e-5)
            sums[name][1] += 1
    means = {name: total / count for name, (total, count) in sums.items()}
    parts = affinity_loss(affinities, pairs)
    assert set(parts) == {"background", "foreground", "different", "loss"}
    for name, mean in means.items():
        assert float(parts[name]) == pytest.approx(mean)
    expected = means["background"] / 4 + means["foreground"] / 4 + means["different"] / 2
    assert float(parts["loss"]) == pytest.approx(expected)


def test_kinds_without_pairs_give_0_and_a_finite_gradient():
    features = torch.zeros(1, 3, 4, 4, requires_grad=True)
    pairs = pair_labels(torch.full((1, 4, 4), 255, dtype=torch.uint8), 3)
    parts = affinity_loss(pair_affinities(features, 3), pairs)
    assert all(float(part.detach()) == 0 for part in parts.values())
    parts["loss"].backward()
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()


def test_the_worst_and_the_best_answers_are_finite():
    affinities = torch.tensor([0.0, 1.0]).reshape(1, 1, 1, 2)
    everything = torch.ones(1, 1, 1, 2, dtype=torch.bool)
    parts = affinity_loss(affinities, PairLabels(everything, everything, everything))
    for part in parts.values():
        assert float(part) == pytest.approx(-math.log(1e-5) / 2, rel=1e-3)


def test_a_perfect_answer_costs_nothing():
    labels = torch.tensor([[[0, 0, 1, 1, 2, 2]]], dtype=torch.uint8)
    features = 100.0 * labels.float()[:, None]
    parts = affinity_loss(pair_affinities(features, 5), pair_labels(labels, 5))
    assert float(parts["loss"]) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("part", ["background", "foreground", "different", "loss"])
def test_gradient(part):
    features, pairs = random_case()
    features.requires_grad_()

    def loss(values: torch.Tensor) -> torch.Tensor:
        return affinity_loss(pair_affinities(values, 3), pairs)[part]

    assert torch.autograd.gradcheck(loss, features)
