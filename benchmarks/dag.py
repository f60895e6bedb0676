"""Time and memory of Snakemake's own work on a dataset of VOC 2012's size: 13,487 images.

Makes a stand-in of the dataset in a temporary folder (empty images and list files), then measures
`snakemake --dry-run` of the default target from nothing; then lets `snakemake --touch` believe in
empty files for every output, and measures the no-op. The plain alternative, one job an image, was
measured once with a workflow of four stages: 128 s and 800 MB.

    python benchmarks/dag.py [--shards 144] [--keep FOLDER]
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from compare import row, verdict

REPOSITORY = Path(__file__).parents[1]
PEAK = "highest use of memory, KiB:"
# Snakemake in a process that says its own peak: that of all children would be the largest call's.
RUN = f"""
import atexit, pathlib, re, sys
status = pathlib.Path("/proc/self/status")
peak = lambda: re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1]
atexit.register(lambda: print("{PEAK}", peak(), file=sys.stderr, flush=True))
from snakemake.cli import main
main(sys.argv[1:])
"""
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
        dry = measure("dry run from nothing", folder, "--dry-run", "--quiet", "all")
        make_outputs(folder)
        done = measure("nothing to be done", folder, "--dry-run", "--quiet", "all", nothing=True)
    row(
        f"Snakemake's own work, {images} images in {given.shards} shards",
        "one job an image: 128 s, 800 MB (measured once)",
        "dry run <= 30 s, no-op <= 45 s, <= 330 MB",
        f"dry run {dry[0]:.0f} s, no-op {done[0]:.0f} s: "
        f"{verdict(dry[0] <= 30 and done[0] <= 45)}; {dry[1]:.0f} and {done[1]:.0f} MB: "
        + verdict(max(dry[1], done[1]) <= 330),
        "nothing is left to be done",
    )


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


def measure(what: str, folder: Path, *arguments: str, nothing: bool = False) -> tuple[float, float]:
    """Time, seconds, and largest memory, MB, of one call of Snakemake."""
    start = time.perf_counter()
    run = snakemake(folder, *arguments)
    seconds = time.perf_counter() - start
    if nothing and re.search(r"^total", run.stdout, re.M):
        sys.exit(f"expected nothing to be done:\n{run.stdout[:2000]}")
    found = re.search(rf"^{PEAK} (\d+)$", run.stderr, re.M)
    if found is None:
        sys.exit(f"Snakemake did not end as expected:\n{run.stderr[-2000:]}")
    memory = int(found.group(1)) * 1024 / 1e6
    print(f"{what}: {seconds:.1f} s, {memory:.0f} MB", flush=True)
    return seconds, memory


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in `folder` on this repository's workflow."""
    command = [sys.executable, "-c", RUN, "--snakefile", str(REPOSITORY / "Snakefile")]
    settings = ["--directory", str(folder), "--configfile", "standin.yaml", "--cores", "1"]
    run = subprocess.run(
        [*command, *settings, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if run.returncode:
        sys.exit(run.stderr[-4000:] + run.stdout[-4000:])
    return run


if __name__ == "__main__":
    main()
