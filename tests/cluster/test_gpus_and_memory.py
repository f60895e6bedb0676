"""Two GPU jobs side by side, on a cluster and without one; a job that is killed for its memory."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from one_node_slurm import Cluster
from workflow_tree import REPOSITORY

HERE = Path(__file__).parent
ON_THE_CLUSTER = (
    "--workflow-profile=profiles/slurm",
    "--slurm-init-seconds-before-status-checks=5",
)


def probe(
    folder: Path, environment: Mapping[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run the workflow of tests/cluster/probe.smk in a folder of its own."""
    shutil.copy2(HERE / "probe.smk", folder / "Snakefile")
    shutil.copy2(HERE / "gpu_probe.py", folder)
    for name in ("rules", "profiles"):
        shutil.copytree(REPOSITORY / name, folder / name)
    (folder / "locks").mkdir()
    places = {"PYTHONPATH": str(REPOSITORY), "TMPDIR": str(folder / "locks")}
    python = str(Path(sys.executable).parent)
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=folder,
        env={**environment, **places, "PATH": f"{python}:{environment['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )


def taken_gpus(folder: Path) -> list[dict[str, object]]:
    """What the two GPU jobs wrote."""
    return [json.loads((folder / "gpu" / f"{name}.json").read_text()) for name in ("a", "b")]


@pytest.mark.workflow
def test_two_jobs_of_one_machine_have_different_gpus(tmp_path: Path) -> None:
    free = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    local = ("--cores", "2", "--resources", "gpu=2", "--workflow-profile", "none")
    run = probe(tmp_path, free, *local, "gpu/a.json", "gpu/b.json")
    assert run.returncode == 0, run.stdout
    assert {found["taken"] for found in taken_gpus(tmp_path)} == {"0", "1"}


@pytest.mark.cluster
def test_gpus_and_memory_on_a_cluster(cluster: Cluster, tmp_path: Path) -> None:
    run = probe(tmp_path, cluster.environment, *ON_THE_CLUSTER)
    assert run.returncode == 0, run.stdout
    first, second = taken_gpus(tmp_path)
    assert len(first["seen"]) == len(second["seen"]) == 1  # what SLURM shows a job
    assert {first["taken"], second["taken"]} == {"0", "1"}
    gpu_jobs = [job for job in cluster.jobs() if job["rule"].startswith("rule_gpu_")]
    assert [job["partition"] for job in gpu_jobs] == ["gpu", "gpu"]
    memory = [job for job in cluster.jobs() if job["rule"] == "rule_memory"]
    assert {job["partition"] for job in memory} == {"cpu"}
    assert [job["memory"] for job in memory] == ["500M", "1000M"]
    assert [job["state"] for job in memory] == ["FAILED", "COMPLETED"]
    (log,) = tmp_path.glob("logs/slurm/rule_memory/*.log")  # of the job that was killed
    assert "exceeded memory limit" in log.read_text()
