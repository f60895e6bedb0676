"""What the benchmarks share: timing in turns, peak memory, the machine, the row of a result.

A script prints its claim as one row of a Markdown table (`row`), which `page.py` gathers, and ends
with an error when the two ways give different answers (`must`).
"""

import argparse
import ctypes
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

HEADER = ("stage", "plain alternative", "must reach", "measured", "answer")

ROW = "| "  # how a line that is a row of the page's table begins

Work = Callable[[], object]
Result = TypeVar("Result")


def options(description: str, *, runs: int = 5) -> argparse.ArgumentParser:
    """The options that every script takes, after saying on what machine it runs."""
    if "OMP_NUM_THREADS" not in os.environ:
        # The libraries have read it when this runs, so the script starts anew.
        os.environ["OMP_NUM_THREADS"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.argv])
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--runs", type=int, default=runs, help="timings of each way, in turns")
    parser.add_argument(
        "--images", type=Path, help="folder of photographs (default: generated images)"
    )
    print(machine(), flush=True)
    return parser


def machine() -> str:
    """Processor, memory, versions and load, in one line."""
    import numpy
    import torch

    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{len(os.sched_getaffinity(0))} cores ({model.group(1) if model else platform.machine()}),"
        f" {memory:.0f} GiB, {os.environ['OMP_NUM_THREADS']} thread(s), "
        f"Python {platform.python_version()}, NumPy {numpy.__version__}, torch {torch.__version__},"
        f" load {os.getloadavg()[0]:.1f}"
    )


def median_seconds(
    *ways: Work, runs: int, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Median time of each way, in seconds.

    The ways take turns, so that a noisy neighbour disturbs them alike; one round goes before.

    Args:
        clock: `time.process_time` for this process's own time, where nothing else is waited for.
    """
    times: list[list[float]] = [[] for _ in ways]
    for _ in range(runs + 1):
        for way, found in zip(ways, times, strict=True):
            started = clock()
            way()
            found.append(clock() - started)
    return [statistics.median(found[1:]) for found in times]


def peak_memory(prepare: Callable[..., Work], *arguments: Any) -> float:
    """MiB that the work which `prepare(*arguments)` returns adds at its peak.

    It runs in a process of its own; what importing and preparing took does not count.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_peak, prepare, arguments).result()


def _peak(prepare: Callable[..., Work], arguments: Sequence[Any]) -> float:
    return measured_peak(prepare(*arguments))[1]


def measured_peak(work: Callable[[], Result]) -> tuple[Result, float]:
    """What a piece of work returns, and the MiB that it adds at its peak in this process."""
    ctypes.CDLL(None).malloc_trim(0)  # what preparing has freed would hide what the work takes
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest use so far (Linux)
    before = _kibibytes("VmRSS")
    result = work()
    return result, (_kibibytes("VmHWM") - before) / 1024


def _kibibytes(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)
    if found is None:
        raise RuntimeError(f"no {field} in /proc/self/status; peak memory is read there, on Linux")
    return int(found.group(1))


def row(stage: str, plain: str, bound: str, measured: str, answer: str) -> None:
    """Print one row of the page's table."""
    print(f"{ROW}{stage} | {plain} | {bound} | {measured} | {answer} |", flush=True)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in columns of even width."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (header, *rows)
    )


def verdict(reached: bool) -> str:
    """How a row says whether its bound is reached."""
    return "reached" if reached else "**missed**"


def must(agree: bool, what: str) -> None:
    """End the script with an error when the two ways give different answers."""
    if not agree:
        sys.exit(f"the two ways do not agree: {what}")
