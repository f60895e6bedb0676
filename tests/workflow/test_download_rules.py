"""The rules that fetch public data: one command, from nothing to a dataset that has a plan."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from file_server import FileServer, serving
from voc_archives import MORE, TRAIN, sbd_archive, voc_archive
from workflow_tree import Tree, copy_tree

from ssenet_core.data.dataset import shard_of

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("workflow")]

FILES = {"/voc.tar": voc_archive(), "/sbd.tgz": sbd_archive(), "/net.pth": b"tensors"}
WEIGHTS = "data/weights/net.pth"
RESNET38 = "data/weights/resnet38_imagenet.safetensors"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "*")
    with serving(dict(FILES)) as state:
        yield state


@pytest.fixture
def tree(tmp_path: Path, server: FileServer) -> Tree:
    """A tree whose configuration is VOC 2012's, from a server here."""

    def source(name: str) -> dict[str, str]:
        digest = hashlib.sha256(FILES[name]).hexdigest()
        return {"url": f"{server.address}{name}", "sha256": digest, "md5": None}

    lists = {"train": "train_aug", "pseudo_eval": "train", "val": "val", "test": None}
    overlay: dict[str, Any] = {
        "dataset": {
            "name": "tiny",
            "root": "data/VOC2012",
            "classes": None,
            "tags": ["xml"],
            "mask_dir": "SegmentationClassAug",
            "lists": lists,
        },
        "cam": {"defaults": {"backbone": {"weights": WEIGHTS}}},
        "download": {
            "voc2012": source("/voc.tar"),
            "sbd": source("/sbd.tgz"),
            "weights": {"net.pth": source("/net.pth")},
        },
    }
    tree = copy_tree(tmp_path / "tree")
    (tree.path / "voc.yaml").write_text(yaml.safe_dump(overlay))
    return tree


def test_one_command_fetches_the_dataset_and_the_weights(tree: Tree, server: FileServer) -> None:
    early = tree.snakemake("voc.yaml", "--")
    assert early.returncode == 1
    assert "the dataset tiny is not here: data/VOC2012" in early.stdout
    assert "voc.yaml --cores 1 download" in early.stdout
    assert not server.asked

    run = tree.snakemake("voc.yaml", "--cores", "1", "download")
    assert run.returncode == 0, run.stdout
    assert sorted(path for path, _ in server.asked) == sorted(FILES)
    data = tree.path / "data"
    assert (tree.path / WEIGHTS).read_bytes() == FILES["/net.pth"]
    listed = (data / "VOC2012/ImageSets/Segmentation/train_aug.txt").read_text().split()
    assert listed == sorted([*TRAIN, *MORE])
    assert not [path for path in data.rglob("*") if path.name.endswith(".part")]

    change = yaml.safe_load((tree.path / "voc.yaml").read_text())
    assert tree.stale(change, "download", "results/tiny/cam/ssenet/model.pt") == {
        "download": 1,  # a target, without anything that it asks for
        **{f"check_images_train_{shard:03d}": 1 for shard in {shard_of(i, 2) for i in listed}},
        "manifest_train": 1,
        "train_cam": 1,
    }


def test_weights_without_an_address_are_asked_for(tree: Tree) -> None:
    run = tree.snakemake("voc.yaml", "--cores", "1", RESNET38)
    assert run.returncode == 1
    assert "data/weights/ilsvrc-cls_rna-a1_cls1000_ep-0001.params: no such file" in run.stdout
    assert "put the file there" in run.stdout


def test_weights_that_are_here_are_never_made_anew(tree: Tree) -> None:
    own = {"dataset": {"root": "photos"}, "cam": {"defaults": {"backbone": {"weights": RESNET38}}}}
    (tree.path / "data" / "weights").mkdir(parents=True)
    (tree.path / RESNET38).write_bytes(b"mine")
    stale = tree.stale(own)
    assert {"train_cam", "train_deeplab"} <= stale.keys()
    assert not {"download_weights", "convert_weights"} & stale.keys()
