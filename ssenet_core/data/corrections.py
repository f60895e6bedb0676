"""Labels of training images that a person corrected, which replace pseudo labels in training.

`gather_corrections` raises one `SSENetError` that lists everything that is wrong with them.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydantic import BaseModel, Field, PositiveInt, ValidationError

from ssenet_core.data.manifest import ImageRecord, load_manifest
from ssenet_core.data.originals import correction_files, file_state, image_id
from ssenet_core.data.prepare import fitted_labels
from ssenet_core.errors import SSENetError, hint, listing, shown
from ssenet_core.io.files import read_text, write_json
from ssenet_core.io.images import VOID, check_label_values, read_label_png
from ssenet_core.io.segmentations import decode_mask, encode_mask
from ssenet_core.jobs import progress

LOG = logging.getLogger("ssenet")
IGNORED = "__ignore__"  # LabelMe's name of pixels that are no class

Labels = NDArray[np.uint8]
M = TypeVar("M", bound=BaseModel)


def gather_corrections(*, source: str | Path, manifest: str | Path, record: str | Path) -> None:
    """Check corrections, and write them at the size of the training images as one file.

    Masks have the size of the photograph, upright or as stored, or of its working copy.

    Args:
        source: a folder of masks `{image}.png` in the label values (255: not corrected) and of
            LabelMe's `{image}.json`, or a COCO JSON. What these JSON files leave free is
            background, and where outlines overlap the later one counts.
        manifest: of the train split.
        record: JSON of run lengths, by image and label value.

    Raises:
        SSENetError: a file cannot be read, is of no training image, of another size or of other
            classes, or an image is corrected twice; all are listed.
    """
    images, files = load_manifest(manifest), correction_files(source)
    known = {image.id: image for image in images.images}
    corrected: dict[str, list[Any]] = {}
    problems: list[str] = []
    found = _found(Path(source), files, images.classes)
    for where, name, read in progress(found, total=len(found), description="corrections"):
        try:
            image = known[_known_id(where, name, known)]
            if image.id in corrected:
                raise SSENetError(f"{where}: image {image.id} is corrected twice")
            labels = read()
            check_label_values(where, labels, len(images.classes))
            labels = _fitted(where, labels, image)
        except SSENetError as error:
            problems.append(str(error))
            continue
        values = np.unique(labels)
        corrected[image.id] = [[int(value), encode_mask(labels == value)] for value in values]
    if problems:
        heading = f"dataset.corrections: {len(problems)} of {len(found)} cannot be used"
        raise SSENetError(listing(heading, problems))
    write_json(record, {"images": corrected, "files": {str(f): file_state(f) for f in files}})
    LOG.info("%s: %d of %d training images are corrected", record, len(corrected), len(known))


def _known_id(where: str, name: Path, known: Mapping[str, Any]) -> str:
    """The training image that a file is named as; folders in front of the photographs' may be."""
    for start in range(len(name.parts)):
        if (image := image_id(Path(*name.parts[start:]))) in known:
            return image
    raise SSENetError(f"{where}: no training image is called so{hint(name.stem, known)}")


def _fitted(where: str, labels: Labels, image: ImageRecord) -> Labels:
    """Labels at the size of a training image, by nearest neighbour, upright as the photograph is.

    Raises:
        SSENetError: they fit neither the image nor the photograph that it is a copy of.
    """
    size = (image.width, image.height)
    if labels.shape[::-1] == size:
        return labels
    if image.original is None:
        found = f"{labels.shape[1]}x{labels.shape[0]}"
        raise SSENetError(f"{where}: expected the image's size {size[0]}x{size[1]}, found {found}")
    return fitted_labels(where, labels, image.original, size)[0]


# Files. What is found is a place for messages, a name of a photograph, and what reads the labels.

Found = tuple[str, Path, Callable[[], Labels]]


def _found(source: Path, files: Sequence[Path], classes: Sequence[str]) -> list[Found]:
    values = {"background": 0, "_background_": 0, IGNORED: VOID}
    values |= {name: value for value, name in enumerate(classes, start=1)}
    if not source.is_dir():
        return _coco_images(source, values)
    return [
        (
            str(file),
            file.relative_to(source),
            partial(_labelme, file, values)
            if file.suffix.lower() == ".json"
            else partial(read_label_png, file),
        )
        for file in files
    ]


def _label_value(where: str, name: str, values: Mapping[str, int]) -> int:
    if name not in values:
        raise SSENetError(f"{where}: {shown(name)} is none of the classes{hint(name, values)}")
    return values[name]


def _parsed(kind: type[M], path: Path, what: str) -> M:
    try:
        return kind.model_validate_json(read_text(path))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(map(str, fault["loc"])) or "the file"
        found = f"{place} is {shown(fault['input'])}: {fault['msg']}"
        raise SSENetError(f"{path}: expected {what}, found something else ({found})") from error


class _Shape(BaseModel):
    label: str
    points: list[tuple[float, float]]
    shape_type: str = "polygon"


class _LabelMe(BaseModel):
    imageHeight: PositiveInt
    imageWidth: PositiveInt
    shapes: list[_Shape]


def _labelme(path: Path, values: Mapping[str, int]) -> Labels:
    """The label values of a LabelMe JSON, filled as LabelMe fills polygons."""
    content = _parsed(_LabelMe, path, "LabelMe's JSON")
    picture = Image.new("L", (content.imageWidth, content.imageHeight))
    draw = ImageDraw.Draw(picture)
    for shape in content.shapes:
        value = _label_value(str(path), shape.label, values)
        if shape.shape_type != "polygon" or len(shape.points) < 3:
            found = f"a {shape.shape_type} of {len(shape.points)} points"
            raise SSENetError(f"{path}: {shape.label}: expected a polygon, found {found}")
        draw.polygon(shape.points, fill=value, outline=value)
    return np.asarray(picture)


class _Image(BaseModel):
    id: int
    file_name: str
    width: PositiveInt
    height: PositiveInt


class _Category(BaseModel):
    id: int
    name: str


class _RunLengths(BaseModel):
    size: tuple[int, int]
    counts: str | list[int]


class _Annotation(BaseModel):
    image_id: int
    category_id: int
    segmentation: (
        Annotated[list[Annotated[list[float], Field(min_length=6)]], Field(min_length=1)]
        | _RunLengths
    )


class _Coco(BaseModel):
    images: list[_Image]
    categories: list[_Category]
    annotations: list[_Annotation]


def _coco_images(path: Path, values: Mapping[str, int]) -> list[Found]:
    content = _parsed(_Coco, path, "COCO's JSON of segmentations")
    names = {category.id: category.name for category in content.categories}
    own: dict[int, list[_Annotation]] = {image.id: [] for image in content.images}
    for annotation in content.annotations:
        if annotation.image_id not in own or annotation.category_id not in names:
            raise SSENetError(f"{path}: an annotation is of an image or category that is not there")
        own[annotation.image_id].append(annotation)

    def labels_of(where: str, image: _Image) -> Labels:
        labels = np.zeros((image.height, image.width), np.uint8)
        for annotation in own[image.id]:
            value = _label_value(where, names[annotation.category_id], values)
            segmentation = annotation.model_dump()["segmentation"]
            try:
                labels[decode_mask(segmentation, labels.shape)] = value
            except ValueError as error:
                raise SSENetError(f"{where}: not a segmentation of it: {error}") from error
        return labels

    places = [(f"{path}: {image.file_name}", image) for image in content.images]
    return [(at, Path(image.file_name), partial(labels_of, at, image)) for at, image in places]
