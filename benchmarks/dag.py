"""Time and memory of Snakemake's own work on a dataset of VOC 2012's size: 13,487 images.

Makes a stand-in of the dataset in a temporary folder (empty images and list files), then measures
`snakemake --dry-run` of the default target from nothing; then lets `snakemake --touch` believe in
empty files for every output, and measures the no-op.

    python benchmarks/dag.py [--shards 144] [--keep FOLDER]
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[1]
SPLITS = {"train": 10582, "pseudo_eval": 1464, "val": 1449, "test": 1456}


def main() -> None:
    """Make the stand-in, measure, print a table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--shards", type=int, default=144)
    options.add_argument("--keep", type=Path, help="folder to work in and to leave behind")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        make_stand_in(folder, given.shards)
        images = sum(SPLITS[split] for split in ("train", "val", "test"))
        print(f"{images} images, {given.shards} shards, {os.cpu_count()} cores")
        measure("dry run from nothing", folder, "--dry-run", "--quiet", "all")
        make_outputs(folder)
        measure("nothing to be done", folder, "--dry-run", "--quiet", "all", nothing=True)


def make_stand_in(folder: Path, shards: int) -> None:
    """A VOC layout with empty images, and a configuration for it."""
    voc = folder / "voc"
    lists = voc / "ImageSets" / "Segmentation"
    for path in (lists, voc / "JPEGImages", voc / "SegmentationClass"):
        path.mkdir(parents=True, exist_ok=True)
    first = 0
    for split, count in SPLITS.items():
        start = 0 if split == "pseudo_eval" else first
        ids = [f"{2007 + number % 6}_{number:06d}" for number in range(start, start + count)]
        (lists / f"{split}.txt").write_text("".join(f"{name}\n" for name in ids))
        for name in ids:
            (voc / "JPEGImages" / f"{name}.jpg").touch()
        first = max(first, start + count)
    dataset = {
        "name": "standin",
        "source": "voc",
        "root": str(voc),
        "tags": ["xml"],
        "lists": {split: split for split in SPLITS},
    }
    settings = {"dataset": dataset, "compute": {"shards": shards}}
    (folder / "standin.yaml").write_text(yaml.safe_dump(settings))


def make_outputs(folder: Path) -> None:
    """Let every output exist, empty, with the metadata of a finished run."""
    summary = snakemake(folder, "--summary").stdout
    for line in summary.splitlines():
        name = line.split("\t")[0]
        if name.startswith("results/"):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    snakemake(folder, "--touch", "--quiet", "all")


def measure(what: str, folder: Path, *arguments: str, nothing: bool = False) -> None:
    """Print the time and the largest memory of one call of Snakemake."""
    start = time.perf_counter()
    run = snakemake(folder, *arguments)
    seconds = time.perf_counter() - start
    if nothing and re.search(r"^total", run.stdout, re.M):
        sys.exit(f"expected nothing to be done:\n{run.stdout[:2000]}")
    # The largest of all children so far: good enough, as the later calls are the larger ones.
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{what}: {seconds:.1f} s, {memory:.0f} MiB", flush=True)


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in `folder` on this repository's workflow."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
    settings = ["--directory", str(folder), "--configfile", "standin.yaml", "--cores", "1"]
    run = subprocess.run(
        [*command, *settings, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if run.returncode:
        sys.exit(run.stderr[-4000:] + run.stdout[-4000:])
    return run


if __name__ == "__main__":
    main()
