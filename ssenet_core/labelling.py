"""Labels of a run in the formats of labelling tools: COCO, VOC as CVAT reads it, LabelMe, YOLO.

`export_labels` raises an `SSENetError` for a run without the labels, for several chains where none
is named, for labels that are missing, damaged or of another size than their photograph, and for a
folder that holds something.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from contourpy import FillType, contour_generator
from numpy.typing import NDArray
from scipy import ndimage

from ssenet_core.data.dataset import SPLITS
from ssenet_core.data.manifest import ImageRecord, Manifest, load_manifest
from ssenet_core.errors import SSENetError, listed, some_of
from ssenet_core.io.files import write_json, write_text
from ssenet_core.io.images import (
    VOID,
    check_label_values,
    read_label_png,
    voc_palette,
    write_label_png,
)
from ssenet_core.io.segmentations import encode_mask
from ssenet_core.jobs import progress

SOURCES = {  # folder of the network in the results, splits that have such labels
    "pseudo_labels": ("affinity", ("train",)),
    "predictions": ("deeplab", ("val", "test")),
}
LABELME_VERSION = "5.5.0"  # of its format
EDGES = 0.5  # level of the contour halfway between pixels inside and outside
CENTRES = 1 - 1e-3  # and of one that is next to the centres of the pixels inside
INSIDE = 0.25  # where in its pixel a point lies, so that cutting off and rounding both find it

Labels = NDArray[np.uint8]
Points = NDArray[np.float64]  # (n, 2), x and y; pixel (0, 0) covers 0 to 1


class Region(NamedTuple):
    """Connected pixels of one class.

    Attributes:
        label: the class's label value.
        top, left: of its bounding box, pixels.
        pixels: which pixels of the box it has, (h, w).
    """

    label: int
    top: int
    left: int
    pixels: NDArray[np.bool_]

    @property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns of the bounding box."""
        height, width = self.pixels.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def _rings(self, level: float) -> list[Points]:
        """The outer contour and the holes'; here, (0, 0) is the centre of pixel (0, 0)."""
        field = np.pad(self.pixels, 1).astype(float)
        found: Any = contour_generator(z=field, name="serial", fill_type=FillType.OuterOffset)
        # Pixels that touch at a corner alone are two regions, so there is one outer contour.
        (points,), (starts,) = found.filled(level, 2)
        corner = (self.left - 1, self.top - 1)
        return [points[first : last - 1] + corner for first, last in pairwise(starts)]

    def polygon(self) -> Points | None:
        """A polygon that contains the centres of these pixels and of no others; None with holes."""
        rings = self._rings(EDGES)
        return None if len(rings) > 1 else _corners(rings[0]) + 0.5

    def outline(self) -> Points:
        """A polygon through the centres of the outermost pixels, as tools fill it with its border.

        Holes are joined to the outside by lines there and back, as a polygon has none.
        """
        rings = [_corners(np.round(ring), keep_straight=True) for ring in self._rings(CENTRES)]
        points = _corners(_joined(rings)) + INSIDE
        return points if len(points) > 2 else np.resize(points, (3, 2))  # as tools want no fewer


def regions(labels: Labels) -> list[Region]:
    """The regions of all classes in labels (H, W); pixels are neighbours along an edge."""
    found = []
    for label in np.unique(labels):
        if label not in {0, VOID}:
            numbers, _ = ndimage.label(labels == label)
            for number, box in enumerate(ndimage.find_objects(numbers), start=1):
                pixels = numbers[box] == number
                found.append(Region(int(label), box[0].start, box[1].start, pixels))
    return found


def _corners(ring: Points, *, keep_straight: bool = False) -> Points:
    """A closed polygon without repeated points, and without those along a straight line."""
    steps = ring - np.roll(ring, 1, axis=0)
    moves = steps.any(axis=1)
    if not moves.any():
        return ring[:1]
    ring, steps = ring[moves], steps[moves]
    turns = (steps != np.roll(steps, -1, axis=0)).any(axis=1)
    return ring if keep_straight else ring[turns]


def _joined(rings: Sequence[Points]) -> Points:
    """One polygon of an outer contour and holes, each joined to what lies to its left."""
    joined, *holes = rings
    # The first contour to the left of a hole begins further left, so that it is joined already.
    for hole in sorted(holes, key=lambda ring: ring[:, 0].min()):
        turned = np.roll(hole, -int(hole[:, 0].argmin()), axis=0)
        x, y = turned[0]
        left = np.flatnonzero((joined[:, 1] == y) & (joined[:, 0] <= x))
        at = left[joined[left, 0].argmax()]
        joined = np.concatenate([joined[: at + 1], turned, turned[:1], joined[at:]])
    return joined


# What is exported


class Photo(NamedTuple):
    """A photograph, its path below the folder of all of them, and its labels (H, W), upright."""

    file: Path
    name: Path
    labels: Labels


@dataclass(frozen=True)
class Run:
    """The folder of a run's results, `results/DATASET`."""

    folder: Path

    @cached_property
    def manifests(self) -> dict[str, Manifest]:
        """The manifests by split."""
        paths = {split: self.folder / "manifest" / f"{split}.json" for split in SPLITS}
        return {split: load_manifest(path) for split, path in paths.items() if path.is_file()}

    @cached_property
    def names(self) -> dict[str, tuple[Path, Path]]:
        """Each photograph's file, and its path below the folder that all are in, by its id."""
        start = self.folder.absolute().parents[1]  # which the paths in manifests are relative to
        files = {
            record.id: start / (record.original.file if record.original else record.image)
            for manifest in self.manifests.values()
            for record in manifest.images
        }
        common = os.path.commonpath([file.parent for file in files.values()])
        return {image: (file, file.relative_to(common)) for image, file in files.items()}

    def split(self, source: str, wanted: str | None) -> str:
        """The split whose labels are exported; the first that the run has, if none is named."""
        splits = SOURCES[source][1]
        known = [split for split in splits if split in self.manifests]
        if wanted not in {None, *known} or not known:
            found = f"found {wanted}" if wanted else "the run has no such split"
            raise SSENetError(
                f"{self.folder}: {source} are of the split {' or '.join(known or splits)}, {found}"
            )
        return wanted or known[0]

    def chain(self, source: str, split: str, wanted: str | None) -> str:
        """The chain of variants that made the labels, "ssenet/default"."""
        network = self.folder / SOURCES[source][0]
        depth = {"affinity": "*/*", "deeplab": "*/*/*"}[network.name]
        folders = {path.parents[1] for path in network.glob(f"{depth}/{source}/{split}")}
        chains = sorted(str(folder.relative_to(network)) for folder in folders)
        if not chains:
            raise SSENetError(
                f"{network}: there are no {source} of {split} yet; make them by: ssenet run "
                f"CONFIGURATION.yaml{self._target(split, network / depth)}"
            )
        if wanted in chains or (wanted is None and len(chains) == 1):
            return wanted or chains[0]
        found = f"found --chain {wanted}" if wanted else "name one by --chain"
        raise SSENetError(f"{network}: there are {listed(chains)}; {found}")

    def _target(self, split: str, folder: Path) -> str:
        """What makes masks at the photographs' size: a target, or for test images records."""
        if split != "test":
            return " masks"
        shards = sorted(path.stem for path in self.folder.glob("manifest/test.shards/*.json"))
        return "".join(f" {folder}/masks/test.shards/{shard}.json" for shard in shards)

    def photographs(self, source: str, split: str, chain: str) -> Iterator[Photo]:
        """Photographs of a split with their labels, in their order."""
        manifest = self.manifests[split]
        folder = self.folder / SOURCES[source][0] / chain
        enlarged = bool(manifest.originals)
        place = folder / ("masks" if enlarged else source) / split
        paths = {record.id: place / f"{record.id}.png" for record in manifest.images}
        if missing := [image for image, path in paths.items() if not path.is_file()]:
            target = self._target(split, folder) if enlarged else ""
            raise SSENetError(
                f"{place}: {len(missing)} of {len(paths)} masks are missing ({some_of(missing)}); "
                f"make them by: ssenet run CONFIGURATION.yaml{target}"
            )
        for record in progress(manifest.images, total=len(paths), description="labels"):
            labels = _checked(paths[record.id], record, len(manifest.classes))
            yield Photo(*self.names[record.id], labels)


def _checked(path: Path, record: ImageRecord, classes: int) -> Labels:
    """Labels that are of the photograph's size and of these classes."""
    labels = read_label_png(path)
    whole = record.original or record
    height, width = labels.shape
    if (width, height) != (whole.width, whole.height):
        raise SSENetError(
            f"{path}: expected the photograph's size {whole.width}x{whole.height}, found "
            f"{width}x{height}; delete it and run the workflow again"
        )
    check_label_values(path, labels, classes)
    return labels


def export_labels(
    results: Path,
    *,
    form: str,
    source: str,
    out: Path,
    split: str | None = None,
    chain: str | None = None,
) -> str:
    """Write the labels of a run's photographs, at the photographs' upright size, for a tool.

    Args:
        results: `results/DATASET`.
        form: coco, voc, labelme or yolo.
        source: pseudo_labels or predictions.
        out: folder to write, new or empty.
        split: train for pseudo labels, val or test for predictions; None: the first that there is.
        chain: variants that made the labels, "ssenet/default"; None where there is only one.

    Returns:
        What was written, in words.

    Raises:
        SSENetError: see the module.
    """
    run = Run(results)
    if not run.manifests:
        raise SSENetError(
            f"{results}: expected the results of a run, found no manifest/*.json in it; "
            "give results/DATASET, after snakemake has run"
        )
    split = run.split(source, split)
    chain = run.chain(source, split, chain)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise SSENetError(
            f"{out}: expected a new or empty folder, as what was corrected there would be lost"
        )
    photographs = run.photographs(source, split, chain)
    manifest = run.manifests[split]
    WRITERS[form](out, split, manifest.classes, photographs)
    return f"{out}: {source} of {chain}, {len(manifest.images)} photographs of {split}"


# The formats

Classes = Sequence[str]
Writer = Callable[[Path, str, Classes, Iterator[Photo]], None]


def _write_coco(out: Path, split: str, classes: Classes, photographs: Iterator[Photo]) -> None:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, photo in enumerate(photographs, start=1):
        height, width = photo.labels.shape
        name = photo.name.as_posix()
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        for region in regions(photo.labels):
            box = region.pixels.shape
            entry = {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": region.label,
                "bbox": [region.left, region.top, box[1], box[0]],
                "area": int(region.pixels.sum()),
            }
            annotations.append(entry | _coco_segmentation(region, photo.labels.shape))
    content = {
        "images": images,
        "categories": [{"id": label, "name": name} for label, name in enumerate(classes, start=1)],
        "annotations": annotations,
    }
    write_text(out / f"instances_{split}.json", json.dumps(content, ensure_ascii=False))


def _coco_segmentation(region: Region, size: tuple[int, ...]) -> dict[str, Any]:
    """A polygon; of a region with holes, which polygons lack, run lengths, marked as COCO does."""
    polygon = region.polygon()
    if polygon is not None:
        return {"segmentation": [polygon.ravel().tolist()], "iscrowd": 0}
    pixels = np.zeros(size, np.uint8)
    pixels[region.box] = region.pixels
    return {"segmentation": encode_mask(pixels), "iscrowd": 1}


def _write_voc(out: Path, split: str, classes: Classes, photographs: Iterator[Photo]) -> None:
    colours = np.frombuffer(voc_palette(), np.uint8).reshape(-1, 3)
    named = zip(("background", *classes), colours.tolist(), strict=False)
    rows = [f"{name}:{','.join(map(str, colour))}::" for name, colour in named]
    names = []
    for photo in photographs:
        name = photo.name.with_suffix("")
        names.append(name.as_posix())
        labels = np.where(photo.labels == VOID, 0, photo.labels).astype(np.uint8)
        write_label_png(out / "SegmentationClass" / f"{name}.png", labels)
        write_label_png(out / "SegmentationObject" / f"{name}.png", _objects(labels))
    write_text(out / "labelmap.txt", "\n".join(["# label:color_rgb:parts:actions", *rows, ""]))
    write_text(out / "ImageSets" / "Segmentation" / f"{split}.txt", "\n".join([*names, ""]))


def _objects(labels: Labels) -> Labels:
    """A number for each region; where there are too many of them, for each class."""
    found = regions(labels)
    if len(found) >= VOID:
        return labels
    numbers = np.zeros_like(labels)
    for number, region in enumerate(found, start=1):
        numbers[region.box][region.pixels] = number
    return numbers


def _write_labelme(out: Path, split: str, classes: Classes, photographs: Iterator[Photo]) -> None:
    for photo in photographs:
        file = out / photo.name.with_suffix(".json")
        height, width = photo.labels.shape
        shapes = [
            {
                "label": classes[region.label - 1],
                "points": region.outline().tolist(),
                "group_id": None,
                "shape_type": "polygon",
                "flags": {},
            }
            for region in regions(photo.labels)
        ]
        content = {
            "version": LABELME_VERSION,
            "flags": {},
            "shapes": shapes,
            "imagePath": Path(os.path.relpath(photo.file, file.absolute().parent)).as_posix(),
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        write_text(file, json.dumps(content, ensure_ascii=False))


def _write_yolo(out: Path, split: str, classes: Classes, photographs: Iterator[Photo]) -> None:
    for photo in photographs:
        height, width = photo.labels.shape
        lines = [
            " ".join([str(region.label - 1), *(f"{value:.7f}" for value in points.ravel())])
            for region in regions(photo.labels)
            for points in [region.outline() / (width, height)]
        ]
        text = "".join(f"{line}\n" for line in lines)
        write_text(out / "labels" / split / photo.name.with_suffix(".txt"), text)
    # JSON, which is YAML too, quotes whatever a class is called.
    write_json(out / "data.yaml", {split: f"images/{split}", "names": list(classes)})


WRITERS: dict[str, Writer] = {
    "coco": _write_coco,
    "voc": _write_voc,
    "labelme": _write_labelme,
    "yolo": _write_yolo,
}
