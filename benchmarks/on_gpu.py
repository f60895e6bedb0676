"""Measure everything that is about a GPU, on a machine with one, in eight minutes.

The parts, `gpu_*.py`, run one after the other in this process, which imports the libraries once.
What one leaves of its share of the time goes to those after it; one that fails costs the others
nothing. What they print is written as it comes to `on_gpu.txt` in a folder; the rows of the page's
table are printed last, also when the time is up before the parts are through. Put the file into
`docs/benchmarks/` and run `page.py --only on_gpu` for the page.

    python benchmarks/on_gpu.py --out FOLDER [--data FOLDER] [--seconds 480] [--only PART ...]

`--data` is a folder in VOC layout; its photographs are used everywhere, its masks in the trainings.
`--small` tries all of it on a CPU with tiny networks.
"""

import argparse
import faulthandler
import importlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
import tomllib
import traceback
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# In the order of their worth, each with its share of the time: some seconds more than it took, or
# is estimated to take, on an H200.
PARTS = {
    "gpu_ser_step": 70,
    "gpu_inference": 60,
    "gpu_loading": 50,
    "gpu_training": 150,
    "gpu_walk": 20,
    "gpu_tests": 40,
    "gpu_compile": 70,
}
LAST_LINES = 10.0  # seconds of the whole in which nothing more is begun
STUCK = 5.0  # seconds after the time is up in which the interpreter itself must answer
SMALL_SECONDS = 2000.0  # on a CPU that may have other work
# Of those from hdf5plugin on nothing here needs one; files are packed by gzip without it.
PACKAGES = (
    *("torch", "torchvision", "timm", "safetensors", "lightning_fabric", "numpy", "scipy", "h5py"),
    *("pydantic", "PIL", "yaml", "tqdm", "pytest", "triton", "hdf5plugin", "tensorboard"),
    *("matplotlib", "jinja2", "snakemake", "pydensecrf", "hypothesis"),
)
ROW = "| "  # as in `compare`
NO_TIME = "not measured: no time was left"  # as in `cards`


def is_here(package: str) -> bool:
    """Whether a package can be found."""
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def too_old() -> list[str]:
    """The packages that are older than pyproject.toml asks, with what it asks."""
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = []
    for needed in map(Requirement, project["dependencies"]):
        try:
            version = metadata.version(needed.name)
        except metadata.PackageNotFoundError:
            continue
        if not needed.specifier.contains(version, prereleases=True):
            found.append(f"{needed.name} {version} ({needed.specifier})")
    return found


def facts() -> str:
    """The machine: its GPUs, cores, memory for loading processes, and the packages it lacks."""
    absent = [name for name in PACKAGES if not is_here(name)]
    shared = shutil.disk_usage("/dev/shm").free / 2**30 if Path("/dev/shm").is_dir() else 0.0
    lines = [
        f"Python {platform.python_version()}, {len(os.sched_getaffinity(0))} cores, load "
        f"{os.getloadavg()[0]:.1f}, {shared:.1f} GiB of shared memory, "
        f"compiler: {shutil.which('cc') or 'none'}",
        f"packages that are not here: {', '.join(absent) or 'none'}",
        f"packages that are too old: {', '.join(too_old()) or 'none'}",
    ]
    query = "name,driver_version,memory.total,power.limit,clocks.max.sm,clocks.sm,temperature.gpu"
    try:
        done = subprocess.run(
            ["nvidia-smi", f"--query-gpu={query}", "--format=csv"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        lines.append(done.stdout.strip() or done.stderr.strip())
    except (OSError, subprocess.TimeoutExpired) as error:
        lines.append(f"nvidia-smi: {error}")
    return "\n".join(lines)


def prepare() -> None:
    """Let this process and those that it starts find the package, which need not be installed."""
    folders = [str(ROOT), str(ROOT / "tests"), str(ROOT / "benchmarks")]
    sys.path[:0] = folders
    there = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([*folders, *([there] if there else [])])
    os.environ["OMP_NUM_THREADS"] = "1"


class Report:
    """The file that everything is printed to, and the lines for the terminal.

    Args:
        raw: the file; standard output and errors, those of processes too, go there from now on.
        chosen: names of the parts.
        seconds: after which the process ends, wherever it is.
    """

    def __init__(self, raw: Path, chosen: list[str], seconds: float) -> None:
        self.raw, self.left, self.seconds = raw, list(chosen), seconds
        self.began = time.monotonic()
        self.well = True
        self.terminal = os.fdopen(os.dup(1), "w")
        descriptor = os.open(raw, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(descriptor, stream.fileno())
        self.watchdog = threading.Timer(seconds, self.end)
        self.watchdog.daemon = True
        self.watchdog.start()
        faulthandler.dump_traceback_later(seconds + STUCK, exit=True)

    def seconds_left(self) -> float:
        """Until nothing more is to be begun."""
        return self.seconds - LAST_LINES - (time.monotonic() - self.began)

    def say(self, text: str) -> None:
        """Print to the file and to the terminal."""
        print(text, flush=True)
        print(text, file=self.terminal, flush=True)

    def part(self, name: str, how: str) -> None:
        """Note how a part ended."""
        self.left.remove(name)
        self.say(f"{name}: {how}")
        if how != "done":
            print(f"{ROW}`{name}.py` | | | {how} | |", flush=True)
            self.well &= how == NO_TIME

    def close(self) -> None:
        """Print the rows."""
        self.watchdog.cancel()
        for name in list(self.left):
            self.part(name, NO_TIME)
        text = self.raw.read_text(errors="replace")
        for folder in (str(ROOT), sys.prefix, str(Path.home())):  # nothing of the machine's layout
            text = text.replace(f"{folder}/", "")
        self.raw.write_text(text)
        rows = [line for line in text.splitlines() if line.startswith(ROW)]
        self.well &= not any("**differ**" in line for line in rows)
        took = time.monotonic() - self.began
        lines = [f"\n{took:.0f} s in all; everything is in {self.raw}\n", *rows]
        print("\n".join(lines), file=self.terminal, flush=True)

    def end(self) -> None:
        """Close, and end this process, whatever it does: the time is up."""
        faulthandler.dump_traceback(sys.stderr)  # where it hangs
        for name in self.left[:1]:
            self.part(name, f"**failed**: it ran on when all {self.seconds:.0f} s were up")
        self.close()
        os._exit(1)


def run(name: str, card: Any) -> str:
    """Run a part; how it ended."""
    try:
        importlib.import_module(name).measure(card)
    except Exception as error:  # the others are measured all the same
        traceback.print_exc()
        return f"**failed**: {type(error).__name__}"
    return "done"


def main() -> None:
    """Run the parts and print their rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for on_gpu.txt")
    parser.add_argument("--data", type=Path, help="photographs and masks in VOC layout")
    parser.add_argument("--seconds", type=float, help="for everything (480; with --small 2000)")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="these parts")
    parser.add_argument("--small", action="store_true", help="try it on the CPU")
    given = parser.parse_args()
    if given.data is not None and not (given.data / "JPEGImages").is_dir():
        parser.error(f"{given.data}: expected a folder in VOC layout, found no JPEGImages in it")
    seconds = given.seconds or (SMALL_SECONDS if given.small else 480.0)
    given.out.mkdir(parents=True, exist_ok=True)
    chosen = [name for name in PARTS if name in (given.only or PARTS)]
    report = Report(given.out / "on_gpu.txt", chosen, seconds)
    prepare()
    report.say(facts())
    from cards import Card, NoGPU

    try:
        card = Card.found(given.small, given.data and given.data.resolve())
    except NoGPU as error:
        report.say(str(error))
        sys.exit(1)
    print(card.described(), flush=True)
    report.say(f"imports: {time.monotonic() - report.began:.1f} s")
    for name in chosen:
        if report.seconds_left() <= 0:
            break
        started = time.monotonic()
        share = report.seconds_left() * PARTS[name] / sum(PARTS[other] for other in report.left)
        print(f"\n{name}, {share:.0f} s", flush=True)
        card.begin(share)
        report.part(name, run(name, card))
        report.say(f"{time.monotonic() - started:.1f} s")
    report.close()
    if not report.well:
        sys.exit(1)


if __name__ == "__main__":
    main()
