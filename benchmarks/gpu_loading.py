"""Whether 16 processes that load photographs keep a GPU busy in the paper's CAM training.

Steps of the CAM training in bf16 with batches from the loader, as a training has them, against the
same steps with batches that lie on the GPU already: it is busy for their share of the others' time.
The steps are ten times more than what the workers may have ready when they begin.

    python benchmarks/gpu_loading.py [--runs 3] [--workers 16] [--small] [--images FOLDER]
"""

import tempfile
import time
from pathlib import Path
from typing import Any

from cards import card_options, said, sound_network, training_data
from compare import row, verdict
from gpu_ser_step import Trained

from ssenet_core.training.batches import StepBatches, loader

STAGE = "data loading beside a GPU, batch 8, crops of 448"
PLAIN, BOUND = "batches that lie on the GPU", "the GPU >= 95 % busy at 16 workers"
PHOTOGRAPHS = 256
WARM_UP = 8  # steps, while the workers start


def main() -> None:
    """The medians of both, in turns."""
    card, given = card_options(__doc__, STAGE, PLAIN, BOUND, runs=3, workers=16, steps=400)
    size = card.settings().batch_size
    with tempfile.TemporaryDirectory() as temporary:
        data = training_data(
            Path(temporary), PHOTOGRAPHS if not card.small else 8, card, given.images
        )

        def batches(steps: int) -> Any:
            order = StepBatches(len(data), size, first=0, steps=steps, seed=0)
            return loader(data, order, given.workers)

        first = next(iter(batches(1)))
        resident = {name: first[name].to(card.device) for name in ("image", "tags")}
        trained = Trained(sound_network(card, resident["image"]), card, "bf16-mixed", last=True)
        card.seconds(lambda: trained.step(resident), WARM_UP)
        alone, loaded, waits = [], [], []
        for _ in range(given.runs):
            alone.append(card.seconds(lambda: trained.step(resident), given.steps))
            waited = started = 0.0
            before = time.perf_counter()
            for step, batch in enumerate(batches(given.steps + WARM_UP)):
                if step == WARM_UP:
                    card.wait()
                    waited, started = 0.0, time.perf_counter()
                else:
                    waited += time.perf_counter() - before
                trained.step(
                    {name: batch[name].to(card.device, non_blocking=True) for name in resident}
                )
                before = time.perf_counter()
            card.wait()
            loaded.append((time.perf_counter() - started) / given.steps)
            waits.append(waited / given.steps)
    resting, busy, waiting = (sorted(found)[given.runs // 2] for found in (alone, loaded, waits))
    share = min(1.0, resting / busy)
    print(
        f"a step: {1e3 * resting:.1f} ms alone, {1e3 * busy:.1f} ms with its loading "
        f"({1e3 * waiting:.1f} ms waiting for a batch); {size / busy:.1f} images/s"
    )
    row(
        STAGE,
        PLAIN,
        BOUND,
        said(card, f"{share:.1%} busy with {given.workers} workers: {verdict(share >= 0.95)}"),
        "the same step",
    )


if __name__ == "__main__":
    main()
