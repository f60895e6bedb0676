"""Starting and ending the processes of a training; srun is pretended, its nodes are agents here."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from worker_tasks import is_running

from ssenet_core.errors import SSENetError
from ssenet_core.training import launch as launch_module
from ssenet_core.training.launch import launch
from ssenet_core.training.run import Devices, TrainingRun

# Starts the command that ends its arguments once a node, as srun does.
SRUN = """#!{python}
import subprocess, sys, time
call = sys.stdin.buffer.read()
running = []
for node in range(int(sys.argv[1].removeprefix("--nodes="))):
    running.append(subprocess.Popen(sys.argv[-3:], stdin=subprocess.PIPE))
    running[-1].stdin.write(call)
    running[-1].stdin.close()
while not any(process.poll() for process in running) and None in [p.poll() for p in running]:
    time.sleep(0.1)
for process in running:  # --kill-on-bad-exit
    process.terminate()
sys.exit(max(process.wait() for process in running))
"""
LAUNCHER = """
import sys
from pathlib import Path
from test_launch import run_in, wait
from ssenet_core.jobs import job
from ssenet_core.training.launch import launch
from ssenet_core.training.run import Devices
run = run_in(Path(sys.argv[1]), Devices(2, on_cpu=True))
with job(run.log):
    launch(wait, run)
"""
TWO_NODES = Devices(1, nodes=2, on_cpu=True)


def run_in(folder: Path, devices: Devices) -> TrainingRun:
    return TrainingRun("", folder / "model.pt", "", devices=devices, log=str(folder / "log"))


@pytest.fixture
def allocation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a SLURM job."""
    srun = tmp_path / "srun"
    srun.write_text(SRUN.format(python=sys.executable))
    srun.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)
    monkeypatch.setenv("SLURM_JOB_ID", "1")


def note(run: TrainingRun) -> None:
    """Join the other processes, and write down who this one is."""
    fabric = run.devices.fabric("32-true")
    folder = Path(run.checkpoint).parent
    (folder / f"process{fabric.global_rank}").write_text(str(fabric.world_size))
    logging.getLogger("ssenet").info("process %d was here", fabric.global_rank)
    fabric.barrier()


def fail_in_the_second(run: TrainingRun) -> None:
    fabric = run.devices.fabric("32-true")
    if fabric.global_rank == 1:
        raise SSENetError("image7.jpg: truncated\nimage8.jpg: truncated")
    fabric.barrier()


def wait(run: TrainingRun) -> None:
    """Be there for a long time."""
    (Path(run.checkpoint).parent / f"{os.getpid()}.process").touch()
    time.sleep(600)


@pytest.mark.usefixtures("allocation")
def test_processes_on_all_nodes_train_together_and_the_first_is_heard(tmp_path: Path) -> None:
    launch(note, run_in(tmp_path, TWO_NODES))
    assert [(tmp_path / f"process{rank}").read_text() for rank in (0, 1)] == ["2", "2"]
    said = (tmp_path / "log").read_text()
    assert "process 0 was here" in said
    assert "process 1 was here" not in said


@pytest.mark.usefixtures("allocation")
def test_a_nodes_fault_is_the_trainings(tmp_path: Path) -> None:
    with pytest.raises(SSENetError) as caught:
        launch(fail_in_the_second, run_in(tmp_path, TWO_NODES))
    assert str(caught.value) == "image7.jpg: truncated\nimage8.jpg: truncated"


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_is_left_when_the_job_ends(tmp_path: Path, sent: signal.Signals) -> None:
    paths = map(str, (Path(__file__).parent, Path(__file__).parents[1], *sys.path))
    job = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )
    wait_until(lambda: len(list(tmp_path.glob("*.process"))) == 2)
    job.send_signal(sent)
    status = job.wait(timeout=60)
    assert status == (-signal.SIGKILL if sent == signal.SIGKILL else 130)
    processes = [int(path.stem) for path in tmp_path.glob("*.process")]
    wait_until(lambda: not any(map(is_running, processes)))
    if sent != signal.SIGKILL:
        assert "interrupted" in (tmp_path / "log").read_text()


def wait_until(happened, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_without_an_allocation_it_says_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(SSENetError, match=r"asks for 3 nodes.*compute.train_nodes to 1"):
        launch(note, run_in(tmp_path, Devices(1, nodes=3, on_cpu=True)))


@pytest.mark.parametrize(
    ("before", "after"), [("", "0,2"), ("4,5,7", "4,7"), ("GPU-a,GPU-b,GPU-c", "GPU-a,GPU-c")]
)
def test_a_process_sees_the_gpus_that_are_claimed(
    monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", before)
    launch_module._show_only([0, 2])
    assert os.environ["CUDA_VISIBLE_DEVICES"] == after
