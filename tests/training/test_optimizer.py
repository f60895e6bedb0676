"""Parameter groups and the poly schedule, from their formulas."""

import pytest
import torch

from ssenet_core.models.networks import CamNetwork, DeepLab
from ssenet_core.models.resnet38 import ResNet38
from ssenet_core.settings import OptimizerSettings
from ssenet_core.training.optimizer import build_optimizer, poly_rate, set_rate

SETTINGS = OptimizerSettings(
    name="sgd", lr=0.01, momentum=0.0, weight_decay=5e-4, power=0.9, head_lr=10
)


def test_four_groups_hold_every_parameter_once() -> None:
    network = DeepLab(ResNet38(1 / 32), 3, channels=16, dilation=2, dropout=0.5)
    optimizer = build_optimizer(network, network.head(), SETTINGS)
    factors = [(group["factor"], group["weight_decay"]) for group in optimizer.param_groups]
    assert factors == [(1, 5e-4), (2, 0.0), (10, 5e-4), (20, 0.0)]
    held = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in network.parameters())


def test_frozen_parameters_are_left_out() -> None:
    network = CamNetwork(ResNet38(1 / 32, freeze_batch_norm=True, frozen_stages=["conv1a"]), 2)
    optimizer = build_optimizer(network, network.head(), SETTINGS)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert id(network.backbone.conv1a.weight) not in held
    assert id(network.backbone.bn7.weight) not in held
    assert id(network.classifier.weight) in held


@pytest.mark.parametrize(("step", "expected"), [(0, 0.01), (50, 0.01 * 0.5**0.9), (100, 0.0)])
def test_poly_rate(step: int, expected: float) -> None:
    assert poly_rate(step, 100, 0.01, 0.9) == pytest.approx(expected)


def test_rates_keep_their_factors() -> None:
    network = CamNetwork(ResNet38(1 / 32), 2)
    optimizer = build_optimizer(network, network.head(), SETTINGS)
    set_rate(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 1.0, 5.0]


def test_a_step_is_plain_gradient_descent_with_decay() -> None:
    layer = torch.nn.Linear(2, 1, bias=False)
    weight = layer.weight.detach().clone()
    optimizer = build_optimizer(layer, [], SETTINGS)
    set_rate(optimizer, 0.1)
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    torch.testing.assert_close(layer.weight, weight - 0.1 * (1 + 5e-4 * weight))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_schedule_of_steps_by_the_formula(momentum: float) -> None:
    """Four groups, decay on weights alone, poly rates, momentum: each parameter by itself."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2))
    network.double()
    factors = {"0.weight": 1, "0.bias": 2, "2.weight": 10, "2.bias": 20}
    expected = {name: p.detach().clone() for name, p in network.named_parameters()}
    velocity = {name: torch.zeros_like(p) for name, p in expected.items()}
    optimizer = build_optimizer(
        network, [network[2]], SETTINGS.model_copy(update={"momentum": momentum})
    )
    images = torch.randn(8, 4, dtype=torch.float64)
    for step in range(6):
        set_rate(optimizer, poly_rate(step, 6, 0.01, 0.9))
        optimizer.zero_grad()
        (network(images) ** 2).mean().backward()
        for name, parameter in network.named_parameters():
            decay = 5e-4 if name.endswith("weight") else 0.0
            slope = parameter.grad + decay * expected[name]
            velocity[name] = momentum * velocity[name] + slope
            rate = 0.01 * (1 - step / 6) ** 0.9 * factors[name]
            expected[name] = expected[name] - rate * velocity[name]
        optimizer.step()
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter.detach(), expected[name])
