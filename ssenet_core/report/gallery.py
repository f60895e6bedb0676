"""Pictures of what a run has made of an image, for the report, its contact sheet and `ssenet show`.

The functions raise `SSENetError` that names a file which is there but damaged, or does not fit the
image's mask.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssenet_core.data.manifest_entries import ImageRecord
from ssenet_core.errors import SSENetError
from ssenet_core.evaluation.confusion import LabelError, confusion_matrix, scores
from ssenet_core.io.images import VOID, label_picture, read_label_png
from ssenet_core.io.maps import read_maps, read_refined
from ssenet_core.pictures import View, heat_overlay, picture_sheet, thumbnail
from ssenet_core.scores import labels_at_threshold

COLUMNS = ("Photo", "Truth", "CAM", "CAM labels", "CAM + CRF", "Random walk", "DeepLab")
HEAT_SHARE = 0.6  # of the overlay's colour where a map is 1
LARGE = 480  # pixels, the longer side of an enlarged picture

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Subject:
    """An image as its manifest has it; its pictures are made here."""

    record: ImageRecord
    classes: Sequence[str]  # background first

    @cached_property
    def photograph(self) -> Image.Image:
        """The photograph, RGB."""
        return self.record.photograph()

    @cached_property
    def truth(self) -> Labels | None:
        """The mask's labels, (H, W); None where there is no mask."""
        return None if self.record.mask is None else read_label_png(self.record.mask)

    @property
    def tags(self) -> list[str] | None:
        """Names of the image's classes; None where none are known."""
        tags = self.record.tags
        return None if tags is None else [self.classes[tag] for tag in tags]

    def given(self) -> Iterator[View]:
        """The photograph, and its truth if there is one."""
        size = f"{self.record.width} x {self.record.height} pixels"
        yield _view("Photo", "Photograph", self.photograph, notes=(size,))
        if self.truth is not None:
            yield label_view("Truth", "Truth", self.truth)

    def maps(self, path: Path, alpha: float | None) -> Iterator[View]:
        """Each class's map, and the labels at a constant background score.

        Args:
            path: class activation maps.
            alpha: the background score; None leaves the labels out.
        """
        found = read_maps(path)
        for label, heat in zip(found.classes, found.maps, strict=True):
            notes = (f"mean {heat.mean():.2f}",)
            if alpha is not None:
                notes = (f"{notes[0]}, over {alpha:g}: {(heat > alpha).mean():.0%}",)
            share = HEAT_SHARE * (0.3 + 0.7 * heat)  # stronger where the map is higher
            picture = heat_overlay(self.photograph, heat, share)
            yield _view("CAM", f"CAM of {self.classes[label]}", picture, notes=notes)
        if alpha is not None:
            labels = labels_at_threshold(found.maps, found.classes, alpha)
            yield self.labels("CAM labels", f"labels at {alpha:g}", path, labels)

    def labels(self, stage: str, title: str, path: str | Path, labels: Labels) -> View:
        """Labels (H, W), with the IoU of each class that the truth or the labels have.

        Raises:
            SSENetError: they are of another size than the mask, or not of these classes.
        """
        if self.truth is None:
            return label_view(stage, title, labels)
        try:
            found = scores(confusion_matrix(self.truth, labels, len(self.classes))).iou
        except LabelError as error:
            raise SSENetError(f"{path}: {error}; delete it and run the workflow again") from error
        named = zip(self.classes, found, strict=True)
        notes = tuple(f"IoU {name} {value:.0f}" for name, value in named if value is not None)
        foreground = [value for value in found[1:] if value is not None]
        iou = sum(foreground) / len(foreground) if foreground else found[0]
        return label_view(stage, title, labels, notes=notes, iou=iou)


@dataclass(frozen=True)
class ImageViews:
    """What a run has made of one image: headings, and pictures below each."""

    id: str
    splits: tuple[str, ...]
    tags: list[str] | None  # names of its classes; None where none are known
    rows: list[tuple[str, list[View]]]

    @property
    def views(self) -> list[View]:
        """The pictures of all rows."""
        return [view for _, views in self.rows for view in views]

    @property
    def tagged(self) -> str:
        """The tags in words; empty where none are known."""
        return "" if self.tags is None else ", ".join(self.tags) or "none of the classes"

    @property
    def ious(self) -> dict[str, float]:
        """IoU of the stages that were judged, in their order."""
        return {view.stage: view.iou for view in self.views if view.iou is not None}


def gallery_image(
    item: Mapping[str, Any], record: ImageRecord, classes: Sequence[str], alpha: float | None
) -> ImageViews:
    """Gather what exists of one image, a picture a stage.

    Args:
        item: "split", and any of "maps_dir", "refined_dir", "pseudo_dir", "prediction_dir".
        record: the image in its manifest.
        classes: names, background first.
        alpha: background score at which the maps become labels; None leaves that picture out.
    """
    subject = Subject(record, classes)
    views = list(subject.given())
    if path := _existing(item, "maps_dir", f"{record.id}.h5"):
        views += subject.maps(path, alpha)
    if path := _existing(item, "refined_dir", f"{record.id}.h5"):
        labels = read_refined(path).labels
        if labels is not None:
            views.append(subject.labels("CAM + CRF", "CAM + CRF", path, labels))
    for key, stage in (("pseudo_dir", "Random walk"), ("prediction_dir", "DeepLab")):
        if path := _existing(item, key, f"{record.id}.png"):
            views.append(subject.labels(stage, stage, path, read_label_png(path)))
    # One variant a stage: the stage says which picture it is, but for the maps of several classes.
    named = [view if view.stage == "CAM" else replace(view, title=view.stage) for view in views]
    return ImageViews(record.id, (item["split"],), subject.tags, [("", named)])


def contact_sheet(images: Sequence[ImageViews], classes: Sequence[str], title: str) -> Image.Image:
    """All images on one sheet: images as rows, stages as columns.

    Args:
        images: rows of the sheet; none gives a sheet that says so.
        classes: names, background first.
        title: heading.
    """
    rows = [
        (
            f"{image.id} ({', '.join(image.splits)}): {image.tagged}",
            [replace(view, notes=_brief(view)) for view in image.views],
        )
        for image in images
    ]
    stages = {view.stage for _, views in rows for view in views}
    return picture_sheet(
        rows,
        title=title if images else f"{title}: no images",
        columns=[name for name in COLUMNS if name in stages],
        legend=[*enumerate(classes), (VOID, "void (not judged)")],
    )


def _brief(view: View) -> tuple[str, ...]:
    """What a narrow column says of a picture: a map's class, or the labels' IoU."""
    if view.iou is not None:
        return (f"IoU {view.iou:.0f}",)
    return (view.title.removeprefix("CAM of "),) if view.stage == "CAM" else ()


def label_view(stage: str, title: str, labels: Labels, **facts: Any) -> View:
    """Labels (H, W) alone, with other attributes of the view."""
    found = tuple(np.unique(labels).tolist())
    return _view(stage, title, label_picture(labels), labels=found, **facts)


def _view(stage: str, title: str, picture: Image.Image, **facts: Any) -> View:
    """A picture of any size as a thumbnail, and as the page holds it enlarged.

    A browser enlarges small pictures without more bytes.
    """
    large = picture if max(picture.size) <= LARGE else thumbnail(picture, LARGE)
    return View(stage, title, thumbnail(picture), large=large, **facts)


def _existing(item: Mapping[str, Any], key: str, name: str) -> Path | None:
    folder = item.get(key)
    path = Path(folder) / name if folder else None
    return path if path and path.is_file() else None
