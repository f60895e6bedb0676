"""The single pictures of what a run has made of an image: given, maps, labels, uncertain cells.

In: an image as its manifests have it, and one stage's file. Out: pictures, each with what there is
to say of it; labels with the IoU of each class where there is truth.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssenet_core.affinity.labels import confident_labels
from ssenet_core.data.manifest import ImageRecord
from ssenet_core.errors import SSENetError
from ssenet_core.evaluation.confusion import LabelError, confusion_matrix, scores
from ssenet_core.io.images import VOID, label_picture
from ssenet_core.io.maps import RefinedScores, read_maps
from ssenet_core.pictures import thumbnail
from ssenet_core.report.gallery import heat_picture
from ssenet_core.scores import constant_background, labels_from_scores, with_background

STRIDE = 8  # pixels a cell of AffinityNet's labels

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class View:
    """One picture, what it shows, and what there is to say of it, line by line."""

    title: str
    picture: Image.Image
    notes: tuple[str, ...] = ()
    labels: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Subject:
    """An image as its manifests have it, with its photograph and its truth, if there is one."""

    record: ImageRecord
    dataset: str
    splits: tuple[str, ...]
    classes: tuple[str, ...]
    photograph: Image.Image
    truth: Labels | None


def given(subject: Subject) -> Iterator[View]:
    """The photograph, and its truth if there is one."""
    record = subject.record
    size = f"{record.width} x {record.height} pixels"
    yield View("Photograph", thumbnail(subject.photograph), (size,))
    if record.mask and subject.truth is not None:
        view = label_view("Truth", record.mask, subject.truth, subject)
        yield replace(view, notes=())


def map_views(path: Path, alpha: float, subject: Subject) -> Iterator[View]:
    """Each class's map, and the labels at a constant background score."""
    found = read_maps(path)
    for label, heat in zip(found.classes, found.maps, strict=True):
        notes = (f"mean {heat.mean():.2f}, over {alpha:g}: {(heat > alpha).mean():.0%}",)
        picture = heat_picture(subject.photograph, heat)
        yield View(f"map of {subject.classes[label]}", picture, notes)
    ground = constant_background(found.maps, alpha)
    labels = labels_from_scores(with_background(found.maps, ground), found.classes)
    yield label_view(f"labels at {alpha:g}", path, labels, subject)


def refined_views(path: Path, refined: RefinedScores, subject: Subject) -> Iterator[View]:
    """What the CRF answers at each background, and the cells that AffinityNet learns from."""
    if refined.labels is not None:
        yield label_view("CRF, constant background", path, refined.labels, subject)
    # "power-4" before "power-24": the strong background first.
    by_power = sorted(refined.posteriors, key=lambda name: float(name.rpartition("-")[2]))
    for name in by_power:
        labels = labels_from_scores(refined.posteriors[name], refined.classes)
        power = name.rpartition("-")[2]
        yield label_view(f"CRF, background ^{power}", path, labels, subject)
    if len(by_power) == 2:
        low, high = (refined.posteriors[name] for name in by_power)
        cells = confident_labels(low, high, refined.classes, STRIDE)
        sure = f"{(cells != VOID).mean():.0%} of the cells are certain"
        shown = frozenset(map(int, np.unique(cells)))
        height, width = low.shape[1:]
        pixels = cells.repeat(STRIDE, axis=0).repeat(STRIDE, axis=1)[:height, :width]
        yield View("affinity labels", thumbnail(label_picture(pixels)), (sure,), shown)


def label_view(title: str, path: Path, labels: Labels, subject: Subject) -> View:
    """Labels with the IoU of each class that the truth or the labels have."""
    notes: tuple[str, ...] = ()
    if subject.truth is not None and title != "Truth":
        try:
            found = scores(confusion_matrix(subject.truth, labels, len(subject.classes)))
        except LabelError as error:
            raise SSENetError(f"{path}: {error}; delete it and run the workflow again") from error
        notes = tuple(
            f"IoU {name} {value:.0f}"
            for name, value in zip(subject.classes, found.iou, strict=True)
            if value is not None
        )
    shown = frozenset(map(int, np.unique(labels)))
    return View(title, thumbnail(label_picture(labels)), notes, shown)
