"""Losses, inference and the walk on a GPU, and on tensors that only say they are on one.

Of the latter PyTorch works out shapes, types and devices of each operation, and refuses two devices
in one, as a GPU would; no GPU is needed. Left out are backward passes, which need a driver, and
warps that turn, which look at numbers. A GPU that is there is compared with the CPU.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from stage_settings import changed
from tiny_network import SETTINGS
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from ssenet_core.affinity.pairs import pair_affinities
from ssenet_core.affinity.random_walk import propagate
from ssenet_core.affinity.training import pair_loss
from ssenet_core.cam.inference import multi_scale_maps
from ssenet_core.cam.training import cam_loss
from ssenet_core.data.augment import views_at
from ssenet_core.deeplab.inference import mean_scores
from ssenet_core.deeplab.training import pixel_loss
from ssenet_core.models.device import to_device
from ssenet_core.models.networks import build_network

GPU = torch.device("cuda", 0)
NAMES = ["a", "b", "c"]
SER = {
    "weight": 1.0,
    "rate": 0.3,
    "transforms": ["scale"],
    "form": "normalised",
    "compared_at": "cells",
}


def pretended() -> FakeTensorMode:
    """Tensors made inside have no numbers, but say where they are."""
    return FakeTensorMode(allow_non_fake_inputs=True)


def network(kind: str) -> nn.Module:
    """A network on the GPU, channels last; `to_device` cannot move one that has no numbers."""
    with GPU:
        made = build_network(SETTINGS[kind], NAMES)
    for weight in made.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    return made


def ser(**changes: Any) -> Callable[..., Any]:
    alignment = changes.pop("alignment", "plain")
    return cam_loss(changed(SETTINGS["cam"], {"ser": SER | changes, "alignment": alignment}))


LOSSES = {
    "baseline": ("cam", ser(weight=0.0)),
    "scale": ("cam", ser()),
    "scale, cells": ("cam", ser(alignment="cells")),
    "pixels": ("cam", ser(compared_at="pixels")),
    "pixels, cells": ("cam", ser(compared_at="pixels", alignment="cells")),
    "raw": ("cam", ser(form="raw")),
    "affinity": ("affinity", pair_loss(changed(SETTINGS["affinity"], {"radius": 3}))),
    "deeplab": ("deeplab", pixel_loss),
}


def random_batch() -> dict[str, Tensor]:
    """Two images of 64 pixels, on the CPU."""
    torch.manual_seed(1)
    return {
        "image": torch.randn(2, 3, 64, 64),
        "tags": torch.tensor([[1.0, 0, 1], [0, 1, 0]]),
        "labels": torch.randint(0, 4, (2, 8, 8), dtype=torch.uint8),
    }


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_stays_on_the_gpu(name: str) -> None:
    kind, loss = LOSSES[name]
    with pretended():
        batch = {
            "image": torch.ones(2, 3, 64, 64, device=GPU),
            "tags": torch.ones(2, 3, device=GPU),
            "labels": torch.zeros(2, 8, 8, dtype=torch.uint8, device=GPU),
        }
        parts = loss(network(kind).train(), batch)
        assert {part.device for part in parts.values()} == {GPU}
        assert parts["loss"].dtype == torch.float32
    # Nothing that is kept for later calls may lack its numbers.
    made = build_network(SETTINGS[kind], NAMES).train()
    assert loss(made, random_batch())["loss"].isfinite()


@pytest.mark.parametrize("alignment", ["plain", "cells"])
def test_class_maps_stay_on_the_gpu(alignment: str) -> None:
    photograph = Image.fromarray(np.zeros((40, 56, 3), np.uint8))
    with pretended(), torch.no_grad():
        maps = multi_scale_maps(network("cam").eval(), photograph, [1.0, 0.5], True, alignment)
    assert (maps.device, tuple(maps.shape)) == (GPU, (3, 40, 56))


def test_predictions_stay_on_the_gpu() -> None:
    photograph = Image.fromarray(np.zeros((40, 56, 3), np.uint8))
    with pretended(), torch.no_grad():
        views = views_at(photograph, [1.0, 0.5])
        scores = mean_scores(network("deeplab").eval(), views, (40, 56), flip=True)
    assert (scores.device, tuple(scores.shape)) == (GPU, (4, 40, 56))


def test_the_walk_stays_on_the_gpu() -> None:
    with pretended(), torch.no_grad():
        features = network("affinity").eval()(torch.ones(1, 3, 64, 80, device=GPU))
        affinities = pair_affinities(features.float(), 3)[0]
        walked = propagate(torch.ones(3, 8, 10, device=GPU), affinities, beta=8, steps=16)
    assert (walked.device, tuple(walked.shape)) == (GPU, (3, 8, 10))


def test_what_is_left_on_the_cpu_is_noticed() -> None:
    class Forgetful(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images + torch.ones(images.shape)

    with pretended(), pytest.raises(RuntimeError, match="device"):
        Forgetful()(torch.ones(1, 3, 8, 8, device=GPU))


def test_on_a_gpu_channels_are_last() -> None:
    class Noted(nn.Module):
        def to(self, *where: Any, **how: Any) -> "Noted":
            self.placed = (where, how)
            return self

    assert to_device(Noted(), GPU).placed == ((GPU,), {"memory_format": torch.channels_last})
    assert to_device(Noted(), torch.device("cpu")).placed == ((torch.device("cpu"),), {})


CARD = torch.device("cuda")
on_a_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


@pytest.fixture
def all_bits() -> Iterator[None]:
    """Float32 convolutions with all their bits, not TF32."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


def both(kind: str) -> tuple[nn.Module, nn.Module]:
    """The same network on the CPU and on the GPU."""
    torch.manual_seed(0)
    made = build_network(SETTINGS[kind], NAMES)
    return made, to_device(copy.deepcopy(made), CARD)


def apart(found: Tensor, expected: Tensor) -> float:
    """Norm of the difference, as a share of the expected one's."""
    difference = found.detach().cpu().double() - expected.detach().double()
    return float(difference.norm() / expected.detach().double().norm())


def gradient(network: nn.Module) -> Tensor:
    parts = [weight.grad.flatten() for weight in network.parameters() if weight.grad is not None]
    return torch.cat(parts)


@on_a_card
@pytest.mark.usefixtures("all_bits")
@pytest.mark.parametrize("name", [*LOSSES, "rotated"])
def test_losses_and_gradients_are_those_of_the_cpu(name: str) -> None:
    turned = {"transforms": ["scale", "flip", "rotate"], "angle": 20.0}
    kind, loss = {**LOSSES, "rotated": ("cam", ser(**turned))}[name]
    batch = random_batch()
    found = []
    # Evaluation mode freezes the normalisation: with the statistics of a few cells rounding alone
    # changes a gradient by 7 %.
    for made, device in zip(both(kind), (torch.device("cpu"), CARD), strict=True):
        torch.manual_seed(2)  # of the angle
        parts = loss(made.eval(), {key: value.to(device) for key, value in batch.items()})
        parts["loss"].backward()
        found.append((parts["loss"], gradient(made)))
    (expected, slope), (value, own) = found
    assert apart(value, expected) < 1e-4
    assert apart(own, slope) < 1e-3


@on_a_card
@pytest.mark.usefixtures("all_bits")
@pytest.mark.parametrize("alignment", ["plain", "cells"])
def test_class_maps_are_those_of_the_cpu(alignment: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected, found = (
            multi_scale_maps(made.eval(), Image.fromarray(noise), [1.0, 0.5], True, alignment)
            for made in both("cam")
        )
    assert apart(found, expected) < 1e-4


@on_a_card
@pytest.mark.parametrize("sparse", [False, True])
def test_the_walk_is_that_of_the_cpu(sparse: bool) -> None:
    torch.manual_seed(0)
    scores, features = torch.rand(3, 16, 20), torch.randn(1, 12, 16, 20)
    expected = propagate(scores, pair_affinities(features, 5)[0], beta=8, steps=256)
    affinities = pair_affinities(features.to(CARD), 5)[0]
    found = propagate(scores.to(CARD), affinities, beta=8, steps=256, sparse=sparse)
    assert apart(found, expected) < 1e-5
