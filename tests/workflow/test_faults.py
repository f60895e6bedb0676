"""What a user can get wrong, and what a killed job leaves behind; what names may be asked for."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from workflow_tree import Tree, copy_tree

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("workflow")]


def test_a_mistake_in_the_config_ends_before_any_job(fresh: Tree) -> None:
    run = fresh.snakemake("--config", "cam={defaults: {epoch: 3}}", "refine={alpha: 1.5}")
    assert run.returncode == 1
    assert "cam.defaults.epoch: unknown key" in run.stdout
    assert "did you mean epochs?" in run.stdout
    assert "refine.alpha: found '1.5', input should be less than 1" in run.stdout
    assert "Traceback" not in run.stdout
    assert ".smk" not in run.stdout
    assert not fresh.results.exists()


def test_a_missing_list_is_named(fresh: Tree) -> None:
    run = fresh.snakemake("--config", "dataset={lists: {val: nothing}}")
    assert run.returncode == 1
    assert "photos/ImageSets/Segmentation/nothing.txt" in run.stdout
    assert "Traceback" not in run.stdout


def test_scored_images_that_do_not_train_are_named(fresh: Tree) -> None:
    run = fresh.snakemake("--dry-run", "--config", "dataset={lists: {pseudo_eval: val}}")
    assert run.returncode == 1
    first = (fresh.path / "photos/ImageSets/Segmentation/val.txt").read_text().split()[0]
    assert "dataset.lists.pseudo_eval: images of training are scored" in run.stdout
    assert first in run.stdout


def test_a_drawing_that_got_lost_is_drawn_again(fresh: Tree) -> None:
    shapes = {"seed": 0, "train": 6, "val": 3, "size": 32, "classes": 2}
    drawn = {"name": "drawn", "source": "shapes", "root": None, "classes": None, "shapes": shapes}
    change = {"dataset": drawn}
    assert fresh.stale(change)["make_shapes"] == 1
    manifests = [f"results/drawn/manifest/{split}.json" for split in ("train", "val")]
    run = fresh.snakemake("change.yaml", "--", *manifests)
    assert run.returncode == 0, run.stdout
    assert "make_shapes" not in fresh.stale(change)
    next((fresh.path / "results/drawn/dataset/SegmentationClass").glob("*.png")).unlink()
    assert fresh.stale(change)["make_shapes"] == 1


def test_an_unknown_variant_is_told_the_known_ones(fresh: Tree) -> None:
    run = fresh.snakemake("--dry-run", "results/tiny/cam/ssenett/model.pt")
    assert run.returncode == 1
    assert "cam.variants has no 'ssenett'" in run.stdout
    assert "did you mean ssenet?" in run.stdout


def test_any_file_of_any_variant_and_seed_can_be_asked_for(fresh: Tree) -> None:
    name = (fresh.path / "photos/ImageSets/Segmentation/train.txt").read_text().split()[0]
    target = f"results/tiny/cam/baseline@7/maps/train/{name}.h5"
    stale = fresh.stale(
        {"cam": {"variants": {"baseline": {"backbone": {"weights": None}}}}}, target
    )
    assert stale["train_cam"] == 1
    assert sum(count for rule, count in stale.items() if rule.startswith("infer_cam")) == 1
    assert not {"train_affinity", "train_deeplab", "report"} & stale.keys()


def test_several_seeds_make_everything_once_a_seed(fresh: Tree) -> None:
    one, three = fresh.stale(), fresh.stale({"run": {"seeds": [0, 1, 2]}})
    assert three["train_deeplab"] == three["train_affinity"] == 3
    assert three["train_cam"] == 3 * one["train_cam"]
    assert three["report"] == 1


def test_a_dataset_without_scored_splits_has_a_plan(fresh: Tree) -> None:
    """Datasets without masks: nothing is scored but what needs none, everything else is made."""
    lists = {"pseudo_eval": None, "val": None}
    stale = fresh.stale({"dataset": {"lists": lists}})
    assert {"train_deeplab", "report"} <= stale.keys()
    scored = [rule for rule in stale if rule.startswith("evaluate")]
    assert scored == ["evaluate_equivariance"]


def test_the_cluster_profile_plans_the_same_jobs(fresh: Tree) -> None:
    profile = ("--workflow-profile", "profiles/slurm")
    assert fresh.stale({}, *profile) == fresh.stale()


def test_all_faults_of_a_dataset_are_told_before_a_training(tmp_path: Path) -> None:
    tree = copy_tree(tmp_path / "tree")
    photos = tree.path / "photos"
    train, val = (
        (photos / "ImageSets" / "Segmentation" / f"{split}.txt").read_text().split()
        for split in ("train", "val")
    )
    truncated, absent, bad_mask = (photos / "JPEGImages" / f"{train[0]}.jpg"), train[1], val[0]
    truncated.write_bytes(truncated.read_bytes()[:300])
    (photos / "JPEGImages" / f"{absent}.jpg").unlink()
    (photos / "SegmentationClass" / f"{bad_mask}.png").write_bytes(b"")
    run = tree.snakemake()
    assert run.returncode == 1
    for name in (train[0], absent, bad_mask):
        assert f"{name}." in run.stdout, run.stdout
    assert "Training" not in run.stdout
    assert "Traceback" not in run.stdout
    assert not (tree.results / "manifest" / "train.json").exists()
    assert not [path for path in tree.results.rglob("*") if path.name.startswith(".")]


def test_a_killed_training_leaves_no_checkpoint_and_goes_on(tmp_path: Path) -> None:
    tree = copy_tree(tmp_path / "tree")
    (tree.path / "long.yaml").write_text("cam: {variants: {ssenet: {epochs: 30}}}\n")
    checkpoint = tree.results / "cam" / "ssenet" / "model.pt"
    target = str(checkpoint.relative_to(tree.path))
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "tiny.yaml"]
    first = subprocess.Popen(
        [*command, "long.yaml", "--", target],
        cwd=tree.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for(lambda: any(checkpoint.parent.glob("resume/*")), first)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert not checkpoint.exists()
    assert tree.snakemake("--unlock").returncode == 0
    second = tree.snakemake("long.yaml", "--", target)
    assert second.returncode == 0, second.stdout
    assert checkpoint.exists()
    assert not any(checkpoint.parent.glob("resume/*"))


def wait_for(
    happened: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float = 180
) -> None:
    """Wait until something happened; fail when the process ends or the time is up first."""
    end = time.monotonic() + seconds
    while not happened():
        assert process.poll() is None, "Snakemake ended too early"
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)
