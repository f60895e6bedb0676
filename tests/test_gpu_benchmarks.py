"""The benchmarks of GPU stages run, on the CPU with a tiny network, and claim nothing of it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TRIALS = {
    "gpu_ser_step": ["--runs", "1"],
    "gpu_inference": ["--runs", "1", "--photographs", "2"],
    "gpu_loading": ["--runs", "1", "--steps", "2", "--workers", "1"],
}


def run(script: str, *arguments: str) -> str:
    """What a script prints."""
    done = subprocess.run(
        [sys.executable, f"benchmarks/{script}.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("script", TRIALS)
def test_a_trial_on_the_cpu_is_no_measurement(script: str) -> None:
    said = run(script, "--small", *TRIALS[script])
    (row,) = [line for line in said.splitlines() if line.startswith("| ")]
    assert "not measured: no GPU (a trial on the CPU)" in row
