"""A CAM training step of full-size ResNet-38 on a GPU: bf16 and channels last, against float32.

The paper's settings at rate 0.5 with batches of 16 and 8 crops of 448 pixels. Operations are
counted by PyTorch's counter on the same step, two a multiplication and addition; the share is of
what the card reaches with a large dense bf16 product in the same run. Loss curves are those of the
same steps from the same weights in bf16 and in float32 with TF32, with batches of 8.
"""

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from cards import (
    ENOUGH,
    NO_TIME,
    Batch,
    Card,
    Trained,
    apart,
    list_kernels,
    loaded,
    on,
    running_means,
    said,
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
CURVE = 100  # steps
OVERLAY = 0.05  # of the loss, between running means over ten steps

# Precision, whether the channels are last, and what else is set.
WAYS: dict[str, tuple[str, bool, Callable[[], AbstractContextManager[None]]]] = {
    "bf16": ("bf16-mixed", True, nullcontext),
    "TF32": ("32-true", True, nullcontext),
    "float32": ("32-true", False, whole_float32),
}


def trainer(network: nn.Module, card: Card) -> Callable[..., Trained]:
    """What makes a network that trains, from precision and further options of `Trained`."""
    settings = card.settings("cam", VARIANT)
    loss = cam_loss(settings)
    return lambda precision, **how: Trained(network, card, settings, loss, precision, **how)


def problem(card: Card, size: int) -> tuple[nn.Module, list[Batch]]:
    """A network with random weights, and batches on the card."""
    with tempfile.TemporaryDirectory() as temporary:
        data = training_data(Path(temporary), 4 * size, card)
        batches = [on(card, batch) for batch in loaded(data, size, BATCHES, card)]
    return sound_network(card, batches[0]["image"][:8], "cam", VARIANT), batches


def measure(card: Card) -> None:
    """Images a second, the share of the card, and both loss curves."""
    sizes = (4, 2) if card.small else SIZES
    network, batches = problem(card, sizes[0])
    made = trainer(network, card)
    few = [{name: value[: sizes[1]] for name, value in batch.items()} for batch in batches]
    operations = made("bf16-mixed").operations(few[0]) / sizes[1]
    print(f"{operations:.3f} x 10^12 operations an image", flush=True)
    seconds: dict[tuple[str, int], float] = {}

    def step(way: str, size: int) -> None:
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
            f"{rate:.1f} TFLOP/s, {rate / card.dense:.0%} of the dense rate, {card.peak():.1f} GiB",
            flush=True,
        )
        if way == "bf16" and rate < ENOUGH * card.dense:
            list_kernels(card, f"SER step in bf16, batch {size}", lambda: trained.step(batch))

    steps = 4 if card.small else CURVE

    def curves() -> str:
        half, _ = made("bf16-mixed").curve(few, steps)
        card.tidy()
        exact, _ = made("32-true").curve(few, steps)
        ends = [f"{running_means(losses)[[0, -1]].tolist()}" for losses in (half, exact)]
        print(f"running means of the losses, first and last: bf16 {ends[0]}, TF32 {ends[1]}")
        found = apart(half, exact)
        for name, losses in (("bf16", half), ("TF32", exact)):
            print(f"losses in {name}:", " ".join(f"{loss:.4f}" for loss in losses), flush=True)
        common = min(len(half), len(exact))
        words = f"within {found:.1%} over {common} of {steps} steps (< 5%): "
        return words + (verdict(found <= OVERLAY) if common == steps else NO_TIME)

    for size in sizes:
        for way in WAYS:
            card.tried(
                f"batch {size}, {way}",
                lambda way=way, size=size: step(way, size),
            )
    curve = card.tried("loss curves", curves) or card.missing("loss curves")
    for size in sizes:
        row(
            f"{STAGE}, batch {size}",
            PLAIN,
            BOUND,
            said(card, _speed(card, seconds, size, operations)),
            f"loss curves of bf16 and TF32 {curve}",
        )


def _speed(card: Card, seconds: dict[tuple[str, int], float], size: int, operations: float) -> str:
    """A row's words on the speed in bf16, as far as it was measured."""
    fast, slow = (seconds.get((way, size)) for way in ("bf16", "float32"))
    if fast is None:
        return card.missing(f"batch {size}, bf16")
    if slow is None:
        missing = card.missing(f"batch {size}, float32")
        ratio = f"{size / fast:.1f} images/s; float32 {missing}"
    else:
        ratio = (
            f"{slow / fast:.1f} x ({size / slow:.1f} to {size / fast:.1f} images/s): "
            + verdict(slow / fast >= 3)
        )
    share = operations * size / fast / card.dense
    return f"{ratio}; {share:.0%} of the card's {card.dense:.0f} TFLOP/s: " + verdict(
        share >= ENOUGH
    )
