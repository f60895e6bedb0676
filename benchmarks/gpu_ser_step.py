"""A CAM training step of full-size ResNet-38 on a GPU: bf16 and channels last, against float32.

The paper's settings at rate 0.5 with batches of 16 and 8 crops of 448 pixels. Operations are
counted by PyTorch's counter on the same step, two a multiplication and addition; the share is of
what the card reaches with a large dense bf16 product in the same run. Loss curves are those of the
same steps from the same weights in bf16 and in float32 with TF32, with batches of 8.

    python benchmarks/gpu_ser_step.py [--small] [--images FOLDER]
"""

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from cards import (
    ENOUGH,
    Batch,
    Card,
    Trained,
    apart,
    card_options,
    list_kernels,
    loaded,
    on,
    rate_of_products,
    running_means,
    said,
    searched_convolutions,
    sound_network,
    training_data,
    whole_float32,
)
from compare import row, verdict
from torch import nn

from ssenet_core.cam.training import cam_loss

STAGE = "SER training step, GPU, full-size ResNet-38, rate 0.5"
PLAIN, BOUND = (
    "the same in float32, without TF32",
    ">= 3 x images/s, >= 40 % of the card's dense bf16 rate",
)
VARIANT = "ssenet-0.5"
SIZES = (16, 8)
BATCHES = 8  # that the loss curves go round
OVERLAY = 0.05  # of the loss, between running means over ten steps

# Precision, whether the channels are last, and what else is set.
WAYS: dict[str, tuple[str, bool, Callable[[], AbstractContextManager[None]]]] = {
    "bf16": ("bf16-mixed", True, nullcontext),
    "float32": ("32-true", False, whole_float32),
    "TF32": ("32-true", True, nullcontext),
    "bf16, cudnn.benchmark": ("bf16-mixed", True, searched_convolutions),
    "bf16, channels first": ("bf16-mixed", False, nullcontext),
}


def trainer(network: nn.Module, card: Card) -> Callable[..., Trained]:
    """What makes a network that trains, from precision and further options of `Trained`."""
    settings = card.settings("cam", VARIANT)
    loss = cam_loss(settings)
    return lambda precision, **how: Trained(network, card, settings, loss, precision, **how)


def problem(card: Card, folder: Path | None, size: int) -> tuple[nn.Module, list[Batch]]:
    """A network with random weights, and batches on the card."""
    with tempfile.TemporaryDirectory() as temporary:
        data = training_data(Path(temporary), 4 * size, card, folder)
        batches = [on(card, batch) for batch in loaded(data, size, BATCHES, card)]
    return sound_network(card, batches[0]["image"][:8], "cam", VARIANT), batches


def main() -> None:
    """Images a second, the share of the card, and both loss curves."""
    card, given = card_options(__doc__, STAGE, PLAIN, BOUND)
    sizes = (4, 2) if card.small else SIZES
    network, batches = problem(card, given.images, sizes[0])
    dense = rate_of_products(card)
    made = trainer(network, card)
    few = [{name: value[: sizes[1]] for name, value in batch.items()} for batch in batches]
    operations = made("bf16-mixed").operations(few[0]) / sizes[1]
    print(f"{operations:.3f} x 10^12 operations an image", flush=True)
    seconds: dict[tuple[str, int], float] = {}

    def measure(way: str, size: int) -> None:
        precision, last, how = WAYS[way]
        card.tidy()
        batch = {name: value[:size] for name, value in batches[0].items()}
        with how():
            trained = made(precision, last=last)
            found = card.median(lambda: trained.step(batch))
        seconds[way, size] = found
        rate = operations * size / found
        print(
            f"batch {size}, {way}: {1e3 * found:.0f} ms a step, {size / found:.1f} images/s, "
            f"{rate:.1f} TFLOP/s, {rate / dense:.0%} of the dense rate, {card.peak():.1f} GiB",
            flush=True,
        )
        if way == "bf16" and rate < ENOUGH * dense:
            list_kernels(card, f"SER step in bf16, batch {size}", lambda: trained.step(batch))

    def curves() -> float:
        steps = 4 if card.small else 100
        half, _ = made("bf16-mixed").curve(few, steps)
        card.tidy()
        exact, _ = made("32-true").curve(few, steps)
        ends = [f"{running_means(losses)[[0, -1]].tolist()}" for losses in (half, exact)]
        print(f"running means of the losses, first and last: bf16 {ends[0]}, TF32 {ends[1]}")
        found = apart(half, exact)
        print(f"they differ by {found:.2%} at the most over {min(len(half), len(exact))} steps")
        for name, losses in (("bf16", half), ("TF32", exact)):
            print(f"losses in {name}:", " ".join(f"{loss:.4f}" for loss in losses), flush=True)
        return found

    for way in WAYS:
        card.tried(f"batch {sizes[0]}, {way}", lambda way=way: measure(way, sizes[0]))
    distance = card.tried("loss curves", curves)
    for way in WAYS:
        card.tried(f"batch {sizes[1]}, {way}", lambda way=way: measure(way, sizes[1]))
    for size in sizes:
        if {("bf16", size), ("float32", size)} <= seconds.keys():
            slow, fast = seconds["float32", size], seconds["bf16", size]
            share = operations * size / fast / dense
            measured = (
                f"{slow / fast:.1f} x ({size / slow:.1f} to {size / fast:.1f} images/s): "
                f"{verdict(slow / fast >= 3)}; {share:.0%} of the card's {dense:.0f} TFLOP/s: "
                f"{verdict(share >= ENOUGH)}"
            )
        else:
            measured = "**failed**"
        row(
            f"{STAGE}, batch {size}",
            PLAIN,
            BOUND,
            said(card, measured),
            "no loss curves"
            if distance is None
            else f"loss curves of bf16 and TF32 within {distance:.1%} (< 5%): "
            + verdict(distance <= OVERLAY),
        )


if __name__ == "__main__":
    main()
