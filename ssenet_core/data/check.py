"""Checks of a dataset: every image of a split is read once, and its manifest written.

A split is checked in parts, one a shard, which are joined after, so that a new image costs the
check of one shard. Raises one `SSENetError` that lists everything that is wrong with the dataset,
and leaves no file.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ssenet_core.data.dataset import (
    SPLITS,
    annotation_path,
    class_names,
    has_ground_truth,
    image_path,
    list_path,
    listed_ids,
    mask_path,
    split_ids,
    tag_table,
)
from ssenet_core.data.manifest import ImageRecord, load_manifest, write_manifest
from ssenet_core.data.prepare import read_originals
from ssenet_core.data.tags import TagTable, label_values, tags_from_xml
from ssenet_core.errors import SSENetError, listing, shown
from ssenet_core.io.files import is_file, sha256_file
from ssenet_core.io.images import VOID, load_image, read_mask
from ssenet_core.jobs import progress
from ssenet_core.settings import DatasetSettings

T = TypeVar("T")


def check_images(
    *,
    dataset: DatasetSettings,
    split: str,
    ids: Sequence[str],
    output: str | Path,
    prepared: str | Path | None = None,
) -> None:
    """Check some images of a split and write a manifest of them.

    Args:
        dataset: the `dataset` section of the config.
        split: train, pseudo_eval, val or test.
        ids: the images.
        output: the manifest of these images.
        prepared: record of the photographs that these are working copies of.

    Raises:
        SSENetError: an image is bad; then the whole dataset is checked and all is listed.
    """
    records, problems = examine_images(dataset, split, ids)
    if problems and dataset.working_size is None:  # else other splits may not be prepared yet
        _refuse(
            dataset, {name: split_problems(dataset, name) for name in configured_splits(dataset)}
        )
    _refuse(dataset, {split: problems})
    known = read_originals(prepared) if prepared else {}
    named = [record.model_copy(update={"original": known.get(record.id)}) for record in records]
    write_manifest(output, dataset, split, named)


def join_manifests(
    *, dataset: DatasetSettings, split: str, parts: Sequence[str | Path], output: str | Path
) -> None:
    """Write the manifest of a split from the manifests of its parts.

    For the training split the other splits are checked too, so that a fault anywhere in the dataset
    is reported before a training starts.

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
        split: _list_problems(dataset, split)
        + _learning_problems(dataset, split, [*records.values()])
    }
    if split == "train":
        others = [name for name in configured_splits(dataset) if name != split]
        problems |= {name: split_problems(dataset, name) for name in others}
    _refuse(dataset, problems)
    ids = split_ids(dataset, split)
    if missing := [image_id for image_id in ids if image_id not in records]:
        raise SSENetError(
            f"{len(missing)} images changed while the dataset was read, run the workflow again: "
            f"{', '.join(missing)}"
        )
    write_manifest(output, dataset, split, [records[image_id] for image_id in ids])


def check_split(*, dataset: DatasetSettings, split: str, output: str | Path) -> None:
    """Check every image of a split and write its manifest; `SSENetError` lists all faults."""
    records, problems = _examine_split(dataset, split)
    _refuse(dataset, {split: problems})
    write_manifest(output, dataset, split, records)


def split_problems(dataset: DatasetSettings, split: str) -> list[str]:
    """Everything that is wrong with a split: its lists and its images."""
    return _examine_split(dataset, split)[1]


def configured_splits(dataset: DatasetSettings) -> list[str]:
    """The splits that the dataset has."""
    return [split for split in SPLITS if split_ids(dataset, split)]


def _refuse(dataset: DatasetSettings, problems: Mapping[str, Sequence[str]]) -> None:
    """Raise one error about the problems of all splits, if there are any."""
    lists = [
        listing(f"dataset {dataset.name}, split {split}: {len(found)} problem(s)", found)
        for split, found in problems.items()
        if found
    ]
    if lists:
        raise SSENetError("\n".join(lists))


# Lists


def _examine_split(dataset: DatasetSettings, split: str) -> tuple[list[ImageRecord], list[str]]:
    records, faults = examine_images(dataset, split, split_ids(dataset, split))
    faults = faults or _learning_problems(dataset, split, records)
    return records, _list_problems(dataset, split) + faults


def _list_problems(dataset: DatasetSettings, split: str) -> list[str]:
    """What is wrong with a split's lists of ids and tags, before any image is looked at."""
    counts = Counter(listed_ids(dataset, split))
    if not counts:
        return [f"the split {split} has no images: see dataset.lists.{split} in the config"]
    problems = [f"image {i}: listed {count} times" for i, count in counts.items() if count > 1]
    ids = {name: set(split_ids(dataset, name)) for name in configured_splits(dataset)}
    for other in (name for name in ids if name not in _may_share(split, ids)):
        problems += [f"image {i}: also in split {other}" for i in counts if i in ids[other]]
    if split == "pseudo_eval" and "train" in ids:
        problems += [f"image {i}: not in split train" for i in counts if i not in ids["train"]]
    table = tag_table(dataset, split)
    return problems + list(table.problems if table else ())


def _may_share(split: str, splits: Iterable[str]) -> set[str]:
    """The splits that may have images of this one.

    The images of pseudo_eval are those of train: what shares them is reported once.
    """
    if split in {"train", "pseudo_eval"}:
        return {"train", "pseudo_eval"}
    return {split, "pseudo_eval"} if "train" in splits else {split}


def _learning_problems(
    dataset: DatasetSettings, split: str, records: Sequence[ImageRecord]
) -> list[str]:
    """Why no network can learn from the records of the whole training split, if none can."""
    if split != "train" or not records:
        return []
    problem = learning_problem([record.known_tags for record in records], class_names(dataset))
    return [problem] if problem else []


def learning_problem(tags: Iterable[Sequence[Any]], classes: Sequence[str]) -> str | None:
    """Why nothing can be learnt from training images with these tags; None where something can.

    A class is told from the images without it, so one class alone needs images without any.

    Args:
        tags: of each image, as names or label values.
        classes: names of the foreground classes.
    """
    tagged = [bool(own) for own in tags]
    if not any(tagged):
        return (
            f"no training image has any of the classes ({shown(', '.join(classes))}); "
            "tags say what is in an image, and in a mask 255 is void, no class"
        )
    if len(classes) == 1 and all(tagged):
        return (
            f"every training image has {classes[0]!r}, the only class: what a class looks like is "
            "learnt from images without it; add some (in a table, rows with an empty cell)"
        )
    return None


# Images


def examine_images(
    dataset: DatasetSettings, split: str, ids: Sequence[str]
) -> tuple[list[ImageRecord], list[str]]:
    """Records of the good images among `ids`, and everything that is wrong with the others.

    Images are decoded whole. Masks are read where the split is evaluated or where tags come from
    them. The tags of a training image must be known, if only that it has none of the classes; a
    test image needs neither tags nor a mask.
    """
    examine = partial(
        _examine,
        dataset=dataset,
        split=split,
        classes={name: value for value, name in enumerate(class_names(dataset), start=1)},
        table=tag_table(dataset, split),
    )
    records, problems = [], []
    for image_id in progress(ids, total=len(ids), description=f"checking {split}"):
        record, faults = examine(image_id)
        problems += faults
        if record is not None:
            records.append(record)
    return records, problems


def _examine(
    image_id: str,
    *,
    dataset: DatasetSettings,
    split: str,
    classes: Mapping[str, int],
    table: TagTable | None,
) -> tuple[ImageRecord | None, list[str]]:
    """One image's record, and everything that is wrong with it."""
    problems: list[str] = []

    def tried(action: Callable[[], T]) -> T | None:
        try:
            return action()
        except SSENetError as error:
            problems.append(str(error))
            return None

    image, mask = image_path(dataset, image_id), mask_path(dataset, image_id)
    truth = has_ground_truth(dataset, split)
    source = tag_source(dataset, image_id, table, has_mask=bool(mask) and split != "test")
    labels = None
    size = tried(lambda: _image_size(dataset, split, image))
    if size and mask and (truth or source == "masks"):
        labels = tried(lambda: _mask_labels(mask, size, len(classes)))
    tags = tried(lambda: find_tags(dataset, image_id, classes=classes, table=table, labels=labels))
    if split == "train" and source is None:
        missing = _missing_tags(dataset, image_id, table)
        problems.append(f"{image}: a training image needs tags: {missing}")
    if problems or size is None:
        return None, problems
    return (
        ImageRecord(
            id=image_id,
            image=image,
            mask=mask if truth else None,
            width=size[0],
            height=size[1],
            tags=tags,
            sha256=sha256_file(image),
            mask_sha256=sha256_file(mask) if truth and mask else None,
        ),
        problems,
    )


def _image_size(dataset: DatasetSettings, split: str, image: Path) -> tuple[int, int]:
    name = dataset.lists.of(split)
    _require_file(image, f"; its list is {list_path(dataset, name)}" if name else "")
    return load_image(image).size


def _mask_labels(mask: Path, size: tuple[int, int], classes: int) -> NDArray[np.uint8]:
    _require_file(mask, "; dataset.mask_dir: null is for images without masks")
    return read_mask(mask, size=size, classes=classes)


def _require_file(path: Path, hint: str = "") -> None:
    try:
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise SSENetError(f"{path}: listed, but there is no such file{hint}") from error
    except OSError as error:
        raise SSENetError(f"{path}: cannot read it ({error})") from error
    if size == 0:
        raise SSENetError(f"{path}: the file is empty")


# Image-level labels


def tag_source(
    dataset: DatasetSettings, image_id: str, table: TagTable | None, *, has_mask: bool
) -> str | None:
    """The first of the sources `dataset.tags` that knows the image: csv, xml or masks, or None."""
    for source in dataset.tags:
        if source == "csv" and table and image_id in table.rows:
            return source
        if source == "xml" and is_file(annotation_path(dataset, image_id)):
            return source
        if source == "masks" and has_mask:
            return source
    return None


def find_tags(
    dataset: DatasetSettings,
    image_id: str,
    *,
    classes: Mapping[str, int],
    table: TagTable | None,
    labels: NDArray[np.uint8] | None,
) -> tuple[int, ...] | None:
    """The image's tags from the first source that knows the image; None when none does.

    A source that says that the image has none of the classes (a row with an empty cell, an
    annotation without objects, a mask of background) is believed.

    Args:
        dataset: settings; `tags` is the order of the sources.
        image_id: the image.
        classes: label value of each class name.
        table: the table of tags, if the split has one.
        labels: the mask, (H, W), if the image has one whose values are known to be right.

    Returns:
        Label values, ascending; empty where the image has none of the classes.

    Raises:
        SSENetError: the annotation cannot be read, or a tag is not a class.
    """
    source = tag_source(dataset, image_id, table, has_mask=labels is not None)
    if source == "csv" and table:
        return label_values(table.rows[image_id], classes, f"{table.path}: image {image_id}")
    if source == "xml":
        path = annotation_path(dataset, image_id)
        return label_values(tags_from_xml(path), classes, str(path))
    return tags_from_mask(labels) if source == "masks" and labels is not None else None


def tags_from_mask(labels: NDArray[np.uint8]) -> tuple[int, ...]:
    """Label values in a mask (H, W), background and void left out, ascending."""
    return tuple(int(value) for value in np.unique(labels) if value not in {0, VOID})


def _missing_tags(dataset: DatasetSettings, image_id: str, table: TagTable | None) -> str:
    """Where `find_tags` looked for an image's tags, in words."""
    missing = {
        "csv": f"no row in {table.path}" if table else "no tags file",
        "xml": f"no {annotation_path(dataset, image_id)}",
        "masks": f"no {mask_path(dataset, image_id) or 'mask'}",
    }
    found = ", ".join(missing[source] for source in dataset.tags)
    return f"{found}; a row with an empty cell says: none of the classes" if table else found
