"""Two runs in one folder, and photographs that change while a run is at work."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from workflow_tree import Tree, copy_tree

from ssenet_core.data.dataset import shard_of
from ssenet_core.data.manifest import load_manifest
from ssenet_core.io.files import sha256_file

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("workflow")]

SHARDS = 2
MODEL = "results/tiny/cam/baseline/model.pt"
VAL = "results/tiny/manifest/val.json"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A tree whose variant `baseline` trains for as long as a test takes to interfere."""
    tree = copy_tree(tmp_path / "tree")
    settings = "cam: {variants: {baseline: {epochs: 60, backbone: {weights: null}}}}\n"
    (tree.path / "long.yaml").write_text(settings)
    return tree


@contextmanager
def started(tree: Tree, *targets: str) -> Iterator[subprocess.Popen[str]]:
    """Snakemake at work in the tree; killed with its jobs if it is not done in the end."""
    options = ["--cores", "2", "--configfile", "tiny.yaml", "long.yaml", "--", *targets]
    process = subprocess.Popen(
        [sys.executable, "-m", "snakemake", *options],
        cwd=tree.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until something happened while the process runs."""
    end = time.monotonic() + 180
    while not happened():
        assert process.poll() is None, process.stdout and process.stdout.read()[-4000:]
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_a_second_run_for_the_same_files_is_refused(tree: Tree) -> None:
    """The first goes on, and a plan can be made beside it."""
    with started(tree, MODEL) as first:
        wait_for(lambda: any((tree.path / ".snakemake" / "locks").glob("*.lock")), first)
        second = tree.snakemake("long.yaml", "--", MODEL)
        assert second.returncode == 1
        assert "LockException" in second.stdout
        assert "unlock" in second.stdout
        assert "Traceback" not in second.stdout
        plan = tree.snakemake("long.yaml", "--dry-run", "--", MODEL)
        assert plan.returncode == 0, plan.stdout
        assert first.poll() is None, "the first run was to be at work still"
        output, _ = first.communicate(timeout=600)
        assert first.returncode == 0, output[-4000:]
    assert (tree.path / MODEL).is_file()
    assert not any((tree.path / ".snakemake" / "locks").glob("*.lock"))
    again = tree.snakemake("long.yaml", "--", MODEL)
    assert "Nothing to be done" in again.stdout


def test_photographs_that_change_during_a_run_are_noticed_by_the_next(tree: Tree) -> None:
    """One of train and one of val, each after its shard was checked; both stay readable."""
    names = {split: first_id(tree, split) for split in ("train", "val")}
    shards = {split: shard_of(name, SHARDS) for split, name in names.items()}
    manifests = tree.results / "manifest"
    parts = [manifests / f"{split}.shards/{shard}.json" for split, shard in shards.items()]
    with started(tree, VAL, MODEL) as run:
        wait_for(lambda: all(part.is_file() for part in parts), run)
        for name in names.values():
            path = photograph(tree, name)
            path.write_bytes(path.read_bytes() + b" ")
        assert run.poll() is None, "the run was to be at work still"
        output, _ = run.communicate(timeout=600)
        assert run.returncode == 0, output[-4000:]
    change = yaml.safe_load((tree.path / "long.yaml").read_text())
    assert tree.stale(change, "--", VAL, MODEL) == {
        **{f"check_images_{split}_{shard:03d}": 1 for split, shard in shards.items()},
        "manifest_train": 1,
        "manifest_val": 1,
        "train_cam": 1,
    }
    again = tree.snakemake("long.yaml", "--", VAL, MODEL)
    assert again.returncode == 0, again.stdout[-4000:]
    for split, name in names.items():
        record = load_manifest(manifests / f"{split}.json").record(name)
        assert record.sha256 == sha256_file(photograph(tree, name))
    assert "Nothing to be done" in tree.snakemake("long.yaml", "--", VAL, MODEL).stdout


def first_id(tree: Tree, split: str) -> str:
    listed = tree.path / "photos" / "ImageSets" / "Segmentation" / f"{split}.txt"
    return listed.read_text().split()[0]


def photograph(tree: Tree, name: str) -> Path:
    return tree.path / "photos" / "JPEGImages" / f"{name}.jpg"
