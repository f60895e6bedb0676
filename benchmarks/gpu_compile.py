"""The CAM training step on a GPU in bf16, with torch.compile and without: time and memory.

Each of a step's two sizes of crops is compiled on its own; how long that takes is printed besides.

    python benchmarks/gpu_compile.py [--small] [--images FOLDER]
"""

import time

import torch
from cards import card_options, rate_of_products, said
from compare import row
from gpu_ser_step import problem, trainer

STAGE = "SER training step, GPU, bf16, batch 8, rate 0.5: torch.compile"
PLAIN, BOUND = "without torch.compile", "measured"


def main() -> None:
    """Both ways on the same batch."""
    card, given = card_options(__doc__, STAGE, PLAIN, BOUND)
    size = 2 if card.small else 8
    network, batches = problem(card, given.images, size)
    dense = rate_of_products(card)
    made = trainer(network, card)
    operations = made("bf16-mixed").operations(batches[0])
    found = []
    for compiler in (None, "eager" if card.small else "inductor"):
        card.tidy()
        trained = made("bf16-mixed", compiler=compiler)
        started = time.perf_counter()
        for name in ("first", "second"):
            torch.manual_seed(0)  # of dropout
            loss = float(trained.step(batches[0]))
            print(
                f"{compiler or 'as it is'}: {name} step after {time.perf_counter() - started:.1f} "
                f"s, loss {loss:.5f}",
                flush=True,
            )
        found.append(card.median(lambda trained=trained: trained.step(batches[0])))
        rate = operations / found[-1]
        print(
            f"{compiler or 'as it is'}: {1e3 * found[-1]:.0f} ms a step, "
            f"{size / found[-1]:.1f} images/s, {rate / dense:.0%} of the dense rate, "
            f"{card.peak():.1f} GiB",
            flush=True,
        )
        del trained
    plain, compiled = found
    row(
        STAGE,
        PLAIN,
        BOUND,
        said(
            card,
            f"{plain / compiled:.2f} x ({size / plain:.1f} to {size / compiled:.1f} images/s)",
        ),
        "",
    )


if __name__ == "__main__":
    main()
