"""Whether processes that load photographs keep a GPU busy in the paper's CAM training.

Steps of the CAM training in bf16 with batches from the loader, as a training has them, against the
same steps with batches that lie on the GPU already: it is busy for their share of the others' time.
The first steps, for which the workers may have had batches ready, do not count.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

from cards import Card, Trained, said, sound_network, training_data
from compare import row, verdict

from ssenet_core.cam.training import cam_loss
from ssenet_core.training.batches import StepBatches, loader

STAGE = "data loading beside a GPU, batch 8, crops of 448"
PLAIN, BOUND = "batches that lie on the GPU", "the GPU >= 95 % busy at 16 workers"
PHOTOGRAPHS, STEPS = 128, 60
WORKERS = (16, 8, 4)
READY = 2  # batches that a worker has ready


def measure(card: Card) -> None:
    """The share for each number of workers."""
    settings = card.settings()
    size = settings.batch_size
    numbers, steps = ((1,), 2) if card.small else (WORKERS, STEPS)
    with tempfile.TemporaryDirectory() as temporary:
        data = training_data(Path(temporary), 8 if card.small else PHOTOGRAPHS, card)

        def batches(count: int, workers: int) -> Any:
            return loader(data, StepBatches(len(data), size, first=0, steps=count, seed=0), workers)

        first = next(iter(batches(1, 0)))
        resident = {name: first[name].to(card.device) for name in ("image", "tags")}
        network = sound_network(card, resident["image"])
        trained = Trained(network, card, settings, cam_loss(settings), "bf16-mixed")
        resting = card.median(lambda: trained.step(resident))
        print(f"a step alone: {1e3 * resting:.1f} ms, {size / resting:.1f} images/s", flush=True)

        def busy(workers: int) -> float:
            warm_up = 1 if card.small else READY * workers
            waited = started = 0.0
            before = time.perf_counter()
            for step, batch in enumerate(batches(steps + warm_up, workers)):
                if step == warm_up:
                    card.wait()
                    waited, started = 0.0, time.perf_counter()
                else:
                    waited += time.perf_counter() - before
                trained.step(
                    {name: batch[name].to(card.device, non_blocking=True) for name in resident}
                )
                before = time.perf_counter()
            card.wait()
            taken = (time.perf_counter() - started) / steps
            share = min(1.0, resting / taken)
            print(
                f"{workers} workers: {1e3 * taken:.1f} ms a step ({1e3 * waited / steps:.1f} ms "
                f"waiting for a batch), {size / taken:.1f} images/s, {share:.1%} busy",
                flush=True,
            )
            return share

        shares = {n: card.tried(f"{n} workers", lambda n=n: busy(n)) for n in numbers}
    words = [
        f"{n} workers {card.missing(f'{n} workers')}"
        if share is None
        else f"{share:.1%} busy with {n} workers"
        + f": {verdict(share >= 0.95)}" * (n == max(numbers))
        for n, share in shares.items()
    ]
    alone = f"{size / resting:.1f} images/s without loading"
    row(STAGE, PLAIN, BOUND, said(card, "; ".join([*words, alone])), "the same step")
