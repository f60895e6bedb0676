"""A CAM training step with scale equivariance, against the published steps one by one.

Published, both views' class maps are up-sampled to their views' pixels, pooled there for the
classification, the large view's resized to the small view's size, and compared there. Here small
matrices give the same maps without those of the large view's pixels. Timed too is a comparison of
the cells, which is another regularisation. Losses and gradients of the published kind must agree.

    python benchmarks/ser_step.py [--runs 7]
"""

from collections.abc import Callable

import torch
from compare import median_seconds, must, options, row, verdict
from settings import changed, toy
from torch import Tensor, nn
from torch.nn import functional

from ssenet_core.cam.training import cam_loss
from ssenet_core.models.networks import build_network
from ssenet_core.settings import CamSettings
from ssenet_core.training.optimizer import build_optimizer

EPSILON = 1e-5

Batch = dict[str, Tensor]
Loss = Callable[[nn.Module, Batch], dict[str, Tensor]]


def toy_settings(rate: float, compared_at: str) -> CamSettings:
    """The synthetic dataset's `ssenet`, with maps resized as published."""
    ser = {"rate": rate, "compared_at": compared_at}
    over = {"backbone": {"freeze_batch_norm": False}, "ser": ser, "alignment": "plain"}
    return changed(toy("cam", "ssenet"), over)


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return functional.interpolate(maps, size, mode="bilinear", align_corners=False)


def normalised(maps: Tensor, tags: Tensor) -> Tensor:
    positive = maps.relu()
    peak = positive.amax(dim=(2, 3), keepdim=True)
    return positive / (peak + EPSILON) * tags[:, :, None, None]


def published_loss(rate: float) -> Loss:
    """Eq. 1 and 2 on up-sampled maps."""

    def loss(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        view, tags = batch["image"], batch["tags"]
        crop = (view.shape[2], view.shape[3])
        size = (int(rate * crop[0]), int(rate * crop[1]))
        large = resized(network(view), crop)
        small = resized(network(resized(view, size)), size)
        classification = sum(
            functional.multilabel_soft_margin_loss(maps.mean(dim=(2, 3)), tags) / 2
            for maps in (large, small)
        )
        difference = normalised(resized(large, size), tags) - normalised(small, tags)
        equivariance = (difference**2).mean()
        parts = {"classification": classification, "equivariance": equivariance}
        return {"loss": classification + equivariance, **parts}

    return loss


def case(crop: int, classes: int, batch: int, rate: float, runs: int) -> None:
    """One row: the ways' times, and how far losses and gradients are apart."""
    settings = toy_settings(rate, "pixels")
    torch.manual_seed(0)
    network = build_network(settings, [f"class {label}" for label in range(classes)])
    network.train()
    optimizer = build_optimizer(network, network.head(), settings.optimizer)
    tags = torch.zeros(batch, classes)
    tags[:, :2] = 1
    given = {"image": torch.randn(batch, 3, crop, crop), "tags": tags}
    losses: dict[str, Loss] = {
        "published": published_loss(rate),
        "ours": cam_loss(settings),
        "cells": cam_loss(toy_settings(rate, "cells")),
    }
    print(f"crop {crop}, rate {rate}, {classes} classes, batch {batch}:")
    values, gradients = {}, {}
    for name, loss in losses.items():
        optimizer.zero_grad(set_to_none=True)
        parts = loss(network, given)
        parts["loss"].backward()
        values[name] = float(parts["loss"].detach())
        gradients[name] = torch.cat([weight.grad.flatten() for weight in network.parameters()])
        print(f"  {name}: " + ", ".join(f"{key} {part.item():.6f}" for key, part in parts.items()))
    gap = abs(values["ours"] / values["published"] - 1)
    turn = float((gradients["ours"] - gradients["published"]).norm() / gradients["ours"].norm())
    must(gap <= 1e-5 and turn <= 1e-3, f"crop {crop}, rate {rate}: loss {gap}, gradient {turn}")

    def step(name: str) -> None:
        optimizer.zero_grad(set_to_none=True)
        losses[name](network, given)["loss"].backward()
        optimizer.step()

    slow, fast, cells = median_seconds(
        lambda: step("published"), lambda: step("ours"), lambda: step("cells"), runs=runs
    )
    row(
        f"SER training step, toy width, crop {crop}, rate {rate}",
        "the published steps one by one, on maps of the crop's pixels",
        ">= 1.2 x images/s",
        f"{slow / fast:.2f} x ({batch / slow:.1f} to {batch / fast:.1f} images/s): "
        f"{verdict(slow / fast >= 1.2)}; cells compared {slow / cells:.2f} x",
        f"loss to {gap:.0e}, gradient to {turn:.0e}",
    )


def main() -> None:
    """The synthetic dataset's step, and the paper's crop at its two rates."""
    given = options(__doc__, runs=7).parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    for crop, classes, batch, rate in ((96, 6, 8, 0.5), (448, 20, 2, 0.5), (448, 20, 2, 0.3)):
        case(crop, classes, batch, rate, given.runs)


if __name__ == "__main__":
    main()
