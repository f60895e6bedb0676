"""The paper's recipe planned over a folder of VOC 2012's shape: the same lists, empty files."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from workflow_tree import REPOSITORY

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("plan")]

# VOC 2012's numbers: SBD adds 9,118 images to the 1,464 of train.
TRAIN, VAL, SBD, TEST = 1464, 1449, 9118, 1456
TABLES = [f"table{number}" for number in (1, 2, 3)]
FIGURES = [f"figure{number}" for number in (1, 2, 4, 5, 6)]
SHARDS = 144


def make_voc(root: Path) -> None:
    """VOC 2012 with SBD's masks, every file empty but the lists."""
    ids = [f"{2007 + number % 6}_{number:06d}" for number in range(TRAIN + VAL + SBD + TEST)]
    train, rest = ids[:TRAIN], ids[TRAIN:]
    val, sbd, test = rest[:VAL], rest[VAL : VAL + SBD], rest[VAL + SBD :]
    lists = {"train": train, "val": val, "train_aug": train + sbd, "test": test}
    folders = {
        "JPEGImages": ("jpg", ids),
        "Annotations": ("xml", train + val + sbd),
        "SegmentationClass": ("png", train + val),
        "SegmentationClassAug": ("png", train + val + sbd),
    }
    for folder, (suffix, names) in folders.items():
        (root / folder).mkdir(parents=True)
        for name in names:
            (root / folder / f"{name}.{suffix}").touch()
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    for split, names in lists.items():
        text = "".join(f"{name}\n" for name in names)
        (root / "ImageSets" / "Segmentation" / f"{split}.txt").write_text(text)


def test_every_table_and_figure_of_the_paper_has_a_plan(tmp_path: Path) -> None:
    make_voc(tmp_path / "data" / "VOC2012")
    weights = tmp_path / "data" / "weights" / "resnet38_imagenet.safetensors"
    weights.parent.mkdir()
    weights.touch()
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
    recipe = ["--configfile", str(REPOSITORY / "recipes" / "voc2012.yaml")]
    options = ["--config", "dataset={lists: {test: test}}", "--cores", "1", "--dry-run", "--quiet"]
    run = subprocess.run(
        [*command, *recipe, *options, "reason", "--", "all", *TABLES, *FIGURES],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-8000:]
    table = re.search(r"^Job stats:\n.*?^total", run.stdout, re.M | re.S)
    assert table is not None, run.stdout[-8000:]
    jobs = Counter[str]()
    for rule, count in re.findall(r"^(\w+?)(?:_\d{3})? +(\d+)$", table.group(), re.M):
        jobs[rule] += int(count)
    assert not [rule for rule in jobs if "download" in rule or "convert" in rule]
    # Table 1 has the baseline and five rates; Table 2 adds one range, whose score is the CAM's own.
    assert jobs["train_cam"] == jobs["evaluate_cam_pseudo_eval"] == 7
    assert jobs["infer_cam_train"] == 7 * SHARDS
    assert jobs["train_affinity"] == jobs["evaluate_pseudo_labels"] == 6
    assert jobs["refine_cam_train"] == jobs["random_walk_train"] == 6 * SHARDS
    assert jobs["train_deeplab"] == jobs["test_archive"] == 1
    assert jobs["predict_val"] == jobs["predict_test"] == SHARDS
    assert {name: jobs[name] for name in TABLES + FIGURES} == dict.fromkeys(TABLES + FIGURES, 1)
