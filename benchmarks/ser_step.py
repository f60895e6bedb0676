"""A CAM training step with scale equivariance, against one that up-samples its maps to the crop.

The plain way resizes both views' class maps to the crop's pixels, averages them there for the
classification, and compares them there. Here averages and differences are taken on the cells. Timed
too is a way that resizes each view's maps to its own pixels and compares on the small view's. The
loss is held against one that pools pixels and compares cells, which is the published loss.

    python benchmarks/ser_step.py [--runs 7]
"""

from collections.abc import Callable

import torch
from compare import median_seconds, must, options, row, verdict
from settings import changed, toy
from torch import Tensor, nn
from torch.nn import functional

from ssenet_core.cam.training import cam_loss
from ssenet_core.models.checkpoints import build_network
from ssenet_core.settings import CamSettings
from ssenet_core.training.optimizer import build_optimizer

EPSILON = 1e-5

Batch = dict[str, Tensor]
Loss = Callable[[nn.Module, Batch], dict[str, Tensor]]


def toy_settings(rate: float) -> CamSettings:
    """The embedded dataset's `ssenet`, with maps resized as published."""
    over = {"backbone": {"freeze_batch_norm": False}, "ser": {"rate": rate}, "alignment": "plain"}
    return changed(toy("cam", "ssenet"), over)


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return functional.interpolate(maps, size, mode="bilinear", align_corners=False)


def normalised(maps: Tensor, tags: Tensor) -> Tensor:
    positive = maps.relu()
    peak = positive.amax(dim=(2, 3), keepdim=True)
    return positive / (peak + EPSILON) * tags[:, :, None, None]


def plain_loss(rate: float, *, pooled: str, compared: str) -> Loss:
    """Eq. 1 and 2 on up-sampled maps.

    `pooled` is "crop" for both views' maps at the crop's pixels, "view" for each at its own view's;
    `compared` is "pixels" (of the pooled maps, the large brought to the small) or "cells".
    """

    def loss(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        view, tags = batch["image"], batch["tags"]
        crop = (view.shape[2], view.shape[3])
        size = (int(rate * crop[0]), int(rate * crop[1]))
        large, small = network(view), network(resized(view, size))
        wide, narrow = resized(large, crop), resized(small, crop if pooled == "crop" else size)
        classification = sum(
            functional.multilabel_soft_margin_loss(maps.mean(dim=(2, 3)), tags) / 2
            for maps in (wide, narrow)
        )
        moved, seen = (wide, narrow) if compared == "pixels" else (large, small)
        if moved.shape != seen.shape:
            moved = resized(moved, (seen.shape[2], seen.shape[3]))
        difference = normalised(moved, tags) - normalised(seen, tags)
        equivariance = (difference**2).mean()
        parts = {"classification": classification, "equivariance": equivariance}
        return {"loss": classification + equivariance, **parts}

    return loss


def case(crop: int, classes: int, batch: int, rate: float, runs: int) -> tuple[float, float, float]:
    """Seconds of a plain step and of ours, and the relative distance from the published loss."""
    settings = toy_settings(rate)
    torch.manual_seed(0)
    network = build_network(settings, [f"class {label}" for label in range(classes)])
    network.train()
    optimizer = build_optimizer(network, network.head(), settings.optimizer)
    tags = torch.zeros(batch, classes)
    tags[:, :2] = 1
    given = {"image": torch.randn(batch, 3, crop, crop), "tags": tags}
    losses: dict[str, Loss] = {
        "ours": cam_loss(settings),
        "plain": plain_loss(rate, pooled="crop", compared="pixels"),
        "views": plain_loss(rate, pooled="view", compared="pixels"),
        "published": plain_loss(rate, pooled="view", compared="cells"),
    }
    with torch.no_grad():
        values = {
            name: {part: float(value) for part, value in loss(network, given).items()}
            for name, loss in losses.items()
        }
    print(f"crop {crop}, rate {rate}, {classes} classes, batch {batch}:")
    for name, parts in values.items():
        print(f"  {name}: " + ", ".join(f"{part} {value:.6f}" for part, value in parts.items()))

    def step(name: str) -> None:
        optimizer.zero_grad(set_to_none=True)
        losses[name](network, given)["loss"].backward()
        optimizer.step()

    slow, views, fast = median_seconds(
        lambda: step("plain"), lambda: step("views"), lambda: step("ours"), runs=runs
    )
    print(
        f"  {batch / slow:.2f} images/s plain, {batch / views:.2f} with maps at their own views' "
        f"pixels, {batch / fast:.2f} ours"
    )
    gap = abs(values["ours"]["loss"] - values["published"]["loss"])
    return slow, fast, gap / abs(values["published"]["loss"])


def main() -> None:
    """The embedded dataset's step, and the paper's crop at its two rates."""
    given = options(__doc__, runs=7).parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    for crop, classes, batch, rate in ((96, 6, 8, 0.5), (448, 20, 2, 0.5), (448, 20, 2, 0.3)):
        slow, fast, gap = case(crop, classes, batch, rate, given.runs)
        whole = int(rate * crop) % 8 == 0
        must(gap <= (1e-5 if whole else 1e-3), f"the loss at crop {crop}, rate {rate}: {gap}")
        row(
            f"SER training step, toy width, crop {crop}, rate {rate}",
            "both views' maps up-sampled to the crop before pooling and comparing",
            ">= 1.2 x images/s",
            f"{slow / fast:.2f} x ({batch / slow:.1f} to {batch / fast:.1f} images/s): "
            + verdict(slow / fast >= 1.2),
            f"published loss to {gap:.0e}"
            + ("" if whole else f" ({int(rate * crop)} pixels are no whole number of cells)"),
        )


if __name__ == "__main__":
    main()
