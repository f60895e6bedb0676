"""What the default target and the target `masks` ask for."""

import os

from ssenet_core.plan.base import Plan, per_image, record_path


def run_files(plan: Plan) -> list[str]:
    """What the run makes image by image: records that no job waits for, and lost files.

    Snakemake checks only the files that are asked for. Asking for every image's costs minutes
    and half a gigabyte at ten thousand images, so one lost file a shard is asked for, which has
    the shard made again. A record costs more here than as a job's input, where its wildcards
    are known.
    """
    scored = plan.all_cams if "pseudo_eval" in plan.scored else plan.chain_cams
    unscored = [cam for cam in plan.all_cams if cam not in scored]
    kinds = [  # folders, split, suffix, whether a job waits for all records
        (plan.of_cams("maps", scored), "train", ".h5", True),
        (plan.of_cams("maps", unscored), "train", ".h5", False),
        (plan.of_cams("affinity_labels", plan.chain_cams), "train", ".h5", True),
        (plan.of_chains("affinity", "pseudo_labels"), "train", ".png", True),
        (plan.of_chains("deeplab", "predictions"), "val", ".png", "val" in plan.scored),
    ]
    wanted = _lost_drawings(plan)
    for folders, split, suffix, awaited in kinds:
        for folder in folders:
            wanted += _wanted(plan, folder, split, suffix, awaited=awaited)
    return wanted


def _wanted(plan: Plan, folder: str, split: str, suffix: str, *, awaited: bool) -> list[str]:
    """What `run_files` asks for of one variant's files of a split."""
    there, done = _names_in(f"{folder}/{split}"), _names_in(f"{folder}/{split}.shards")
    wanted = []
    for shard, ids in plan.shards.get(split, {}).items():
        if not awaited:
            wanted.append(record_path(folder, split, shard))
        if f"{shard}.json" in done:
            lost = [name for name in ids if f"{name}{suffix}" not in there]
            wanted += per_image(f"{folder}/{split}", lost[:1], suffix)
    return wanted


def _lost_drawings(plan: Plan) -> list[str]:
    """The first lost files of a generated dataset, for which all are drawn again."""
    lost = []
    if plan.dataset.source == "shapes":
        for folder, suffix in (("JPEGImages", ".jpg"), ("SegmentationClass", ".png")):
            at = f"{plan.dataset.root}/{folder}"
            there = _names_in(at)
            ids = plan.ids["train"] + plan.ids["val"]
            missing = [name for name in ids if there and f"{name}{suffix}" not in there]
            lost += per_image(at, missing[:1], suffix)
    return lost


def mask_records(plan: Plan) -> list[str]:
    """Records of the run's masks at the originals' sizes; of the labels, where none are larger.

    These are pseudo labels of training images and predictions of validation images.
    """
    labels, predictions = ("masks",) * 2 if plan.originals else ("pseudo_labels", "predictions")
    folders = [(folder, "train") for folder in plan.of_chains("affinity", labels)]
    if "val" in plan.ids:
        folders += [(folder, "val") for folder in plan.of_chains("deeplab", predictions)]
    return [
        record_path(folder, split, shard)
        for folder, split in folders
        for shard in plan.shards[split]
    ]


def _names_in(folder: str) -> set[str]:
    """Names of the files in a folder, none where it does not exist."""
    return set(os.listdir(folder)) if os.path.isdir(folder) else set()  # noqa: PTH112, PTH208
