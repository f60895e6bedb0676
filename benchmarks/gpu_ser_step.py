"""A CAM training step of full-size ResNet-38 on a GPU: bf16 and channels last, against float32.

The paper's settings with a batch of 16 crops of 448 pixels. Operations are counted by PyTorch's
counter on the same step, two a multiplication and addition; the share is of what the card reaches
with a large dense bf16 product in the same run. Loss curves are those of the same steps from the
same weights in both precisions.

    python benchmarks/gpu_ser_step.py [--runs 5] [--small] [--images FOLDER]
"""

import copy
import math
import tempfile
from pathlib import Path
from typing import Any

import torch
from cards import (
    Card,
    card_options,
    rate_of_products,
    said,
    sound_network,
    training_data,
    whole_float32,
)
from compare import must, row, verdict
from lightning_fabric import Fabric
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ssenet_core.cam.training import cam_loss
from ssenet_core.models.device import placed
from ssenet_core.training.batches import StepBatches, loader
from ssenet_core.training.optimizer import build_optimizer, poly_rate, set_rate

STAGE = "SER training step, GPU, full-size ResNet-38, batch 16"
PLAIN, BOUND = (
    "the same in float32, without TF32",
    ">= 3 x images/s, >= 40 % of the card's dense bf16 rate",
)
BATCHES = 8  # that the loss curves go round
STEPS_A_TIMING = 5
OVERLAY = 0.05  # of the loss, between running means over ten steps

Batch = dict[str, Any]


class Trained:
    """A network in training; `step` is one step on a batch, and returns the loss."""

    def __init__(self, network: nn.Module, card: Card, precision: str, *, last: bool) -> None:
        fabric = Fabric(accelerator=card.device.type, devices=1, precision=precision)  # type: ignore[arg-type]
        own = copy.deepcopy(network).train()
        self.settings = card.settings()
        optimizer = build_optimizer(own, own.head(), self.settings.optimizer)  # type: ignore[operator]
        own = placed(own, card.device) if last else own.to(card.device)
        self.network, self.optimizer = fabric.setup(own, optimizer)
        self.backward = fabric.backward
        self.loss = cam_loss(self.settings)

    def step(self, batch: Batch) -> torch.Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.network, batch)["loss"]
        if not math.isfinite(float(loss)):  # a training waits for the card here too
            raise RuntimeError("the loss is not finite")
        self.backward(loss)
        self.optimizer.step()
        return loss.detach()


def curve(trained: Trained, batches: list[Batch], steps: int) -> torch.Tensor:
    """Losses of `steps` steps with the paper's falling learning rate, running means over ten."""
    settings = trained.settings.optimizer
    losses = []
    for step in range(steps):
        torch.manual_seed(step)  # of dropout, the same in both precisions
        set_rate(trained.optimizer, poly_rate(step, steps, settings.lr, settings.power))
        losses.append(trained.step(batches[step % len(batches)]))
    values = torch.stack(losses).float().cpu()
    return values.unfold(0, min(10, steps), 1).mean(dim=1)


def main() -> None:
    """Images a second, the share of the card, and both loss curves."""
    card, given = card_options(__doc__, STAGE, PLAIN, BOUND, runs=5)
    size, steps = (2, 4) if card.small else (16, 100)
    with tempfile.TemporaryDirectory() as temporary:
        data = training_data(Path(temporary), 2 * size, card, given.images)
        order = StepBatches(len(data), size, first=0, steps=BATCHES, seed=0)
        batches: list[Batch] = [
            {"image": batch["image"].to(card.device), "tags": batch["tags"].to(card.device)}
            for batch in loader(data, order, workers=0)
        ]
    network = sound_network(card, batches[0]["image"])

    def made(precision: str, *, last: bool = True) -> Trained:
        return Trained(network, card, precision, last=last)

    with whole_float32():
        exact = curve(made("32-true", last=False), batches, steps)
    half = curve(made("bf16-mixed"), batches, steps)
    apart = float(((half - exact).abs() / exact.abs()).max())
    print(
        f"loss over {steps} steps: float32 {exact[0]:.3f} to {exact[-1]:.3f}, "
        f"bf16 {half[0]:.3f} to {half[-1]:.3f}; running means differ by {apart:.1%} at the most"
    )

    def in_float32(trained: Trained) -> None:
        with whole_float32():
            trained.step(batches[0])

    slow, rounded = made("32-true", last=False), made("32-true", last=False)
    first, fast = made("bf16-mixed", last=False), made("bf16-mixed")
    with FlopCounterMode(display=False) as counter:
        fast.step(batches[0])
    operations = counter.get_total_flops() / 1e12
    seconds = card.medians(
        {
            "float32": lambda: in_float32(slow),
            "float32, TF32": lambda: rounded.step(batches[0]),
            "bf16": lambda: first.step(batches[0]),
            "ours": lambda: fast.step(batches[0]),
        },
        runs=given.runs,
        times=1 if card.small else STEPS_A_TIMING,
    )
    dense = rate_of_products(card)
    for name, found in seconds.items():
        print(
            f"{name}: {1e3 * found:.0f} ms a step, {size / found:.1f} images/s, "
            f"{operations / found:.1f} TFLOP/s"
        )
    print(f"{operations:.2f} x 10^12 operations a step; dense bf16 product {dense:.1f} TFLOP/s")
    ratio = seconds["float32"] / seconds["ours"]
    share = operations / seconds["ours"] / dense
    row(
        STAGE,
        PLAIN,
        BOUND,
        said(
            card,
            f"{ratio:.1f} x ({size / seconds['float32']:.1f} to {size / seconds['ours']:.1f} "
            f"images/s): {verdict(ratio >= 3)}; {seconds['float32, TF32'] / seconds['ours']:.1f} x "
            f"float32 with TF32; {share:.0%} of the card's {dense:.0f} TFLOP/s: "
            f"{verdict(share >= 0.4)}",
        ),
        f"loss curves over {steps} steps within {apart:.1%}",
    )
    must(apart <= OVERLAY or card.small, f"loss curves {apart:.1%} apart")


if __name__ == "__main__":
    main()
