"""The shared batch normalisation is torch's own where one process has the whole batch."""

import copy

import pytest
import torch
from torch import nn

from ssenet_core.models.networks import DeepLab
from ssenet_core.models.resnet38 import ResNet38
from ssenet_core.training.batch_norm import SynchronisedBatchNorm, synchronise_batch_norm


def layers() -> tuple[nn.BatchNorm2d, SynchronisedBatchNorm]:
    """A plain layer in float64, and the other one with the same parameters."""
    torch.manual_seed(0)
    plain = nn.BatchNorm2d(3).double()
    nn.init.normal_(plain.weight)
    nn.init.normal_(plain.bias)
    shared = SynchronisedBatchNorm(3).double()
    shared.load_state_dict(copy.deepcopy(plain.state_dict()))
    return plain, shared


@pytest.mark.parametrize("training", [True, False])
def test_values_gradients_and_running_statistics_are_torchs(training: bool) -> None:
    plain, shared = (layer.train(training) for layer in layers())
    images = 100 + torch.randn(4, 3, 5, 6, dtype=torch.float64)
    seen = []
    for layer in (plain, shared):
        x = images.clone().requires_grad_()
        layer(x)
        y = layer(x)
        (y**3).sum().backward()
        seen.append([y, x.grad, layer.weight.grad, layer.bias.grad, *layer.buffers()])
    for expected, found in zip(*seen, strict=True):
        torch.testing.assert_close(found, expected)


def test_its_gradient_is_its_derivative() -> None:
    _, shared = layers()
    x = torch.randn(2, 3, 3, 2, dtype=torch.float64, requires_grad=True)
    parameters = (shared.weight, shared.bias)
    assert torch.autograd.gradcheck(lambda x, *_: shared(x), (x, *parameters))


def test_half_precision_keeps_its_type_and_its_statistics_do_not() -> None:
    layer = SynchronisedBatchNorm(3)
    assert layer(torch.randn(4, 3, 5, 5).bfloat16()).dtype == torch.bfloat16
    assert layer.running_mean is not None
    assert layer.running_mean.dtype == torch.float32


def test_a_networks_layers_are_replaced_and_its_parameters_stay() -> None:
    network = DeepLab(ResNet38(1 / 32), 3, channels=8, dilation=1, dropout=0.0)
    before = dict(network.named_parameters())
    names = list(network.state_dict())
    synchronise_batch_norm(network)
    assert list(network.state_dict()) == names
    assert all(after is before[name] for name, after in network.named_parameters())
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {type(norm) for norm in norms} == {SynchronisedBatchNorm}


def test_frozen_layers_stay_frozen() -> None:
    backbone = ResNet38(1 / 32, freeze_batch_norm=True)
    synchronise_batch_norm(backbone)
    backbone.train()
    assert not any(m.training for m in backbone.modules() if isinstance(m, nn.BatchNorm2d))
