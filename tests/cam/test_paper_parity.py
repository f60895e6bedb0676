"""Eq. 1-3 of the paper written out once more in float64, against what trains and what infers."""

import numpy as np
import pytest
import torch
from PIL import Image
from stage_settings import stage_settings
from tiny_network import Normalised
from torch import Tensor, nn
from torch.nn import functional

from ssenet_core.cam.inference import multi_scale_maps, normalised_maps
from ssenet_core.cam.training import cam_loss

CLASSES = 3
TAGS = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]).double()


@pytest.fixture
def network() -> nn.Module:
    """A stride-8 network with ceil(edge / 8) cells."""
    torch.manual_seed(0)
    first = nn.Conv2d(3, 6, 9, stride=8, padding=4)
    network = nn.Sequential(first, nn.Tanh(), nn.Conv2d(6, CLASSES, 1, bias=False)).double()
    network.backbone = Normalised  # type: ignore[assignment]
    return network


def bilinear(before: int, after: int) -> Tensor:
    """A of Eq. 2 along one axis, (after, before): its rows are the weights of the old positions."""
    matrix = torch.zeros(after, before, dtype=torch.float64)
    for row in range(after):
        place = max((row + 0.5) * before / after - 0.5, 0)
        left = min(int(place), before - 1)
        right = min(left + 1, before - 1)
        matrix[row, left] += 1 - (place - left)
        matrix[row, right] += place - left
    return matrix


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    rows, columns = (bilinear(*edges) for edges in zip(maps.shape[2:], size, strict=True))
    return torch.einsum("yh,bchw,xw->bcyx", rows, maps, columns)


def soft_margin(maps: Tensor, crop: tuple[int, int]) -> Tensor:
    """-sum over images and classes, of maps up-sampled to the crop and averaged there."""
    total = torch.zeros((), dtype=torch.float64)
    pooled = resized(maps, crop).mean(dim=(2, 3))
    for image in range(len(maps)):
        for label in range(CLASSES):
            p = 1 / (1 + torch.exp(-pooled[image, label]))
            total = total - torch.log(p if TAGS[image, label] else 1 - p)
    return total / (len(maps) * CLASSES)


def regularisation(large: Tensor, small: Tensor, form: str) -> Tensor:
    """Eq. 2, class by class; its normalised form divides by the maxima and leaves out classes."""
    moved = resized(large, (small.shape[2], small.shape[3]))
    if form == "raw":
        distances = [((small[b] - moved[b]) ** 2).sum().sqrt() for b in range(len(small))]
        return torch.stack(distances).mean()
    total = torch.zeros((), dtype=torch.float64)
    for image in range(len(small)):
        for label in range(CLASSES):
            if TAGS[image, label]:
                a, b = (maps[image, label].clamp(min=0) for maps in (moved, small))
                total = total + ((a / (a.max() + 1e-5) - b / (b.max() + 1e-5)) ** 2).sum()
    return total / small.numel()


def trained(
    network: nn.Module, images: Tensor, rate: float, **kind: str
) -> tuple[dict[str, float], list[Tensor]]:
    """What training computes: the loss's parts, and its gradient."""
    ser = {"weight": 0.7, "transforms": ["scale"], "rate": rate, **kind}
    settings = stage_settings("cam", {"ser": ser, "alignment": "plain"})
    parts = cam_loss(settings)(network, {"image": images, "tags": TAGS})
    parts["loss"].backward()
    gradients = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()
    return {name: part.item() for name, part in parts.items()}, gradients


@pytest.mark.parametrize("form", ["normalised", "raw"])
@pytest.mark.parametrize("rate", [0.5, 0.25, 0.3])
def test_training_loss_and_its_gradient(network: nn.Module, rate: float, form: str) -> None:
    """Of the whole step: views, two passes, pooling over the up-sampled maps, both terms."""
    images = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    found, gradients = trained(network, images, rate, form=form, compared_at="cells")
    size = int(rate * 64), int(rate * 96)
    large, small = network(images), network(resized(images, size))
    classification = (soft_margin(large, (64, 96)) + soft_margin(small, size)) / 2
    equivariance = regularisation(large, small, form)
    (classification + 0.7 * equivariance).backward()
    assert found["classification"] == pytest.approx(classification.item(), rel=1e-10)
    assert found["equivariance"] == pytest.approx(equivariance.item(), rel=1e-10)
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-8, atol=1e-12)


def up_sampled(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return functional.interpolate(maps, size, mode="bilinear", align_corners=False)


@pytest.mark.parametrize("rate", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("crop", [(448, 448), (65, 90), (21, 40)])
def test_training_loss_on_up_sampled_maps(
    network: nn.Module, crop: tuple[int, int], rate: float
) -> None:
    """As published, step by step: all maps at their views' pixels, the large ones' resized."""
    images = torch.randn(2, 3, *crop, dtype=torch.float64)
    found, gradients = trained(network, images, rate, form="normalised", compared_at="pixels")
    size = int(rate * crop[0]), int(rate * crop[1])
    large = up_sampled(network(images), crop)
    small = up_sampled(network(up_sampled(images, size)), size)
    pooled = [maps.mean(dim=(2, 3)) for maps in (large, small)]
    soft_margins = [functional.multilabel_soft_margin_loss(scores, TAGS) for scores in pooled]
    classification = torch.stack(soft_margins).mean()
    positive = [maps.relu() for maps in (up_sampled(large, size), small)]
    a, b = (maps / (maps.amax(dim=(2, 3), keepdim=True) + 1e-5) for maps in positive)
    equivariance = ((a - b) * TAGS[:, :, None, None]).square().mean()
    (classification + 0.7 * equivariance).backward()
    assert found["classification"] == pytest.approx(classification.item(), rel=1e-10)
    assert found["equivariance"] == pytest.approx(equivariance.item(), rel=1e-10)
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("scales", [[1.0], [0.5, 1.0, 1.5, 2.0]])
def test_class_activation_maps(network: nn.Module, scales: list[float]) -> None:
    """As published, over scales and mirror images: to the view, ReLU, to the photograph; Eq. 3."""
    network = network.float()
    pixels = np.random.default_rng(0).integers(0, 256, (41, 58, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    with torch.inference_mode():
        maps = normalised_maps(multi_scale_maps(network, image, scales, True, "plain"), [1, 3])
    total = torch.zeros(1, CLASSES, 41, 58, dtype=torch.float64)
    mean, deviation = (np.array(v) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    for scale in scales:
        size = round(58 * scale), round(41 * scale)
        view = (np.array(image.resize(size, Image.Resampling.BICUBIC)) / 255 - mean) / deviation
        for mirrored in (False, True):
            shown = view[:, ::-1] if mirrored else view
            batch = torch.from_numpy(shown.copy()).permute(2, 0, 1)[None].float()
            with torch.inference_mode():
                at_view = up_sampled(network(batch).double(), size[::-1]).clamp(min=0)
            scores = up_sampled(at_view, (41, 58))
            total += scores.flip(3) if mirrored else scores
    for found, label in zip(maps, (0, 2), strict=True):
        expected = total[0, label] / (total[0, label].max() + 1e-5)
        np.testing.assert_allclose(found, expected.numpy(), atol=2e-5)
