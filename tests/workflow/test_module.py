"""The workflow as a module of another one."""

from pathlib import Path

import pytest
import yaml
from workflow_tree import REPOSITORY, Tree

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("fresh")]

PARENT = """
configfile: "parent.yaml"
module ssenet:
    snakefile: config["workflow"]
    config: config["ssenet"]
use rule * from ssenet as ssenet_*
rule everything:
    default_target: True
    input: "results/tiny/report/results.json"
"""


def test_another_workflow_uses_this_one(fresh: Tree, tmp_path: Path) -> None:
    tiny = yaml.safe_load((fresh.path / "tiny.yaml").read_text())
    tiny["dataset"]["root"] = str(fresh.path / "photos")
    config = {"workflow": str(REPOSITORY / "Snakefile"), "ssenet": tiny}
    (tmp_path / "parent.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "tiny.yaml").write_text("{}")  # what `Tree.snakemake` names
    (tmp_path / "Snakefile").write_text(PARENT)
    parent = Tree(tmp_path)
    jobs = parent.stale()
    assert jobs["ssenet_train_deeplab"] == 1
    assert jobs["ssenet_infer_cam_train_000"] == 2
    run = parent.snakemake("--", "results/tiny/manifest/train.json")
    assert run.returncode == 0, run.stdout
    assert (parent.results / "manifest" / "train.json").exists()
