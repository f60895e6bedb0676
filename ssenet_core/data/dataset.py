"""What a dataset's settings say: ids of its splits and shards, class names, paths, digests.

Cheap enough to ask while the workflow is read: lists and tables are opened, images never. Raises
`SSENetError` for a list or a file of class names that is missing or wrong.
"""

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from ssenet_core.data.tags import TagTable, read_tag_table
from ssenet_core.errors import SSENetError, listing, shown
from ssenet_core.io.files import id_problem, is_file, read_text
from ssenet_core.settings import DatasetSettings, Settings, ShapesSettings

NAMED = 10  # images in one error
SPLITS = ("train", "pseudo_eval", "val", "test")
# fmt: off
VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)
# fmt: on
SHAPES_CLASSES = ("ringlet", "starling", "barrow", "crossbeak", "diamondel", "triskel")
MOST_CLASSES = 254  # label values are bytes, 0 is background and 255 void
LISTS = "ImageSets/Segmentation"  # folders and lists of PASCAL VOC
IMAGES = "JPEGImages"
AUG = "SegmentationClassAug"  # the masks of VOC and of the Semantic Boundaries Dataset
TRAIN_AUG = f"{LISTS}/train_aug.txt"
IMAGE_AND_MASK = re.compile(
    r"/(?P<folder>[^/]+)/(?P<id>[^/]+)\.(?:jpg|jpeg|png)(?:\s+/[^/]+/(?P<mask>[^/]+)\.png)?",
    re.IGNORECASE,
)

Item = TypeVar("Item")


# Paths


def dataset_root(dataset: DatasetSettings) -> Path:
    """The dataset's folder; by default that of a generated dataset is in the results."""
    if dataset.root is not None:
        return Path(dataset.root)
    return Path("results") / dataset.name / "dataset"


def image_path(dataset: DatasetSettings, image_id: str) -> Path:
    """The path of an image."""
    name = f"{image_id}{dataset.image_suffix}"
    return dataset_root(dataset) / dataset.image_dir / name


def mask_path(dataset: DatasetSettings, image_id: str) -> Path | None:
    """The path of an image's ground truth mask; None when the dataset has no masks."""
    folder = dataset.mask_dir
    return dataset_root(dataset) / folder / f"{image_id}.png" if folder else None


def annotation_path(dataset: DatasetSettings, image_id: str) -> Path:
    """The path of an image's VOC annotation, if it has one."""
    return dataset_root(dataset) / dataset.annotation_dir / f"{image_id}.xml"


def list_path(dataset: DatasetSettings, name: str) -> Path:
    """The path of a list file, by its name."""
    return dataset_root(dataset) / dataset.list_dir / f"{name}.txt"


# Splits


def has_ground_truth(dataset: DatasetSettings, split: str) -> bool:
    """Whether the split is evaluated: then every image needs a ground truth mask."""
    return split in {"pseudo_eval", "val"} and bool(dataset.mask_dir)


def split_ids(dataset: DatasetSettings, split: str) -> list[str]:
    """The ids of a split in their order, repeats dropped; none when the split has no list.

    They are computed for `shapes`; else they are read from the split's list file, else from its
    table of tags.

    Raises:
        SSENetError: a list cannot be read or holds lines that are no ids.
    """
    return list(dict.fromkeys(listed_ids(dataset, split)))


def listed_ids(dataset: DatasetSettings, split: str) -> list[str]:
    """As `split_ids`, but a list file's repeats are kept."""
    if split not in SPLITS:
        raise SSENetError(f"split: expected one of {', '.join(SPLITS)}, found {split!r}")
    name = dataset.lists.of(split)
    if dataset.source == "shapes":
        return _shapes_ids(dataset.shapes, split, name)
    if name is not None:
        root = dataset_root(dataset)
        if not root.is_dir():
            raise SSENetError(
                f"dataset.root: {root}: no such folder (seen from {Path.cwd()}); put the dataset "
                "there, or say where it is: --config 'dataset={root: FOLDER}'"
            )
        folder = Path(dataset.image_dir).name
        return read_list(list_path(dataset, name), folder)
    table = tag_table(dataset, split) if split != "pseudo_eval" else None
    return list(table.rows) if table else []


def shapes_lists(shapes: ShapesSettings) -> dict[str, list[str]]:
    """The ids of the generated images, by the name of their list; they are numbered from 1."""
    ids = [f"shape_{number:05d}" for number in range(1, shapes.train + shapes.val + 1)]
    return {"train": ids[: shapes.train], "val": ids[shapes.train :]}


def _shapes_ids(shapes: ShapesSettings, split: str, name: str | None) -> list[str]:
    lists = shapes_lists(shapes)
    if name is None:
        return []
    if name not in lists:
        raise SSENetError(
            f"dataset.lists.{split}: shapes has the lists train and val, found {name!r}"
        )
    return lists[name]


def read_list(path: str | Path, image_folder: str = IMAGES) -> list[str]:
    """The ids of a list file in its order, repeats included; blank lines are skipped.

    Args:
        path: the file; each line as in `parse_line`.
        image_folder: as there.

    Raises:
        SSENetError: the file cannot be read, or lines are wrong (every one is listed).
    """
    ids, problems = [], []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            ids.append(parse_line(line, image_folder))
        except ValueError as error:
            problems.append(f"line {number}, {shown(line.strip())}: {error}")
    if problems:
        raise SSENetError(listing(f"{path}: {len(problems)} line(s) are not image ids", problems))
    return ids


def parse_line(line: str, image_folder: str = IMAGES) -> str:
    """The image id of one line of a list file.

    Args:
        line: a bare id (`2007_000032`), or paths of the image and, after a blank, of its mask
            (`/JPEGImages/2007_000032.jpg /SegmentationClassAug/2007_000032.png`).
        image_folder: the folder that a path may name, besides `JPEGImages`.

    Raises:
        ValueError: the line is neither, or its id cannot name files; the text says why.
    """
    entry = line.strip()
    if entry.startswith("/"):
        match = IMAGE_AND_MASK.fullmatch(entry)
        if match is None or match["folder"] not in {IMAGES, image_folder}:
            raise ValueError("expected an id or '/JPEGImages/id.jpg /SegmentationClass/id.png'")
        if match["mask"] not in {None, match["id"]}:
            raise ValueError("the image and the mask have different ids")
        entry = match["id"]
    problem = id_problem(entry)
    if problem is not None:
        raise ValueError(problem)
    return entry


def tag_table(dataset: DatasetSettings, split: str) -> TagTable | None:
    """The split's table of tags (pseudo_eval shares train's), if there is one."""
    name = dataset.tags_csv.of(split)
    if name is None:
        return None
    return read_tag_table(dataset_root(dataset) / name)


def unlisted_rows(dataset: DatasetSettings, ids: Mapping[str, Iterable[str]]) -> list[str]:
    """Images that have a row in the training images' table of tags and are in no split.

    Args:
        ids: of the splits that there are, by their names.
    """
    table = tag_table(dataset, "train") if "csv" in dataset.tags else None
    listed = {image for split in ids.values() for image in split}
    return [image for image in table.rows if image not in listed] if table else []


def check_pseudo_eval_subset(ids: Mapping[str, Iterable[str]]) -> None:
    """Check that the images of pseudo_eval are training images, whose pseudo labels are evaluated.

    Args:
        ids: of the splits that there are, by their names.

    Raises:
        SSENetError: images of pseudo_eval are not in train.
    """
    train = set(ids.get("train", ()))
    others = [image for image in ids.get("pseudo_eval", ()) if image not in train]
    if others:
        heading = "dataset.lists.pseudo_eval: images of training are scored, these are none"
        more = [f"and {len(others) - NAMED} more"] * (len(others) > NAMED)
        raise SSENetError(listing(heading, others[:NAMED] + more))


# Shards


def shard_of(image_id: str, shards: int) -> int:
    """The shard of an image, 0 to shards - 1: a hash of its id, the same on every machine.

    An image stays in its shard when others come or go. `ValueError` for fewer than one shard.
    """
    if shards < 1:
        raise ValueError(f"expected at least one shard, found {shards}")
    digest = hashlib.blake2b(image_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % shards


def shard_ids(ids: Iterable[str], shards: int) -> list[list[str]]:
    """The ids of each shard, in their given order; with few ids some shards are empty."""
    parts: list[list[str]] = [[] for _ in range(shards)]
    for image_id in ids:
        parts[shard_of(image_id, shards)].append(image_id)
    return parts


def evenly_spaced(items: Sequence[Item], count: int) -> list[Item]:
    """At most `count` of the items, in their order, with even gaps; the first is among them."""
    count = min(count, len(items))
    return [items[index * len(items) // count] for index in range(count)]


# Classes


def class_names(dataset: DatasetSettings) -> tuple[str, ...]:
    """Names of the foreground classes; the label value of a class is its place here, from 1.

    `classes` is a list of names, or a file with one name a line (looked for in the dataset's
    folder, then in the working directory). Without it: `shapes` has its own; tags from a CSV file
    give the names in it, in alphabetical order; else VOC's twenty.

    Raises:
        SSENetError: the file cannot be read, or names are empty, repeated or too many.
    """
    classes = dataset.classes
    if classes is None:
        return _own_classes(dataset)
    if isinstance(classes, str):
        inside = dataset_root(dataset) / classes
        source = next((str(path) for path in (inside, Path(classes)) if is_file(path)), str(inside))
        names = [line.strip() for line in read_text(source).split("\n") if line.strip()]
    else:
        source, names = "dataset.classes", [str(name).strip() for name in classes]
    if names and names[0].lower() == "background":
        names = names[1:]
    return _checked(names, source)


def _own_classes(dataset: DatasetSettings) -> tuple[str, ...]:
    if dataset.source == "shapes":
        return SHAPES_CLASSES[: dataset.shapes.classes]
    table = tag_table(dataset, "train") if "csv" in dataset.tags else None
    if table is None:
        return VOC_CLASSES
    names = sorted({tag for tags in table.rows.values() for tag in tags})
    return _checked(names, str(table.path))


def _checked(names: list[str], source: str) -> tuple[str, ...]:
    problems = [f"{name!r} is there twice" for name, n in Counter(names).items() if n > 1]
    problems += [
        f"{shown(name)}: no class can be called so, as files are: "
        + ("it has a slash" if "/" in name or "\\" in name else problem)
        for name in names
        if (problem := id_problem(name))
    ]
    problems += ["'background' is no class of its own"] * ("background" in names)
    if not 1 <= len(names) <= MOST_CLASSES:
        problems.append(f"expected 1 to {MOST_CLASSES} names, found {len(names)}")
    if problems:
        raise SSENetError(listing(f"{source}: not a list of class names", problems))
    return tuple(names)


def files_digest(
    dataset: DatasetSettings, split: str, ids: Iterable[str], *, labels_only: bool = False
) -> str:
    """A short hash that changes when the files behind `ids` do: sizes and times, nothing is opened.

    It covers each image, its mask where the split uses masks, its annotation where tags come from
    XML, and its row in the table of tags. A generated image follows from its id and the settings.

    Args:
        dataset: the section of the config.
        split: train, pseudo_eval, val or test.
        ids: of images.
        labels_only: leave out photographs and masks.
    """
    digest = hashlib.sha256()
    if dataset.source == "shapes":
        shapes = dataset.shapes
        made_from = [shapes.seed, shapes.size, shapes.classes]
        digest.update(json.dumps([made_from, list(ids)]).encode())
        return digest.hexdigest()[:16]
    sources = dataset.tags
    root = os.fspath(dataset_root(dataset))
    places = [] if labels_only else [(f"{root}/{dataset.image_dir}/", dataset.image_suffix)]
    masks_give_tags = "masks" in sources and split != "test" and bool(dataset.mask_dir)
    if not labels_only and (has_ground_truth(dataset, split) or masks_give_tags):
        places.append((f"{root}/{dataset.mask_dir}/", ".png"))
    if "xml" in sources:
        places.append((f"{root}/{dataset.annotation_dir}/", ".xml"))
    table = tag_table(dataset, split) if "csv" in sources else None
    rows = table.rows if table else {}
    for image_id in ids:
        states = [_state(f"{folder}{image_id}{suffix}") for folder, suffix in places]
        digest.update(json.dumps([image_id, states, rows.get(image_id)]).encode())
    return digest.hexdigest()[:16]


def _state(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - tens of thousands of files, while the workflow is read
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def voc2012_root(settings: Settings) -> Path:
    """The folder that VOC 2012 is downloaded into."""
    return Path(settings.download.folder) / "VOC2012"


def missing_voc2012(settings: Settings) -> list[Path]:
    """Folders and lists of VOC 2012 that the configuration needs and that are not on disk.

    Args:
        settings: the whole configuration. Nothing is missing where its dataset is not in
            `voc2012_root`.
    """
    dataset, root = settings.dataset, voc2012_root(settings)
    if dataset.source != "voc" or dataset.root is None or dataset.list_dir != LISTS:
        return []
    if os.path.realpath(dataset.root) != os.path.realpath(root):
        return []
    needed = [IMAGES]
    if "train_aug" in dataset.lists.plain().values() and not (root / TRAIN_AUG).exists():
        needed += [AUG, TRAIN_AUG]
    elif dataset.mask_dir == AUG:
        needed.append(AUG)
    return [root / name for name in needed if not (root / name).exists()]
