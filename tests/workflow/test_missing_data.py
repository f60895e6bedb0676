"""Data and weights that are missing end the workflow with the command that downloads them."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from file_server import FileServer, serving
from voc_archives import MORE, TRAIN, sbd_archive, voc_archive, voc_overlay
from workflow_tree import Tree, copy_tree

from ssenet_core.data.dataset import shard_of

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("workflow")]

FILES = {"/voc.tar": voc_archive(), "/sbd.tgz": sbd_archive(), "/net.pth": b"tensors"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "*")
    with serving(dict(FILES)) as state:
        yield state


@pytest.fixture
def tree(tmp_path: Path, server: FileServer) -> Tree:
    """A tree whose configuration is VOC 2012's, from a server here."""
    tree = copy_tree(tmp_path / "tree")
    (tree.path / "voc.yaml").write_text(yaml.safe_dump(voc_overlay(server.address, FILES)))
    return tree


def test_the_command_that_is_named_brings_all(tree: Tree, server: FileServer) -> None:
    early = tree.snakemake("voc.yaml", "--")
    assert early.returncode == 1
    assert "data/VOC2012/JPEGImages, data/VOC2012/SegmentationClassAug, data" in early.stdout
    assert "Traceback" not in early.stdout
    told = early.stdout.partition("ssenet download ")[2].splitlines()[0].split()
    assert [Path(file).name for file in told] == ["tiny.yaml", "voc.yaml"]
    assert not server.asked

    command = [sys.executable, "-m", "ssenet_core.cli", "download", *told]
    subprocess.run(command, cwd=tree.path, check=True, timeout=300)
    listed = sorted([*TRAIN, *MORE])
    change = yaml.safe_load((tree.path / "voc.yaml").read_text())
    assert tree.stale(change, "results/tiny/cam/ssenet/model.pt") == {
        **{f"check_images_train_{shard:03d}": 1 for shard in {shard_of(i, 2) for i in listed}},
        "manifest_train": 1,
        "train_cam": 1,
    }


def test_missing_weights_are_named_with_the_command(tree: Tree) -> None:
    weights = "data/weights/resnet50.pth"
    (tree.path / "voc.yaml").write_text(f"cam: {{defaults: {{backbone: {{weights: {weights}}}}}}}")
    run = tree.snakemake("voc.yaml", "--", "results/tiny/cam/ssenet/model.pt")
    assert run.returncode == 1
    assert f"cam: backbone.weights: {weights}: no such file" in run.stdout
    assert "ssenet download" in run.stdout
    assert "Traceback" not in run.stdout
