"""The tiny workflow on a SLURM cluster, through profiles/slurm, start to report.

On the way its training is cancelled, and preempted when it runs again: it goes on each time.
"""

import csv
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import yaml
from one_node_slurm import Cluster
from workflow_tree import Tree, copy_tree

pytestmark = pytest.mark.cluster

TRAINING = "rule_train_cam_wildcards_pretrained"  # what SLURM has as the job's comment
LONG = 200  # steps, two an epoch: the training lasts until it is disturbed
# A job takes ten seconds and more, whatever it does, so there is one network and no second half.
SETTINGS = {
    "run": {"cams": ["pretrained"], "chains": [], "gallery": 1},
    "cam": {"variants": {"pretrained": {"epochs": LONG // 2}}},
    "compute": {"shards": 1},
}
# What a user's command line adds to the profile here: torch has no GPU, the machine few cores.
COMMAND = (
    "--workflow-profile=profiles/slurm",
    *("--configfile", "tiny.yaml", "short.yaml"),
    "--config=compute={gpus: 0, workers: 0}",
    "--slurm-init-seconds-before-status-checks=5",
)


@dataclass(frozen=True)
class Run:
    """What a finished run left.

    Attributes:
        tree: the sources and the results.
        status: Snakemake's exit status.
        output: what Snakemake printed.
        jobs: SLURM's jobs by rule, in the order of submission.
        restarts: how often SLURM started the preempted job anew.
    """

    tree: Tree
    status: int
    output: str
    jobs: dict[str, list[dict[str, str]]]
    restarts: str


@pytest.fixture(scope="module")
def run(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The finished run; its log is printed where a test of it fails."""
    tree = copy_tree(tmp_path_factory.mktemp("cluster") / "tree")
    (tree.path / "short.yaml").write_text(yaml.safe_dump(SETTINGS))
    log = tree.path / "snakemake.log"
    with log.open("w") as stream:
        snakemake = subprocess.Popen(
            [sys.executable, "-m", "snakemake", *COMMAND],
            cwd=tree.path,
            env=cluster.environment,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        started = wait_for_steps(cluster, tree, snakemake, start=1)
        cluster.ask("scancel", started)
        started = wait_for_steps(cluster, tree, snakemake, start=2)
        cluster.ask(
            *("sbatch", "--partition=urgent", "--exclusive", "--output=/dev/null", "--wrap=true")
        )
        snakemake.wait(timeout=900)
        jobs: dict[str, list[dict[str, str]]] = {}
        for job in cluster.jobs():
            jobs.setdefault(job["rule"], []).append(job)
        facts = cluster.ask("scontrol", "show", "job", started).split()
        restarts = next(fact for fact in facts if fact.startswith("Restarts="))
        yield Run(tree, snakemake.returncode, log.read_text(), jobs, restarts)
    finally:
        if snakemake.poll() is None:
            snakemake.kill()
        print(log.read_text()[-8000:])


def wait_for_steps(
    cluster: Cluster, tree: Tree, snakemake: subprocess.Popen[bytes], start: int
) -> str:
    """Wait until the training, at its first or second start, has a new resume point; its job."""

    def jobs() -> list[str]:
        return [job["id"] for job in cluster.jobs() if job["rule"] == TRAINING]

    resume = tree.results / "cam" / "pretrained" / "resume" / "state.pt"
    wait_for(lambda: len(jobs()) == start, snakemake, pause=0.5)
    before = time.time()
    wait_for(lambda: resume.exists() and resume.stat().st_mtime > before, snakemake)
    return jobs()[-1]


def wait_for(
    happened: Callable[[], bool], process: subprocess.Popen[bytes], pause: float = 0.1
) -> None:
    """Wait until something happened; fail when the process ends, or after ten minutes."""
    end = time.monotonic() + 600
    while not happened():
        assert process.poll() is None, "Snakemake ended too early"
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(pause)


def test_the_workflow_runs_from_start_to_report(run: Run) -> None:
    assert run.status == 0, run.output[-8000:]
    scores = run.tree.results / "cam" / "pretrained" / "evaluation" / "pseudo_eval.json"
    assert json.loads(scores.read_text())["images"] == 11
    assert (run.tree.results / "report" / "index.html").exists()


def test_a_cancelled_training_is_submitted_again_with_more_memory(run: Run) -> None:
    found = [(job["state"], job["memory"]) for job in run.jobs[TRAINING]]
    assert found == [("CANCELLED", "4000M"), ("COMPLETED", "8000M")]


def test_a_preempted_training_is_started_again_by_slurm(run: Run) -> None:
    assert run.restarts == "Restarts=1"


def test_a_training_that_was_stopped_goes_on_where_it_was(run: Run) -> None:
    log = run.tree.path / "logs" / "tiny" / "train_cam" / "pretrained.log"
    assert "continuing after step" in log.read_text()
    with (run.tree.results / "cam" / "pretrained" / "metrics.csv").open() as stream:
        steps = [int(row["step"]) for row in csv.DictReader(stream)]
    assert steps == list(range(1, LONG + 1))


def test_the_log_of_a_job_that_failed_is_kept(run: Run) -> None:
    logs = run.tree.path / "logs" / "slurm"
    assert [log.stem for log in logs.rglob("*.log")] == [run.jobs[TRAINING][0]["id"]]
