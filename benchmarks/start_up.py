"""From the start of a training job's process to its first batch: imports, network, data.

The paper's network at full width and a manifest of 10,582 images (a few photographs on disk, named
again and again). A run before the timed ones leaves the libraries' bytecode, as any first job does.

    python benchmarks/start_up.py [--runs 5] [--images FOLDER]
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compare import must, options, row, verdict
from inputs import write_photographs, write_split

IMAGES = 10_582
BOUND = 15.0  # seconds


def first_batch(manifest: Path) -> None:
    """What a training job does before its first step."""
    import settings

    from ssenet_core.cam.training import TaggedViews
    from ssenet_core.data.manifest import load_manifest
    from ssenet_core.models.networks import build_network
    from ssenet_core.training.batches import StepBatches, loader
    from ssenet_core.training.optimizer import build_optimizer

    chosen = settings.paper("cam", "ssenet")
    images = load_manifest(manifest)
    network = build_network(chosen, images.classes)
    build_optimizer(network, network.head(), chosen.optimizer)
    batches = StepBatches(len(images.images), chosen.batch_size, first=0, steps=1, seed=0)
    batch = next(iter(loader(TaggedViews(images, chosen), batches, workers=1)))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    print(f"{parameters} parameters, batch {tuple(batch['image'].shape)}")


def main() -> None:
    """Start a fresh process each time."""
    if sys.argv[1:2] == ["--first-batch"]:
        first_batch(Path(sys.argv[2]))
        return
    given = options(__doc__).parse_args()
    times, said = [], set()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        few = write_photographs(root, 16, folder=given.images)
        many = [
            few[i % len(few)].model_copy(update={"id": f"image_{i:06d}"}) for i in range(IMAGES)
        ]
        write_split(root / "manifest.json", many)
        command = [sys.executable, __file__, "--first-batch", str(root / "manifest.json")]
        environment = {**os.environ, "OMP_NUM_THREADS": "2"}
        environment["PYTHONPYCACHEPREFIX"] = str(root / "bytecode")
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for _ in range(given.runs + 1):
            started = time.perf_counter()
            run = subprocess.run(
                command, check=True, capture_output=True, text=True, env=environment
            )
            times.append(time.perf_counter() - started)
            said.add(run.stdout.strip())
    must(len(said) == 1 and "(8, 3, 448, 448)" in said.copy().pop(), f"first batches: {said}")
    print(f"{said.pop()}; seconds in each run: {[round(seconds, 1) for seconds in times]}")
    median = statistics.median(times[1:])
    row(
        "a training job's start-up, ResNet-38, 10,582 images",
        "",
        "< 15 s on 2 cores",
        f"{median:.1f} s to the first batch: {verdict(median < BOUND)}",
        "",
    )


if __name__ == "__main__":
    main()
