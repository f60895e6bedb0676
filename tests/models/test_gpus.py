"""Processes side by side share out the GPUs that they see; the GPUs here are names alone."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ssenet_core.models.gpus import claim_gpu

HOLDER = """
import sys
from pathlib import Path
from ssenet_core.models.gpus import claim_gpu
folder, *gpus = sys.argv[1:]
print(gpus[claim_gpu(gpus, Path(folder))], flush=True)
sys.stdin.read()
"""
Start = Callable[..., tuple[str, subprocess.Popen[str]]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a process that sees some GPUs; the one it took, and the process, which keeps it."""
    running = []

    def begin(*gpus: str) -> tuple[str, subprocess.Popen[str]]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path), *gpus],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stdout is not None
        return process.stdout.readline().strip(), process

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def test_processes_side_by_side_have_different_gpus(start: Start) -> None:
    taken = [start("a", "b", "c")[0] for _ in range(3)]
    assert sorted(taken) == ["a", "b", "c"]


def test_more_processes_than_gpus_share_them_evenly(start: Start) -> None:
    taken = [start("a", "b")[0] for _ in range(4)]
    assert sorted(taken) == ["a", "a", "b", "b"]


def test_a_killed_process_frees_its_gpu(start: Start) -> None:
    first, process = start("a", "b")
    start("a", "b")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert start("a", "b")[0] == first


def test_a_gpu_is_known_under_another_index(start: Start, tmp_path: Path) -> None:
    start("b")  # the first that this process sees
    assert claim_gpu(["a", "b"], tmp_path) == 0
    assert claim_gpu(["c", "b"], tmp_path) == 0


def test_the_one_gpu_that_is_shown_is_taken(start: Start, tmp_path: Path) -> None:
    """SLURM has shared the GPUs out already; both jobs of a node may see theirs as the first."""
    assert start("b")[0] == "b"
    assert claim_gpu(["b"], tmp_path) == 0
