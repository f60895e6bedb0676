"""A split's manifest in parts: each shard's images are checked by themselves, and joined after.

In: the dataset's settings, a split, the ids of a shard or the manifests of all shards. Out: a
manifest of the shard or of the split, so that a new image costs the check of one shard. Fails with
one `SSENetError` that lists everything that is wrong with the dataset, and leaves no file.
"""

from collections.abc import Sequence
from pathlib import Path

from ssenet_core.data.dataset import SPLITS, split_ids
from ssenet_core.data.layout import unique
from ssenet_core.data.manifest import (
    examine_images,
    list_problems,
    load_manifest,
    refuse,
    teaching_problems,
    write_manifest,
)
from ssenet_core.data.manifest_entries import ImageRecord
from ssenet_core.errors import SSENetError
from ssenet_core.settings import DatasetSettings


def check_images(
    *, dataset: DatasetSettings, split: str, ids: Sequence[str], output: str | Path
) -> None:
    """Check some images of a split and write a manifest of them.

    Args:
        dataset: the `dataset` section of the config.
        split: train, pseudo_eval, val or test.
        ids: the images.
        output: the manifest of these images.

    Raises:
        SSENetError: an image is bad; then the whole dataset is gone through and all is listed.
    """
    records, problems = examine_images(dataset, split, ids)
    if problems and dataset.working_size is None:  # else other splits may not be prepared yet
        refuse(dataset, {name: split_problems(dataset, name) for name in configured(dataset)})
    refuse(dataset, {split: problems})
    write_manifest(output, dataset, split, records)


def join_manifests(
    *, dataset: DatasetSettings, split: str, parts: Sequence[str | Path], output: str | Path
) -> None:
    """Write the manifest of a split from the manifests of its parts.

    The other splits are gone through when it is the training split, so that a fault anywhere in the
    dataset is told before a training starts.

    Args:
        dataset: the `dataset` section of the config.
        split: train, val or test.
        parts: manifests that hold every image of the split.
        output: the manifest of the split, in the order of its list.

    Raises:
        SSENetError: ids are listed twice or shared by splits that must not share any, a part lacks
            an image, nothing can be learnt from the tags, or another split is bad; all is listed.
    """
    records = {record.id: record for part in parts for record in load_manifest(part).images}
    problems = {
        split: list_problems(dataset, split, *_relations(dataset, split))
        + teaching_problems(dataset, split, [*records.values()])
    }
    if split == "train":
        others = [name for name in configured(dataset) if name != split]
        problems |= {name: split_problems(dataset, name) for name in others}
    refuse(dataset, problems)
    write_manifest(output, dataset, split, _ordered(records, split_ids(dataset, split)))


def check_split(*, dataset: DatasetSettings, split: str, output: str | Path) -> None:
    """Check every image of a split and write its manifest; `SSENetError` lists all faults."""
    ids = split_ids(dataset, split)
    records, faults = examine_images(dataset, split, ids)
    refuse(dataset, {split: list_problems(dataset, split, *_relations(dataset, split)) + faults})
    write_manifest(output, dataset, split, records)


def split_problems(dataset: DatasetSettings, split: str) -> list[str]:
    """Everything that is wrong with a split: its lists and its images."""
    problems = list_problems(dataset, split, *_relations(dataset, split))
    records, faults = examine_images(dataset, split, split_ids(dataset, split))
    return problems + (faults or teaching_problems(dataset, split, records))


def configured(dataset: DatasetSettings) -> list[str]:
    """The splits that the dataset has."""
    return [split for split in SPLITS if split_ids(dataset, split)]


def _relations(
    dataset: DatasetSettings, split: str
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Ids of the splits that must share no image with this one, and of those that hold it all."""
    parent = {"train"} if split == "pseudo_eval" else set()
    kin = {"train", "pseudo_eval"} if split in {"train", "pseudo_eval"} else {split}
    others = {name: split_ids(dataset, name) for name in configured(dataset)}
    apart = {name: ids for name, ids in others.items() if name not in kin}
    if "train" in apart:
        apart.pop("pseudo_eval", None)  # its images are train's: say it once
    return apart, {name: others[name] for name in parent & others.keys()}


def _ordered(records: dict[str, ImageRecord], ids: Sequence[str]) -> list[ImageRecord]:
    missing = [image_id for image_id in unique(list(ids)) if image_id not in records]
    if missing:
        raise SSENetError(
            f"{len(missing)} images changed while the dataset was read, run the workflow again: "
            f"{', '.join(missing)}"
        )
    return [records[image_id] for image_id in unique(list(ids))]
