"""Images through all stages: thumbnails for the report, and one contact sheet as a PNG.

In: for each image the folders where its files may lie. Out: panels with what exists, as data URIs
with the image's own IoU, and a sheet with images as rows and stages as columns.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from ssenet_core.data.manifest import ImageRecord
from ssenet_core.errors import SSENetError
from ssenet_core.evaluation.confusion import LabelError, confusion_matrix, scores
from ssenet_core.io.images import label_picture, read_label_png
from ssenet_core.io.maps import ClassMaps, read_maps, read_refined
from ssenet_core.pictures import heat_overlay, thumbnail

JPEG_QUALITY = 85
HEAT_SHARE = 0.6  # of the overlay's colour where a map is 1
LARGE = 480  # pixels, the longer side of an enlarged picture
HEAT = colormaps["inferno"]
NO_CLASS = "none of the classes"

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Panel:
    """One picture of an image: its column on the sheet, a caption, and IoU where it is labels.

    The IoU is the mean over the foreground classes of the truth or the answer, for a thing that is
    outlined well shall not be marked down because all around it is void.

    Attributes:
        column, caption: what the picture shows.
        picture: a thumbnail.
        iou: percent; None where nothing is judged.
        large: what is shown when the picture is enlarged; None: the thumbnail.
        labels: values in the picture, where it is labels.
    """

    column: str
    caption: str
    picture: Image.Image
    iou: float | None = None
    large: Image.Image | None = None
    labels: tuple[int, ...] = ()

    @property
    def uri(self) -> str:
        """The large picture as a data URI: PNG for labels, JPEG for photographs."""
        return data_uri(self.large or self.picture)


@dataclass(frozen=True)
class GalleryImage:
    """One image and its panels, in the order of the stages; `tags` is None where none are known."""

    id: str
    split: str
    tags: list[str] | None
    panels: list[Panel]

    @property
    def tagged(self) -> str:
        """The tags in words; empty where none are known."""
        return "" if self.tags is None else ", ".join(self.tags) or NO_CLASS

    @property
    def ious(self) -> dict[str, float]:
        """IoU of the stages that were judged, in their order."""
        return {panel.column: panel.iou for panel in self.panels if panel.iou is not None}


def gallery_image(
    item: Mapping[str, Any], record: ImageRecord, classes: Sequence[str], alpha: float | None
) -> GalleryImage:
    """Gather what exists of one image.

    Args:
        item: "id", "split", and any of "maps_dir", "refined_dir", "pseudo_dir", "prediction_dir".
        record: the image in its manifest.
        classes: names, background first.
        alpha: background score at which the maps become labels; None leaves that panel out.

    Raises:
        SSENetError: a file is there but damaged, or of another size than the mask.
    """
    photo = record.photograph()
    truth = read_label_png(record.mask) if record.mask else None
    panels = [Panel("Photo", "Photo", thumbnail(photo), large=_large(photo))]
    if truth is not None:
        panels.append(_label_panel("Truth", record.mask or "", truth, None, classes))
    name = record.id
    if path := _existing(item, "maps_dir", f"{name}.h5"):
        panels += _cam_panels(path, photo, truth, classes, alpha)
    if path := _existing(item, "refined_dir", f"{name}.h5"):
        refined = read_refined(path).labels
        if refined is not None:
            panels.append(_label_panel("CAM + CRF", path, refined, truth, classes))
    for key, column in (("pseudo_dir", "Random walk"), ("prediction_dir", "DeepLab")):
        if path := _existing(item, key, f"{name}.png"):
            panels.append(_label_panel(column, path, read_label_png(path), truth, classes))
    tags = None if record.tags is None else [classes[tag] for tag in record.tags]
    return GalleryImage(id=name, split=item["split"], tags=tags, panels=panels)


def heat_picture(photo: Image.Image, heat: NDArray[np.float32]) -> Image.Image:
    """A map (H, W) in [0, 1] laid over its photograph, stronger where the map is higher."""
    return thumbnail(_overlay(photo, heat))


def data_uri(picture: Image.Image) -> str:
    """A picture as a data URI: indexed ones as PNG, others as JPEG."""
    buffer = io.BytesIO()
    if picture.mode == "P":
        picture.save(buffer, format="PNG", optimize=True)
        return bytes_uri(buffer.getvalue(), "image/png")
    picture.save(buffer, format="JPEG", quality=JPEG_QUALITY)
    return bytes_uri(buffer.getvalue(), "image/jpeg")


def bytes_uri(content: bytes, kind: str) -> str:
    """Bytes of a media type as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _cam_panels(
    path: Path,
    photo: Image.Image,
    truth: Labels | None,
    classes: Sequence[str],
    alpha: float | None,
) -> list[Panel]:
    """A heat overlay for each class, and the labels at `alpha`."""
    found = read_maps(path)
    panels = []
    for label, heat in zip(found.classes, found.maps, strict=True):
        overlay = _overlay(photo, heat)
        caption = f"CAM of {classes[label]}"
        panels.append(Panel("CAM", caption, thumbnail(overlay), large=_large(overlay)))
    if alpha is not None:
        labels = _labels_at(found, alpha)
        panels.append(_label_panel("CAM labels", path, labels, truth, classes))
    return panels


def _labels_at(found: ClassMaps, alpha: float) -> Labels:
    """Labels (H, W): the best class where its score is above `alpha`, else background."""
    if not len(found.classes):
        return np.zeros(found.maps.shape[1:], dtype=np.uint8)
    winner = found.classes[found.maps.argmax(axis=0)]
    return np.where(found.maps.max(axis=0) > np.float32(alpha), winner, 0).astype(np.uint8)


def _label_panel(
    column: str,
    path: str | Path,
    labels: Labels,
    truth: Labels | None,
    classes: Sequence[str],
) -> Panel:
    iou = None
    if truth is not None:
        try:
            iou = _foreground_iou(scores(confusion_matrix(truth, labels, len(classes))).iou)
        except LabelError as error:
            raise SSENetError(f"{path}: {error}; delete it and run the workflow again") from error
    picture = label_picture(labels)
    found = tuple(np.unique(labels).tolist())
    return Panel(column, column, thumbnail(picture), iou, _large(picture), found)


def _foreground_iou(iou: Sequence[float | None]) -> float | None:
    """Mean over the foreground classes that occur; the background's where none does."""
    present = [value for value in iou[1:] if value is not None]
    return sum(present) / len(present) if present else iou[0]


def _overlay(photo: Image.Image, heat: NDArray[np.float32]) -> Image.Image:
    return heat_overlay(photo, heat, HEAT, HEAT_SHARE * (0.3 + 0.7 * heat))


def _large(picture: Image.Image) -> Image.Image:
    """A picture as the page holds it: a browser enlarges small ones without more bytes."""
    return picture if max(picture.size) <= LARGE else thumbnail(picture, LARGE)


def _existing(item: Mapping[str, Any], key: str, name: str) -> Path | None:
    folder = item.get(key)
    path = Path(folder) / name if folder else None
    return path if path and path.is_file() else None
