"""What a change makes stale, and what it leaves alone: the sets of rules that would run again."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from workflow_tree import Tree, put_back

from ssenet_core.data.dataset import shard_of
from ssenet_core.io.files import read_json

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("workflow")]

SHARDS = 2
BOTH = range(SHARDS)


def shards(rule: str, split: str, numbers: Any = BOTH, count: int = 1) -> dict[str, int]:
    """The rules of a stage's shards, each `count` times."""
    return {f"{rule}_{split}_{number:03d}": count for number in numbers}


PREDICTIONS = {
    **shards("predict", "val"),
    "predict_gallery": 1,
    "measure_agreement": 1,
    "evaluate_predictions": 1,
    "report": 1,
}
FROM_DEEPLAB = {"train_deeplab": 1, **PREDICTIONS}
FROM_WALK = {**shards("random_walk", "train"), "evaluate_pseudo_labels": 1, **FROM_DEEPLAB}
FROM_AFFINITY = {"train_affinity": 1, **FROM_WALK}
FROM_REFINE = {**shards("refine_cam", "train"), "evaluate_crf": 1, **FROM_AFFINITY}
FROM_MAPS = {**shards("infer_cam", "train"), "evaluate_cam_pseudo_eval": 1, **FROM_REFINE}
FROM_CAM = {"train_cam": 1, "evaluate_equivariance": 1, "score_tags": 1, **FROM_MAPS}

CONFIG_CHANGES = {
    "nothing": ({}, {}),
    "evaluation alpha": (
        {"evaluation": {"alpha": 0.3}},
        {"evaluate_cam_pseudo_eval": 2, "report": 1},
    ),
    "equivariance angles": (
        {"evaluation": {"equivariance": {"angles": [5]}}},
        {"evaluate_equivariance": 2, "report": 1},
    ),
    "CRF iterations": ({"refine": {"iterations": 3}}, FROM_REFINE),
    "random-walk beta": (
        {"affinity": {"defaults": {"random_walk": {"beta": 4}}}},
        FROM_WALK,
    ),
    "DeepLab learning rate": ({"deeplab": {"defaults": {"optimizer": {"lr": 0.02}}}}, FROM_DEEPLAB),
    "prediction scales": (
        {"deeplab": {"defaults": {"prediction": {"scales": [0.5]}}}},
        PREDICTIONS,
    ),
    "two folds of tags": (
        {"tags": {"folds": 2}},
        # A network and the one that it starts from, without each of the folds.
        {"split_folds": 1, "train_fold": 4, "score_tags": 1, "report": 1},
    ),
    "map scales of ssenet": (
        {"cam": {"variants": {"ssenet": {"inference": {"scales": [1.0]}}}}},
        FROM_MAPS,
    ),
    "SER weight of ssenet": ({"cam": {"variants": {"ssenet": {"ser": {"weight": 2.0}}}}}, FROM_CAM),
    "SER transforms of ssenet": (
        {"cam": {"variants": {"ssenet": {"ser": {"transforms": ["flip", "rotate"]}}}}},
        FROM_CAM,
    ),
    "SER rate of baseline, which has none": (
        {"cam": {"variants": {"baseline": {"ser": {"rate": 0.4}}}}},
        {"report": 1},
    ),
    "an unused variant": ({"cam": {"variants": {"other": {"epochs": 3}}}}, {}),
    "workers and threads": (
        {
            "compute": {
                "training_threads": 2,
                "workers": 1,
                "train_mem_mb": 3000,
                "shard_mem_mb": 1500,
            },
            "cam": {"defaults": {"save_every": 7}},
            "affinity": {"defaults": {"save_every": 7}},
            "deeplab": {"defaults": {"save_every": 7}},
        },
        {},
    ),
}


@pytest.mark.parametrize(("change", "stale"), CONFIG_CHANGES.values(), ids=CONFIG_CHANGES.keys())
def test_a_change_of_config_reruns(
    finished: Tree, change: dict[str, Any], stale: dict[str, int]
) -> None:
    assert finished.stale(change) == stale


def test_another_seed_leaves_the_first_ones_files(finished: Tree) -> None:
    stale = finished.stale({"run": {"seeds": [0, 1]}})
    assert stale["train_cam"] == 3  # the one that both start from, too
    assert stale["train_affinity"] == stale["train_deeplab"] == 1


def test_weights_that_are_not_there_end_before_any_job(finished: Tree) -> None:
    """Snakemake by itself would keep the networks that were trained from others."""
    change = "cam={defaults: {epochs: 7, backbone: {weights: none.pth}}}"
    run = finished.snakemake("--dry-run", "--config", change)
    assert run.returncode == 1
    assert "cam: backbone.weights: none.pth: no such file" in run.stdout
    assert "Traceback" not in run.stdout


def test_other_core_counts_rerun_nothing(finished: Tree) -> None:
    assert finished.stale({}, "--cores", "1") == {}


@pytest.mark.parametrize("split", ["train", "val"])
def test_an_added_image_reruns_its_split_only(finished: Tree, split: str) -> None:
    listed = finished.path / "photos" / "ImageSets" / "Segmentation" / f"{split}.txt"
    new = unlisted(finished.path / "photos")[split]
    own = [shard_of(new, SHARDS)]
    checks = {**shards("check_images", split, own), f"manifest_{split}": 1, "evaluate_trivial": 1}
    val = {**shards("predict", "val", own), "evaluate_predictions": 1, "report": 1}
    # Both variants, and the one that they start from.
    twice = {
        "train_cam": 3,
        "evaluate_equivariance": 2,
        "evaluate_cam_pseudo_eval": 2,
        **shards("infer_cam", "train", count=2),
    }
    train = {"manifest_pseudo_eval": 1, **FROM_CAM, **twice}
    with put_back(listed):
        listed.write_text(f"{listed.read_text()}{new}\n")
        assert finished.stale() == {**checks, **(train if split == "train" else val)}


def test_a_changed_image_reruns_its_shard(finished: Tree) -> None:
    name = (finished.path / "photos/ImageSets/Segmentation/val.txt").read_text().split()[0]
    image = finished.path / "photos" / "JPEGImages" / f"{name}.jpg"
    own = [shard_of(name, SHARDS)]
    with put_back(image):
        image.write_bytes(image.read_bytes() + b" ")
        assert finished.stale() == {
            **shards("check_images", "val", own),
            "manifest_val": 1,
            "evaluate_trivial": 1,
            **shards("predict", "val", own),
            "evaluate_predictions": 1,
            "report": 1,
        }


def test_a_change_is_not_masked_by_an_added_image(finished: Tree) -> None:
    listed = finished.path / "photos" / "ImageSets" / "Segmentation" / "val.txt"
    new = unlisted(finished.path / "photos")["val"]
    scales = {"deeplab": {"defaults": {"prediction": {"scales": [0.5]}}}}
    with put_back(listed):
        listed.write_text(f"{listed.read_text()}{new}\n")
        stale = finished.stale(scales)
    assert {*shards("predict", "val"), "predict_gallery"} <= stale.keys()


@pytest.mark.parametrize(
    ("folder", "suffix", "rule", "after"),
    [
        (
            "cam/ssenet/maps/train",
            "h5",
            "infer_cam",
            {"evaluate_cam_pseudo_eval": 1, **FROM_REFINE},
        ),
        (
            "cam/ssenet/affinity_labels/train",
            "h5",
            "refine_cam",
            {"evaluate_crf": 1, **FROM_AFFINITY},
        ),
        (
            "affinity/ssenet/default/pseudo_labels/train",
            "png",
            "random_walk",
            {"evaluate_pseudo_labels": 1, **FROM_DEEPLAB},
        ),
        (
            "deeplab/ssenet/default/default/predictions/val",
            "png",
            "predict",
            {"evaluate_predictions": 1, "report": 1},
        ),
    ],
)
def test_a_deleted_file_reruns_its_shard_and_what_follows(
    finished: Tree, folder: str, suffix: str, rule: str, after: dict[str, int]
) -> None:
    files = sorted((finished.results / folder).glob(f"*.{suffix}"))
    own = [shard_of(files[0].stem, SHARDS)]
    split = Path(folder).name
    aside = files[0].with_suffix(".aside")
    files[0].rename(aside)
    try:
        stale = finished.stale()
    finally:
        aside.rename(files[0])
    if rule == "infer_cam":  # the other shards' maps, and so their refined maps, stay as they are
        other = [number for number in BOTH if number not in own]
        after = {
            key: n for key, n in after.items() if key not in shards("refine_cam", "train", other)
        }
    assert stale == {**shards(rule, split, own), **after}


@pytest.mark.parametrize("changed", ["ssenet_core/crf.py", "workflow_scripts/refine_cam.py"])
def test_code_counts_by_what_it_computes_not_by_its_date(finished: Tree, changed: str) -> None:
    file = finished.path / changed
    with put_back(file):
        file.write_text(f"# A remark.\n{file.read_text()}")
        assert finished.stale() == {}
        file.write_text(f"{file.read_text()}\nA_CONSTANT = 1\n")
        os.utime(file, (0, 0))
        assert finished.stale() == FROM_REFINE


def test_a_deleted_file_is_made_again(finished: Tree) -> None:
    prediction = next(finished.results.glob("deeplab/*/*/*/predictions/val/*.png"))
    before = prediction.read_bytes()
    prediction.unlink()
    run = finished.snakemake()
    assert run.returncode == 0, run.stdout
    assert prediction.read_bytes() == before
    assert finished.stale() == {}


def test_a_job_that_has_a_gpu_writes_the_same_files_beside_it(finished: Tree) -> None:
    """Where there is none the network runs on the CPU, but another process writes."""
    assert finished.stale({"compute": {"gpus": 1}}) == {}
    prediction = next(finished.results.glob("deeplab/*/*/*/predictions/val/*.png"))
    before = prediction.read_bytes()
    prediction.unlink()
    run = finished.snakemake("--config", "compute={gpus: 1}")
    assert run.returncode == 0, run.stdout
    logs = [log.read_text() for log in finished.path.glob("logs/tiny/predict/*/*/*/val/*.log")]
    assert sum("1 process writes beside it" in log for log in logs) == 1
    assert prediction.read_bytes() == before
    assert finished.stale() == {}


def test_a_correction_reruns_deeplab_and_nothing_before(made_once: Path, tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree")
    shutil.copytree(made_once, tree.path, symlinks=True)
    change: dict[str, Any] = {"dataset": {"corrections": "mended"}}
    photos, mended = tree.path / "photos", tree.path / "photos" / "mended"
    name, other = (photos / "ImageSets/Segmentation/train.txt").read_text().split()[:2]
    mended.mkdir()
    shutil.copy(photos / "SegmentationClass" / f"{name}.png", mended)
    first = {"corrections": 1, **FROM_DEEPLAB}
    assert tree.stale(change) == first
    used = {"affinity": {"defaults": {"use_corrections": True}}}
    assert tree.stale(change | used) == {"corrections": 1, **FROM_AFFINITY}
    run = tree.snakemake("--config", "dataset={corrections: mended}")
    assert run.returncode == 0, run.stdout[-8000:]
    assert "1 corrected photograph:" in (tree.results / "report" / "index.html").read_text()
    (mended / f"{name}.png").touch()
    assert tree.stale(change) == {}
    shutil.copy(photos / "SegmentationClass" / f"{other}.png", mended)
    assert tree.stale(change) == first
    (mended / f"{other}.png").rename(mended / "stranger.png")
    run = tree.snakemake("--config", "dataset={corrections: mended}")
    assert run.returncode == 1
    assert "stranger.png: no training image is called so" in run.stdout


def unlisted(photos: Path) -> dict[str, str]:
    """The image of each split that is on disk and in no list."""
    listed = {
        split: (photos / "ImageSets" / "Segmentation" / f"{split}.txt").read_text().split()
        for split in ("train", "val")
    }
    names = sorted(path.stem for path in (photos / "JPEGImages").glob("*.jpg"))
    left = [name for name in names if name not in {*listed["train"], *listed["val"]}]
    return dict(zip(("train", "val"), left, strict=True))


def test_the_tables_want_every_variant_and_its_walk(finished: Tree) -> None:
    stale = finished.stale({"paper": {"table1": ["baseline", "ssenet-0.6"]}}, "table1", "table2")
    assert stale["train_cam"] == 2  # ssenet-0.6 and baseline-wide
    assert stale["train_affinity"] == 2
    assert {"table1", "table2", "evaluate_pseudo_labels"} <= stale.keys()
    assert "train_deeplab" not in stale


def test_the_papers_figures_are_made_from_what_is_there(finished: Tree) -> None:
    targets = ["figure1", "figure2", "figure4", "figure5", "figure6", "table3"]
    none_in_the_report = finished.stale({"run": {"gallery": 0}}, "figure2", "figure6")
    assert none_in_the_report == {"figure2": 1, "figure6": 1}
    assert finished.stale({}, *targets) == {"evaluate_scales": 2, **dict.fromkeys(targets, 1)}
    run = finished.snakemake("--", *targets)
    assert run.returncode == 0, run.stdout
    for figure in targets[:-1]:
        with Image.open(finished.results / "paper" / f"{figure}.png") as picture:
            assert min(picture.size) > 100
            assert len(picture.convert("RGB").getcolors(1 << 24)) > 10
    table = read_json(finished.results / "paper" / "table3.json")
    assert [row[0] for row in table["rows"]] == ["this run: ssenet/default/default"]
