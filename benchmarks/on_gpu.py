"""Measure everything that is about a GPU, on a machine with one, in five minutes.

Each part is a script of its own, `gpu_*.py`, in a process of its own with a limit of time: one that
fails, hangs or runs out of memory costs the others nothing. What they print is written as it comes
to `on_gpu.txt` in a folder; the rows of the page's table are printed last. Put the file into
`docs/benchmarks/` and run `page.py --only on_gpu` for the page.

    python benchmarks/on_gpu.py --out FOLDER [--data FOLDER] [--seconds 300] [--only PART ...]

`--data` is a folder in VOC layout; its photographs are used everywhere, its masks in the trainings.
`--small` tries all of it on a CPU with tiny networks.
"""

import argparse
import contextlib
import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# In this order, each with its share of the time; the last one has what the others leave.
PARTS = {
    "gpu_tests": 35,
    "gpu_ser_step": 70,
    "gpu_inference": 40,
    "gpu_loading": 35,
    "gpu_training": 85,
    "gpu_walk": 25,
    "gpu_compile": 35,
}
SHORTEST = 10.0  # seconds that a part is begun for
LAST_LINES = 8.0  # seconds from when a part begins nothing more to when it is ended
IMPORTS_LIMIT = 90
SMALL_LIMIT = 400.0  # seconds of a part, on a CPU that may have other work
# Of those from hdf5plugin on nothing here needs one; files are packed by gzip without it.
PACKAGES = (
    *("torch", "torchvision", "timm", "safetensors", "lightning_fabric", "numpy", "scipy", "h5py"),
    *("pydantic", "PIL", "yaml", "tqdm", "pytest", "triton", "hdf5plugin", "tensorboard"),
    *("matplotlib", "jinja2", "snakemake", "defusedxml", "pydensecrf", "hypothesis"),
)
ROW = "| "  # as in `compare`, which imports more than a machine may have


def is_here(package: str) -> bool:
    """Whether a package can be found."""
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def facts() -> str:
    """The machine: its GPUs, cores, memory for loading processes, and the packages it lacks."""
    absent = [name for name in PACKAGES if not is_here(name)]
    shared = shutil.disk_usage("/dev/shm").free / 2**30 if Path("/dev/shm").is_dir() else 0.0
    lines = [
        f"Python {platform.python_version()}, {len(os.sched_getaffinity(0))} cores, load "
        f"{os.getloadavg()[0]:.1f}, {shared:.1f} GiB of shared memory, "
        f"compiler: {shutil.which('cc') or 'none'}",
        f"packages that are not here: {', '.join(absent) or 'none'}",
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
    lines.append(imports())
    return "\n".join(lines)


def imports() -> str:
    """How long the first imports take, which read the libraries from the disk, and the GPU."""
    script = (
        "import time; began = time.time(); import torch; torch_there = time.time(); import cards; "
        "cards_there = time.time(); torch.cuda.is_available() and torch.zeros(1).cuda(); "
        "print(f'first imports: torch {torch_there - began:.1f} s, the rest "
        "{cards_there - torch_there:.1f} s, the GPU {time.time() - cards_there:.1f} s')"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=IMPORTS_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"first imports: more than {IMPORTS_LIMIT} s"
    return done.stdout.strip() or done.stderr[-1000:]


def environment() -> dict[str, str]:
    """The parts', for which this package need not be installed."""
    paths = [*(str(ROOT / folder) for folder in (".", "tests", "benchmarks"))]
    paths += filter(None, [os.environ.get("PYTHONPATH")])
    return {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
    }


def run(name: str, given: argparse.Namespace, limit: float, raw: Path) -> str:
    """Run a part, its output at the end of `raw`; returns how it ended."""
    command = [sys.executable, str(ROOT / "benchmarks" / f"{name}.py")]
    command += ["--until", f"{time.monotonic() + limit - LAST_LINES:.1f}"]
    if given.data is not None:
        data = given.data.resolve()
        command += ["--data", str(data), "--images", str(data / "JPEGImages")]
    if given.small:
        command.append("--small")
    with raw.open("a") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            code = process.wait(limit)
            how = "done" if code == 0 else f"failed, exit status {code}"
        except subprocess.TimeoutExpired:
            how = f"ended after its {limit:.0f} s"
        finally:
            # Its loading processes too, which may outlive it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
    return how


def write(raw: Path, text: str) -> None:
    """Print a line and add it to the file."""
    print(text, flush=True)
    with raw.open("a") as output:
        output.write(text + "\n")


def main() -> None:
    """Run the parts and print their rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for on_gpu.txt")
    parser.add_argument("--data", type=Path, help="photographs and masks in VOC layout")
    parser.add_argument("--seconds", type=float, default=300, help="for everything")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="these parts")
    parser.add_argument("--small", action="store_true", help="try it on the CPU")
    given = parser.parse_args()
    if given.data is not None and not (given.data / "JPEGImages").is_dir():
        parser.error(f"{given.data}: expected a folder in VOC layout, found no JPEGImages in it")
    given.out.mkdir(parents=True, exist_ok=True)
    raw = given.out / "on_gpu.txt"
    raw.write_text("")
    began = time.monotonic()
    write(raw, facts())
    chosen = given.only or list(PARTS)
    scale = (given.seconds - (time.monotonic() - began)) / sum(PARTS[name] for name in chosen)
    for name in chosen:
        left = given.seconds - (time.monotonic() - began)
        last = name == chosen[-1]
        limit = left if last else min(left, PARTS[name] * scale)
        if given.small:
            limit = SMALL_LIMIT
        write(raw, f"\n{name}, {limit:.0f} s at the most")
        started = time.monotonic()
        how = "no time was left" if limit < SHORTEST else run(name, given, limit, raw)
        write(raw, f"\n{name}: {how}; {time.monotonic() - started:.1f} s")
        if how != "done":
            row = f"{ROW}`{name}.py` | | | {how} | |"
            with raw.open("a") as output:
                output.write(row + "\n")
    text = raw.read_text(errors="replace")
    for folder in (str(ROOT), sys.prefix, str(Path.home())):  # nothing of the machine's layout
        text = text.replace(f"{folder}/", "")
    raw.write_text(text)
    rows = [line for line in text.splitlines() if line.startswith(ROW)]
    print(f"\n{time.monotonic() - began:.0f} s in all; everything is in {raw}\n")
    print("\n".join(rows))
    if any("exit status" in line or "**differ**" in line for line in rows):
        sys.exit("a part failed")


if __name__ == "__main__":
    main()
