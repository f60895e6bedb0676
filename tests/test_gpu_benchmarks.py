"""The measurements on a GPU run, on the CPU with tiny networks, and claim nothing of it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# The rows of each part; compiling alone takes a minute.
PARTS = {
    "gpu_ser_step": 2,
    "gpu_inference": 1,
    "gpu_loading": 1,
    "gpu_training": 3,
    "gpu_walk": 2,
    "gpu_tests": 1,
}
# Runs on_gpu.py with a card and parts that measure nothing.
PRETENDED = """
import sys, time, types
sys.path.insert(0, "benchmarks")
class Card:
    found = classmethod(lambda cls, small, data: cls())
    begin = lambda self, seconds: None
    described = lambda self: "a pretended card"
def fails(card):
    raise MemoryError("no memory is left")
def hangs(card):
    print("begun", flush=True)
    time.sleep(600)
def measures(card):
    print("| a stage | | | 2 x | |", flush=True)
sys.modules["cards"] = types.SimpleNamespace(Card=Card, NoGPU=OSError)
for name, measure in {"gpu_walk": fails, "gpu_tests": measures, "gpu_compile": hangs}.items():
    sys.modules[name] = types.SimpleNamespace(measure=measure)
import on_gpu
on_gpu.LAST_LINES = float(sys.argv.pop())
on_gpu.main()
"""


def measured(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "benchmarks/on_gpu.py", "--out", str(folder), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=2400,
    )


def test_a_trial_on_the_cpu_is_no_measurement(tmp_path: Path) -> None:
    done = measured(tmp_path, "--small", "--only", *PARTS)
    assert done.returncode == 0, done.stdout + done.stderr
    raw = (tmp_path / "on_gpu.txt").read_text()
    rows = rows_of(raw)
    assert len(rows) == sum(PARTS.values())
    assert all("not measured: no GPU (a trial on the CPU)" in row for row in rows)
    assert ": failed" not in raw
    assert done.stdout.rstrip().endswith("\n".join(rows))


def pretended(
    folder: Path, *arguments: str, last_lines: float = 0.0
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PRETENDED, "--out", str(folder), *arguments, str(last_lines)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def rows_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("| ")]


def test_a_part_that_fails_costs_the_others_nothing(tmp_path: Path) -> None:
    done = pretended(tmp_path, "--only", "gpu_walk", "gpu_tests")
    assert done.returncode == 1
    assert rows_of(done.stdout) == [
        "| `gpu_walk.py` | | | **failed**: MemoryError | |",
        "| a stage | | | 2 x | |",
    ]
    assert "no memory is left" in (tmp_path / "on_gpu.txt").read_text()


def test_a_part_that_hangs_is_ended_with_all_that_was_printed(tmp_path: Path) -> None:
    done = pretended(tmp_path, "--seconds", "5", "--only", "gpu_tests", "gpu_compile")
    assert done.returncode == 1
    assert rows_of(done.stdout) == [
        "| a stage | | | 2 x | |",
        "| `gpu_compile.py` | | | **failed**: it ran on when all 5 s were up | |",
    ]
    raw = (tmp_path / "on_gpu.txt").read_text()
    assert "begun" in raw
    assert "in hangs" in raw  # where it was


def test_a_part_that_has_no_time_is_not_measured(tmp_path: Path) -> None:
    done = pretended(tmp_path, "--seconds", "60", "--only", "gpu_walk", "gpu_tests", last_lines=60)
    assert rows_of(done.stdout) == [
        "| `gpu_walk.py` | | | not measured: no time was left | |",
        "| `gpu_tests.py` | | | not measured: no time was left | |",
    ]


def test_a_folder_without_photographs_is_refused(tmp_path: Path) -> None:
    done = measured(tmp_path, "--data", str(tmp_path))
    assert done.returncode == 2
    assert f"{tmp_path}: expected a folder in VOC layout" in done.stderr
