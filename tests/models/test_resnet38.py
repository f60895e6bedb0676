"""ResNet-38: size, geometry, freezing, running statistics."""

import pytest
import torch
from stage_settings import changed
from tiny_network import SETTINGS
from torch import Tensor, nn

from ssenet_core.models.networks import build_backbone
from ssenet_core.models.resnet38 import ResNet38


def test_full_size_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        network = ResNet38(1.0)
    assert sum(parameter.numel() for parameter in network.parameters()) == 105_070_912
    assert len(network.state_dict()) == 228
    assert network.channels == 4096
    assert network.tap_channels == (512, 1024, 4096)


@pytest.mark.parametrize("size", [(64, 64), (63, 90), (8, 17)])
def test_output_stride_is_eight(size: tuple[int, int]) -> None:
    features = ResNet38(1 / 16).eval()(torch.zeros(1, 3, *size))
    assert features.shape[2:] == tuple(-(-edge // 8) for edge in size)


def test_taps_lie_on_one_grid() -> None:
    network = ResNet38(1 / 16).eval()
    taps = network.taps(torch.zeros(2, 3, 48, 40))
    assert [tap.shape[1] for tap in taps] == list(network.tap_channels)
    assert {tap.shape[2:] for tap in taps} == {(6, 5)}


def test_cell_i_looks_at_pixel_eight_i() -> None:
    """The gradient of a cell's activation is centred on pixel 8 i, not on 8 i + 3.5."""
    torch.manual_seed(0)
    network = ResNet38(1 / 16).eval()
    image = torch.zeros(1, 3, 161, 161)
    mean = torch.zeros(161)
    for _ in range(4):
        image = torch.randn_like(image).requires_grad_()
        network(image)[0, :, 10, 10].sum().backward()
        mean += image.grad.abs().sum(dim=(0, 1, 2))
    centre = (mean * torch.arange(161)).sum() / mean.sum()
    assert abs(float(centre) - 80) < abs(float(centre) - 83.5)


def test_freezing_keeps_statistics_and_weights() -> None:
    network = ResNet38(1 / 16, freeze_batch_norm=True, frozen_stages=["conv1a", "b2"]).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    network(torch.randn(2, 3, 32, 32)).sum().backward()
    optimizer.step()
    changed = {
        name for name, tensor in network.state_dict().items() if not tensor.equal(before[name])
    }
    assert changed
    assert not any("bn" in name or name.startswith(("conv1a", "b2.")) for name in changed)


@pytest.mark.parametrize(("momentum", "share"), [(None, 0.1), (0.0003, 0.0003)])
def test_running_statistics_take_the_momentums_share_of_a_batch(
    momentum: float | None, share: float
) -> None:
    settings = changed(SETTINGS["cam"].backbone, {"batch_norm_momentum": momentum})
    network = build_backbone(settings).train()
    seen: dict[nn.Module, Tensor] = {}
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.register_forward_hook(lambda module, given, _: seen.update({module: given[0]}))
    network(torch.randn(2, 3, 32, 32))
    for norm in norms:
        mean, variance = seen[norm].mean((0, 2, 3)), seen[norm].var((0, 2, 3))
        kept = (1 - share) ** norm.num_batches_tracked  # twice where AffinityNet has a tap
        torch.testing.assert_close(norm.running_mean, (1 - kept) * mean)
        torch.testing.assert_close(norm.running_var, kept + (1 - kept) * variance)
