"""AffinityNet's loss against sums over pairs, with empty kinds, and its gradient."""

import math

import pytest
import torch

from ssenet_core.affinity.labels import PairLabels, pair_labels
from ssenet_core.affinity.losses import affinity_loss
from ssenet_core.affinity.pairs import pair_affinities


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
    assert set(parts) == {"background", "foreground", "different", "total"}
    for name, mean in means.items():
        assert float(parts[name]) == pytest.approx(mean)
    expected = means["background"] / 4 + means["foreground"] / 4 + means["different"] / 2
    assert float(parts["total"]) == pytest.approx(expected)


def test_kinds_without_pairs_give_0_and_a_finite_gradient():
    features = torch.zeros(1, 3, 4, 4, requires_grad=True)
    pairs = pair_labels(torch.full((1, 4, 4), 255, dtype=torch.uint8), 3)
    parts = affinity_loss(pair_affinities(features, 3), pairs)
    assert all(float(part.detach()) == 0 for part in parts.values())
    parts["total"].backward()
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
    assert float(parts["total"]) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("part", ["background", "foreground", "different", "total"])
def test_gradient(part):
    features, pairs = random_case()
    features.requires_grad_()

    def loss(values: torch.Tensor) -> torch.Tensor:
        return affinity_loss(pair_affinities(values, 3), pairs)[part]

    assert torch.autograd.gradcheck(loss, features)
