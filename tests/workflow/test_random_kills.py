"""Kill -9 at a random moment of every stage: the rerun's files are those of an undisturbed run.

`SSENET_KILL_ROUNDS=5 pytest tests/workflow/test_random_kills.py` does it five times over, each time
at other moments.
"""

import os
import random
import sys
from pathlib import Path

import pytest
from kills import Workflow, differences, kill_once
from workflow_tree import copy_tree

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("workflow")]

STAGES = (
    "check_images",
    "train_cam",
    "infer_cam",
    "refine_cam",
    "train_affinity",
    "random_walk",
    "train_deeplab",
    "predict_val",
    "evaluate",
    "report",
)
LONGEST = 5.0  # seconds; most of a tiny job is the start of Python and torch


@pytest.mark.parametrize("round_", range(int(os.environ.get("SSENET_KILL_ROUNDS", "1"))))
def test_a_killed_workflow_ends_in_the_same_files(
    undisturbed: Path, tmp_path: Path, round_: int
) -> None:
    tree = copy_tree(tmp_path / "tree")
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "tiny.yaml"]
    workflow = Workflow(tree.path, command)
    generator = random.Random(round_)
    killed = []
    for stage in STAGES:
        delay = generator.uniform(0, LONGEST)
        killed.append((stage, delay, kill_once(workflow, stage, delay)))
        unfinished = [path for path in tree.results.rglob("model.pt") if path.stat().st_size == 0]
        assert not unfinished, killed
    workflow.finish()
    assert sum(bool(jobs) for *_, jobs in killed) >= len(STAGES) // 3, killed
    assert differences(tree.results, undisturbed) == [], killed
