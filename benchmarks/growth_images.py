"""How time and memory of each stage grow with the number of images: the workflow at two sizes.

The workflow runs from the synthetic dataset to the report, with as many images to train on as to
validate, one epoch a training (DeepLab: as many iterations) and a shard a hundred images. A stage's
time is that of all its jobs, one beside another on two cores; its memory is the largest job's, left
out where the jobs ended before Snakemake looked. Times are extrapolated along the straight line
through the two sizes. Memory is not: a shard stays a hundred images, a batch what it is.

    python benchmarks/growth_images.py [--images 100 1000] [--extrapolate 10000]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from compare import machine, table

from ssenet_core.report.page import stage_costs

REPOSITORY = Path(__file__).parents[1]
IMAGES_A_SHARD = 100
WHOLE = "everything, as a clock saw it"

Stages = dict[str, tuple[float, float]]


def overlay(images: int) -> dict[str, object]:
    """The synthetic dataset at a size, and one epoch a training."""
    epoch = {"epochs": 1}
    return {
        "dataset": {"name": "growth", "shapes": {"train": images, "val": images}},
        "run": {"cams": ["ssenet"]},
        "cam": {"defaults": epoch, "variants": {"pretrained": epoch}},
        "affinity": {"defaults": epoch},
        "deeplab": {"defaults": {"iterations": images // 4}},
        "compute": {"shards": max(1, images // IMAGES_A_SHARD)},
    }


def measure(images: int) -> Stages:
    """Seconds of all jobs, and MiB of the largest, of each stage."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "growth.yaml").write_text(yaml.safe_dump(overlay(images)))
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
        where = ["--directory", str(folder), "--cores", str(len(os.sched_getaffinity(0)))]
        started = time.perf_counter()
        run = subprocess.run(
            [*command, *where, "--quiet", "all", "--configfile", str(folder / "growth.yaml")],
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - started
        if run.returncode:
            sys.exit(run.stderr[-4000:])
        return stages(folder / "results" / "growth" / "benchmarks") | {WHOLE: (seconds, 0.0)}


def stages(benchmarks: Path) -> Stages:
    """What Snakemake measured of each rule's jobs; 0 where it saw no memory."""
    files = {str(path.relative_to(benchmarks)): path for path in sorted(benchmarks.rglob("*.tsv"))}
    return {cost.stage: (cost.seconds, cost.peak_mib or 0.0) for cost in stage_costs(files)}


def cell(seconds: float, memory: float) -> str:
    return f"{seconds:.3g} s" + (f", {memory:.0f} MiB" if memory else "")


def main() -> None:
    """Print a table of stages by number of images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs=2, default=[100, 1000])
    parser.add_argument("--extrapolate", type=int, default=10_000)
    given = parser.parse_args()
    print(machine(), flush=True)
    few, many = (measure(images) for images in given.images)
    share = (given.extrapolate - given.images[0]) / (given.images[1] - given.images[0])
    rows = []
    for stage, least in few.items():
        seconds = least[0] + share * (many[stage][0] - least[0])
        rows.append([stage, cell(*least), cell(*many[stage]), f"≈ {cell(seconds, 0)}"])
    print(
        "Time of all jobs and memory of the largest; trainings of one epoch; ≈ marks what is "
        "extrapolated.\n"
    )
    sizes = [f"{images} images" for images in (*given.images, given.extrapolate)]
    print(table(["stage", *sizes], rows))


if __name__ == "__main__":
    main()
