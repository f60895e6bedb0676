"""DeepLab's head, plain and as the successor has it: initial weights, dropout, normalisation."""

import pytest
import torch
from torch import Tensor

from ssenet_core.models.networks import DeepLab
from ssenet_core.models.resnet38 import ResNet38

CHANNELS, CLASSES = 96, 21


def network(kind: str, dropout: float = 0.0) -> DeepLab:
    torch.manual_seed(0)
    return DeepLab(ResNet38(1 / 32), CLASSES, CHANNELS, dilation=1, dropout=dropout, kind=kind)


@pytest.mark.parametrize(
    ("kind", "fc6_connections", "classifier_variance"),
    [("plain", 9 * 128, 2 / (CHANNELS + CLASSES)), ("successor", 9 * CHANNELS, 2 / CHANNELS)],
)
def test_variances_of_the_initial_weights(
    kind: str, fc6_connections: int, classifier_variance: float
) -> None:
    """Kaiming's is 2 / connections, of an input or of an output; Xavier's counts both."""
    made = network(kind)
    assert made.backbone.channels == 128
    assert made.fc6.weight.var().item() == pytest.approx(2 / fc6_connections, rel=0.05)
    assert made.fc7.weight.var().item() == pytest.approx(2 / CHANNELS, rel=0.05)
    assert made.classifier.weight.var().item() == pytest.approx(classifier_variance, rel=0.1)


@pytest.mark.parametrize(("kind", "learned"), [("plain", True), ("successor", False)])
def test_scale_and_shift_of_the_heads_normalisation(kind: str, learned: bool) -> None:
    made = network(kind).train()
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    made(torch.randn(2, 3, 32, 32)).square().sum().backward()
    parameters = [parameter for parameter in made.parameters() if parameter.requires_grad]
    torch.optim.SGD(parameters, lr=0.1).step()
    changed = {name for name, now in made.state_dict().items() if not now.equal(before[name])}
    for norm in ("bn6", "bn7"):
        assert {f"{norm}.weight" in changed, f"{norm}.bias" in changed} == {learned}
        assert f"{norm}.running_mean" in changed  # the statistics are the batches' in both
    assert {"fc6.weight", "fc7.weight", "classifier.bias", "backbone.b2.0.bn2a.bias"} <= changed


@pytest.mark.parametrize(("kind", "whole_channels"), [("plain", True), ("successor", False)])
def test_dropout_leaves_out_channels_or_elements(kind: str, whole_channels: bool) -> None:
    made = network(kind, dropout=0.5).train()
    shown: list[Tensor] = []
    made.classifier.register_forward_hook(lambda module, given, answer: shown.append(given[0]))
    made.dropout.register_forward_pre_hook(lambda module, given: (torch.ones_like(given[0]),))
    made(torch.randn(2, 3, 32, 32))
    (kept,) = (given != 0 for given in shown)
    assert kept.float().mean().item() == pytest.approx(0.5, abs=0.1)
    alike = kept.flatten(2).all(dim=2) | ~kept.flatten(2).any(dim=2)
    assert bool(alike.all()) == whole_channels
