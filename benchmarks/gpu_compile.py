"""The CAM training step on a GPU in bf16, with torch.compile and without: time and memory.

Each of a step's two sizes of crops is compiled on its own; how long that takes is printed besides.
"""

import time

import torch
from cards import Card, said
from compare import row
from gpu_ser_step import problem, trainer

STAGE = "SER training step, GPU, bf16, batch 8, rate 0.5: torch.compile"
PLAIN, BOUND = "without torch.compile", "measured"
SIZE = 8


def measure(card: Card) -> None:
    """Both ways on the same batch."""
    size = 2 if card.small else SIZE
    network, batches = problem(card, size)
    made = trainer(network, card)
    operations = made("bf16-mixed").operations(batches[0])
    compiler = "eager" if card.small else "inductor"

    def step(backend: str | None) -> tuple[float, float]:
        """Seconds of a step, and of the first one."""
        name = backend or "as it is"
        card.tidy()
        trained = made("bf16-mixed", compiler=backend)
        started = time.perf_counter()
        torch.manual_seed(0)  # of dropout
        loss = float(trained.step(batches[0]))
        first = time.perf_counter() - started
        found = card.median(lambda: trained.step(batches[0]))
        rate = operations / found
        print(
            f"{name}: first step after {first:.1f} s, loss {loss:.5f}; {1e3 * found:.0f} ms a "
            f"step, {size / found:.1f} images/s, {rate / card.dense:.0%} of the dense rate, "
            f"{card.peak():.1f} GiB",
            flush=True,
        )
        return found, first

    plain = card.tried("as it is", lambda: step(None))
    compiled = card.tried("compiled", lambda: step(compiler))
    if plain is None:
        measured = card.missing("as it is")
    elif compiled is None:
        measured = card.missing("compiled")
    else:
        measured = (
            f"{plain[0] / compiled[0]:.2f} x ({size / plain[0]:.1f} to {size / compiled[0]:.1f} "
            f"images/s), {operations / compiled[0] / card.dense:.0%} of the card's "
            f"{card.dense:.0f} TFLOP/s; first step after {compiled[1]:.0f} s"
        )
    row(STAGE, PLAIN, BOUND, said(card, measured), "")
