"""The manifest of a split: every image's files, size, tags and checksums, all checked once.

In: the dataset's settings and a split. Out: a JSON file, or one `SSENetError` that lists everything
that is wrong with the split, and no file. Later stages read the manifest and trust it.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from ssenet_core.data.dataset import (
    class_names,
    image_path,
    list_path,
    listed_ids,
    mask_path,
    masks_are_truth,
    tag_table,
)
from ssenet_core.data.layout import listing, shortened, unique
from ssenet_core.data.manifest_entries import ImageRecord, from_json, of_kind, to_json
from ssenet_core.data.tag_table import TagTable
from ssenet_core.data.tags import find_tags, missing_tags, read_mask, unlearnable, uses_mask
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import read_json, sha256_file, write_json
from ssenet_core.io.images import load_image
from ssenet_core.jobs import progress
from ssenet_core.settings import DatasetSettings

LOG = logging.getLogger("ssenet")
FORMAT = "ssenet manifest"
FORMAT_VERSION = 2  # 1 did not tell images without classes from images without tags


@dataclass(frozen=True)
class Manifest:
    """A split: its images in their order, and the foreground classes (label value = place + 1)."""

    dataset: str
    split: str
    classes: tuple[str, ...]
    images: tuple[ImageRecord, ...]

    @property
    def num_classes(self) -> int:
        """Number of classes with the background."""
        return len(self.classes) + 1

    @property
    def without_classes(self) -> int:
        """Number of images that are known to have none of the classes."""
        return sum(record.tags == () for record in self.images)

    @cached_property
    def _by_id(self) -> dict[str, ImageRecord]:
        return {record.id: record for record in self.images}

    def record(self, image_id: str) -> ImageRecord:
        """The image with this id; `SSENetError` when the split has none."""
        try:
            return self._by_id[image_id]
        except KeyError:
            raise SSENetError(
                f"image {image_id}: not in the manifest of {self.dataset}, split {self.split}"
            ) from None

    def select(self, ids: Sequence[str]) -> list[ImageRecord]:
        """The images with these ids, in this order."""
        return [self.record(image_id) for image_id in ids]


def build_manifest(
    *,
    dataset: DatasetSettings,
    split: str,
    output: str | Path,
    disjoint_from: Mapping[str, Sequence[str]],
    subset_of: Mapping[str, Sequence[str]] | None = None,
    workers: int = 1,
) -> None:
    """Check every image of a split and write its manifest.

    Images are decoded whole. Masks are read where the split is scored or where tags come from them.
    The tags of a training image must be known, if only that it has none of the classes; a test
    image needs neither tags nor a mask.

    Args:
        dataset: the `dataset` section of the config.
        split: train, pseudo_eval, val or test.
        output: the manifest's path.
        disjoint_from: ids of other splits, by name, that must not share an image with this one.
        subset_of: ids of splits, by name, that must hold every image of this one.
        workers: threads that read images.

    Raises:
        SSENetError: lists every problem; nothing is written.
    """
    problems = list_problems(dataset, split, disjoint_from, subset_of or {})
    ids = unique(listed_ids(dataset, split))
    records, faults = examine_images(dataset, split, ids, workers=workers)
    faults = faults or teaching_problems(dataset, split, records)
    refuse(dataset, {split: problems + faults})
    write_manifest(output, dataset, split, records)


def examine_images(
    dataset: DatasetSettings, split: str, ids: Sequence[str], *, workers: int = 1
) -> tuple[list[ImageRecord], list[str]]:
    """Records of the good images among `ids`, and everything that is wrong with the others."""
    classes = class_names(dataset)
    examine = partial(
        _examine,
        dataset=dataset,
        split=split,
        classes={name: value for value, name in enumerate(classes, start=1)},
        table=tag_table(dataset, split),
    )
    records, problems = [], []
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        results = pool.map(examine, ids)
        for record, faults in progress(results, total=len(ids), description=f"checking {split}"):
            problems += faults
            if record is not None:
                records.append(record)
    return records, problems


def teaching_problems(
    dataset: DatasetSettings, split: str, records: Sequence[ImageRecord]
) -> list[str]:
    """Why no network can learn from the records of the whole training split, if none can."""
    if split != "train" or not records:
        return []
    problem = unlearnable([record.known_tags for record in records], class_names(dataset))
    return [problem] if problem else []


def refuse(dataset: DatasetSettings, problems: Mapping[str, Sequence[str]]) -> None:
    """Raise one `SSENetError` that lists every problem, split by split, if there is any."""
    lists = [
        listing(f"dataset {dataset.name}, split {split}: {len(found)} problem(s)", list(found))
        for split, found in problems.items()
        if found
    ]
    if lists:
        raise SSENetError("\n".join(lists))


def write_manifest(
    output: str | Path, dataset: DatasetSettings, split: str, records: Sequence[ImageRecord]
) -> None:
    """Write the records of a split, or of a part of it, as a manifest."""
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "dataset": dataset.name,
        "split": split,
        "classes": list(class_names(dataset)),
        "images": [to_json(record) for record in records],
    }
    write_json(output, content)
    masks = sum(record.mask is not None for record in records)
    without = sum(record.tags == () for record in records)
    LOG.info(
        "%s: %d good images of %s, %d with masks, %d with none of the classes",
        output,
        len(records),
        split,
        masks,
        without,
    )


def load_manifest(path: str | Path) -> Manifest:
    """Read a manifest; `SSENetError` names a file that is missing or something else."""
    content = read_json(path)
    found = (
        (content.get("format"), content.get("format_version")) if type(content) is dict else None
    )
    if found != (FORMAT, FORMAT_VERSION):
        raise SSENetError(
            f"{path}: expected '{FORMAT}' version {FORMAT_VERSION}, found {found}; "
            "delete the file and run the workflow again"
        )
    try:
        classes = _texts(content["classes"], "classes")
        return Manifest(
            dataset=of_kind(content, "dataset", str),
            split=of_kind(content, "split", str),
            classes=classes,
            images=tuple(from_json(entry, len(classes)) for entry in content["images"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SSENetError(
            f"{path}: an entry is missing or of another type ({error}); "
            "delete the file and run the workflow again"
        ) from error


def list_problems(
    dataset: DatasetSettings,
    split: str,
    disjoint_from: Mapping[str, Sequence[str]],
    subset_of: Mapping[str, Sequence[str]],
) -> list[str]:
    """What is wrong with a split's lists of ids and tags, before any image is looked at."""
    listed = listed_ids(dataset, split)
    if not listed:
        return [f"the split {split} has no images: see dataset.lists.{split} in the config"]
    counts = Counter(listed)
    problems = [f"image {i}: listed {count} times" for i, count in counts.items() if count > 1]
    for other, ids in disjoint_from.items():
        shared = counts.keys() & set(ids)
        problems += [f"image {i}: also in split {other}" for i in counts if i in shared]
    for other, ids in subset_of.items():
        missing = counts.keys() - set(ids)
        problems += [f"image {i}: not in split {other}" for i in counts if i in missing]
    table = tag_table(dataset, split)
    return problems + list(table.problems if table else ())


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
    image = image_path(dataset, image_id)
    truth = masks_are_truth(dataset, split)
    mask = mask_path(dataset, image_id)
    needs_mask = truth or (split != "test" and uses_mask(dataset, image_id, table))
    size = labels = None
    try:
        name = dataset.lists.of(split)
        _require_file(image, f"; its list is {list_path(dataset, name)}" if name else "")
        size = load_image(image).size
    except SSENetError as error:
        problems.append(str(error))
    if size and mask and needs_mask:
        try:
            _require_file(mask, "; dataset.mask_dir: null is for images without masks")
            labels = read_mask(mask, size=size, classes=len(classes))
        except SSENetError as error:
            problems.append(str(error))
    tags: tuple[int, ...] | None = None
    mask_failed = bool(mask and needs_mask and labels is None)
    try:
        tags = find_tags(dataset, image_id, classes=classes, table=table, labels=labels)
        if split == "train" and tags is None and not mask_failed:
            missing = missing_tags(dataset, image_id, table)
            problems.append(f"{image}: a training image needs tags: {missing}")
    except SSENetError as error:
        problems.append(str(error))
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


def _require_file(path: Path, hint: str = "") -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise SSENetError(f"{path}: listed, but there is no such file{hint}") from error
    if size == 0:
        raise SSENetError(f"{path}: the file is empty")


def _texts(values: Any, key: str) -> tuple[str, ...]:
    if type(values) is not list or not all(type(value) is str for value in values):
        raise TypeError(f"{key} is {shortened(str(values))}")
    return tuple(values)
