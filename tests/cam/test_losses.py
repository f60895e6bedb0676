"""The SSENet loss against its formula."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from ssenet_core.cam.losses import (
    classification_loss,
    raw_equivariance_loss,
    scale_equivariance_loss,
)

TAGS = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])


def random_maps(seed: int = 0) -> Tensor:
    return torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(seed)).double()


def test_equal_maps_have_no_equivariance_loss() -> None:
    assert scale_equivariance_loss(random_maps(), random_maps(), TAGS) == 0


def test_a_positive_factor_does_not_matter() -> None:
    """Each map is divided by its maximum, so brightness is no difference (up to epsilon)."""
    loss = scale_equivariance_loss(100 * random_maps(), 700 * random_maps(), TAGS)
    assert float(loss) < 1e-12


def test_absent_classes_do_not_count() -> None:
    changed = random_maps()
    changed[0, 1] = 9.0
    changed[1, [0, 2]] = -3.0
    assert scale_equivariance_loss(random_maps(), changed, TAGS) == 0


def test_against_the_formula() -> None:
    large, small = random_maps(1), random_maps(2)
    total = 0.0
    for image in range(2):
        for label in range(3):
            if TAGS[image, label]:
                a, b = (maps[image, label].clamp(min=0) for maps in (large, small))
                difference = a / (a.max() + 1e-5) - b / (b.max() + 1e-5)
                total += float((difference**2).sum())
    expected = total / large.numel()
    assert float(scale_equivariance_loss(large, small, TAGS)) == pytest.approx(expected)


def test_gradient_flows_into_both_views() -> None:
    large, small = random_maps(1).requires_grad_(), random_maps(2).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda a, b: scale_equivariance_loss(a, b, TAGS.double()), (large, small)
    )
    scale_equivariance_loss(large, small, TAGS).backward()
    assert large.grad.abs().sum() > 0
    assert small.grad.abs().sum() > 0


def test_images_with_none_of_the_classes_teach_that_nothing_is_there() -> None:
    """They have a finite loss: softplus of each class's score, and no equivariance to ask for."""
    none = torch.zeros(2, 3).double()
    large, small = random_maps(1).requires_grad_(), random_maps(2).requires_grad_()
    equivariance = scale_equivariance_loss(large, small, none)
    assert equivariance == 0
    equivariance.backward()
    for maps in (large, small):
        assert torch.equal(maps.grad, torch.zeros_like(maps))
    classification = classification_loss(large, none, (40, 32))
    expected = functional.softplus(large.mean(dim=(2, 3))).mean()
    torch.testing.assert_close(classification, expected)
    classification.backward()
    assert (large.grad > 0).all()  # a step against it lowers every score
    flat = torch.zeros(2, 3, 5, 4, requires_grad=True)  # where ReLU and the root have corners
    (scale_equivariance_loss(flat, flat, none) + raw_equivariance_loss(flat, flat)).backward()
    assert torch.isfinite(flat.grad).all()


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        scale_equivariance_loss(random_maps(), random_maps()[:, :, :4], TAGS)


@pytest.mark.parametrize("view", [(40, 32), (38, 25), (33, 32)])
def test_classification_pools_as_if_up_sampled(view: tuple[int, int]) -> None:
    maps = random_maps()
    up = functional.interpolate(maps, view, mode="bilinear", align_corners=False)
    x, y = up.mean(dim=(2, 3)), TAGS.double()
    expected = -(y * x.sigmoid().log() + (1 - y) * (-x).sigmoid().log()).mean()
    torch.testing.assert_close(classification_loss(maps, y, view), expected)
    assert torch.autograd.gradcheck(
        lambda m: classification_loss(m, y, view), maps.requires_grad_()
    )
