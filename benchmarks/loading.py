"""Training images a second: decoding, resizing, jitter and crop, in this process and in workers.

The paper's augmentation of photographs of 500 x 375 pixels: longest edge to 448-768, colour jitter,
flip, a crop of 448. Without workers it is one process that also trains; with them it goes on beside
the training.

    python benchmarks/loading.py [--runs 3] [--batches 30] [--images FOLDER]
"""

import os
import tempfile
import time
from pathlib import Path

import settings
import torch
from compare import must, options, row
from inputs import write_photographs, write_split

from ssenet_core.cam.training import TaggedViews
from ssenet_core.data.manifest import Manifest, load_manifest
from ssenet_core.training.batches import StepBatches, loader

PHOTOGRAPHS = 32  # on disk; they come again each epoch
WARM_UP = 2  # batches, while the workers start


def rate(manifest: Manifest, workers: int, steps: int) -> tuple[float, float]:
    """Images a second with some workers, and a checksum of what was loaded."""
    chosen = settings.paper("cam", "ssenet")
    batches = StepBatches(
        len(manifest.images),
        chosen.batch_size,
        first=0,
        steps=steps + WARM_UP,
        seed=0,
    )
    total, started = 0.0, 0.0
    for step, batch in enumerate(loader(TaggedViews(manifest, chosen), batches, workers)):
        total += float(batch["image"].double().sum())
        if step == WARM_UP - 1:
            started = time.perf_counter()
    return steps * chosen.batch_size / (time.perf_counter() - started), total


def main() -> None:
    """The median rate without workers, with one and with two, in turns."""
    parser = options(__doc__, runs=3)
    parser.add_argument("--batches", type=int, default=30, help="batches of a timing")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rates: dict[int, list[float]] = {0: [], 1: [], 2: []}
    sums = set()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        write_split(
            root / "manifest.json", write_photographs(root, PHOTOGRAPHS, folder=given.images)
        )
        manifest = load_manifest(root / "manifest.json")
        for _ in range(given.runs):
            for workers, found in rates.items():
                images, total = rate(manifest, workers, steps=given.batches)
                found.append(images)
                sums.add(total)
    must(len(sums) == 1, "batches with and without workers")
    plain, one, two = (sorted(found)[len(found) // 2] for found in rates.values())
    print(f"images/s in each run: {rates}")
    row(
        "loading training images, 500 x 375 to crops of 448",
        "decode, resize and jitter in one process",
        "measured",
        f"{plain:.0f} images/s in one process, {one:.0f} from 1 worker, {two:.0f} from 2 (load "
        f"{os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores)",
        "batches bitwise",
    )


if __name__ == "__main__":
    main()
