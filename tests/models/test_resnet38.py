"""ResNet-38: size, geometry, freezing."""

import pytest
import torch

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
