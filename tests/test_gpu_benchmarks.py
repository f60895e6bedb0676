"""The measurements on a GPU run, on the CPU with tiny networks, and claim nothing of it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# The rows of each part; compiling alone takes a minute.
PARTS = {
    "gpu_tests": 1,
    "gpu_ser_step": 2,
    "gpu_inference": 1,
    "gpu_loading": 1,
    "gpu_training": 3,
    "gpu_walk": 2,
}


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
    rows = [line for line in raw.splitlines() if line.startswith("| ")]
    assert len(rows) == sum(PARTS.values())
    assert all("not measured: no GPU (a trial on the CPU)" in row for row in rows)
    assert ": failed" not in raw
    assert done.stdout.rstrip().endswith("\n".join(rows))


def test_a_part_that_has_no_time_costs_the_others_nothing(tmp_path: Path) -> None:
    done = measured(tmp_path, "--seconds", "5", "--only", "gpu_walk", "gpu_tests")
    assert done.returncode == 0
    assert [line for line in done.stdout.splitlines() if line.startswith("| ")] == [
        "| `gpu_walk.py` | | | no time was left | |",
        "| `gpu_tests.py` | | | no time was left | |",
    ]


def test_a_folder_without_photographs_is_refused(tmp_path: Path) -> None:
    done = measured(tmp_path, "--data", str(tmp_path))
    assert done.returncode == 2
    assert f"{tmp_path}: expected a folder in VOC layout" in done.stderr
