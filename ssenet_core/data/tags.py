"""Tags of an image from the sources that the settings name, in their order: csv, xml, masks.

In: the dataset's settings and an image id. Out: label values, ascending. A source that knows
nothing of the image is passed over; one that says that the image has none of the classes (a row
with an empty cell, an annotation without objects, a mask of background) is believed. Faults are
`SSENetError`s that name the file and the tag.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import numpy as np
from numpy.typing import NDArray

from ssenet_core.data.dataset import annotation_path, mask_path
from ssenet_core.data.layout import shortened
from ssenet_core.data.tag_table import TagTable
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import is_file
from ssenet_core.io.images import VOID, read_label_png
from ssenet_core.settings import DatasetSettings

LARGEST_ANNOTATION = 1 << 24  # bytes; VOC's have a few thousand, and read they take 30 times more


def find_tags(
    dataset: DatasetSettings,
    image_id: str,
    *,
    classes: Mapping[str, int],
    table: TagTable | None,
    labels: NDArray[np.uint8] | None,
) -> tuple[int, ...] | None:
    """The image's tags from the first source that knows the image; None when none does.

    Args:
        dataset: settings; `tags` is the order of the sources.
        image_id: the image.
        classes: label value of each class name.
        table: the tags file, if the split has one.
        labels: the mask, (H, W), if the image has one whose values are known to be right.

    Returns:
        Label values, ascending; empty where the image has none of the classes.

    Raises:
        SSENetError: the annotation cannot be read, or a tag is not a class.
    """
    for source in dataset.tags:
        if source == "csv" and table and image_id in table.rows:
            return label_values(table.rows[image_id], classes, f"{table.path}: image {image_id}")
        if source == "xml" and is_file(path := annotation_path(dataset, image_id)):
            return label_values(tags_from_xml(path), classes, str(path))
        if source == "masks" and labels is not None:
            return tags_from_mask(labels)
    return None


def missing_tags(dataset: DatasetSettings, image_id: str, table: TagTable | None) -> str:
    """What is not there of an image of which `find_tags` finds nothing, in words."""
    missing = {
        "csv": f"no row in {table.path}" if table else "no tags file",
        "xml": f"no {annotation_path(dataset, image_id)}",
        "masks": f"no {mask_path(dataset, image_id) or 'mask'}",
    }
    found = ", ".join(missing[source] for source in dataset.tags)
    return f"{found}; a row with an empty cell says: none of the classes" if table else found


def unlearnable(tags: Iterable[Sequence[Any]], classes: Sequence[str]) -> str | None:
    """Why nothing can be learnt from training images with these tags; None where something can.

    A class is told from the images without it, so one class alone needs images without any.

    Args:
        tags: of each image, as names or label values.
        classes: names of the foreground classes.
    """
    tagged = [bool(own) for own in tags]
    if not any(tagged):
        return (
            f"no training image has any of the classes ({shortened(', '.join(classes))}); "
            "tags say what is in an image, and in a mask 255 is void, no class"
        )
    if len(classes) == 1 and all(tagged):
        return (
            f"every training image has {classes[0]!r}, the only class: what a class looks like is "
            "learnt from images without it; add some (in a table, rows with an empty cell)"
        )
    return None


def uses_mask(dataset: DatasetSettings, image_id: str, table: TagTable | None) -> bool:
    """Whether `find_tags` will come to the image's mask."""
    for source in dataset.tags:
        if source == "csv" and table and image_id in table.rows:
            return False
        if source == "xml" and is_file(annotation_path(dataset, image_id)):
            return False
        if source == "masks":
            return mask_path(dataset, image_id) is not None
    return False


def label_values(names: tuple[str, ...], classes: Mapping[str, int], where: str) -> tuple[int, ...]:
    """Label values of class names, ascending; `SSENetError` lists the names that are no classes."""
    unknown = [name for name in names if name not in classes]
    if unknown:
        near = difflib.get_close_matches(unknown[0], classes, n=1)
        hint = f"; is it {near[0]}?" if near else f"; there are {shortened(', '.join(classes))}"
        raise SSENetError(
            f"{where}: not in the list of classes: {', '.join(map(repr, unknown))}{hint}"
        )
    return tuple(sorted({classes[name] for name in names}))


def tags_from_xml(path: str | Path) -> tuple[str, ...]:
    """Names of a VOC annotation's objects, `difficult` ones included, without repeats.

    Raises:
        SSENetError: not a VOC annotation, or XML that defines entities.
    """
    # Not at the top: a machine that only trains reads manifests, and may lack it.
    from defusedxml import DefusedXmlException
    from defusedxml import ElementTree as SafeElementTree

    try:
        if (size := Path(path).stat().st_size) > LARGEST_ANNOTATION:
            raise ValueError(f"it has {size} bytes, more than {LARGEST_ANNOTATION}")
        annotation = SafeElementTree.parse(path).getroot()
    except (OSError, ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise SSENetError(f"{path}: expected a VOC annotation, cannot read it ({error})") from error
    if annotation is None or annotation.tag != "annotation":
        found = None if annotation is None else annotation.tag
        raise SSENetError(f"{path}: expected a VOC <annotation>, found <{found}>")
    names = [(item.findtext("name") or "").strip() for item in annotation.findall("object")]
    if "" in names:
        raise SSENetError(f"{path}: an <object> has no <name>")
    return tuple(dict.fromkeys(names))


def tags_from_mask(labels: NDArray[np.uint8]) -> tuple[int, ...]:
    """Label values in a mask (H, W), background and void left out, ascending."""
    return tuple(int(value) for value in np.unique(labels) if value not in {0, VOID})


def read_mask(path: str | Path, *, size: tuple[int, int], classes: int) -> NDArray[np.uint8]:
    """Read a mask and check it against its image.

    Args:
        path: an indexed PNG.
        size: the image's width and height.
        classes: number of foreground classes; 1 to `classes`, 0 and 255 are label values.

    Returns:
        Label values (H, W).

    Raises:
        SSENetError: unreadable, of another size, or with other values.
    """
    labels = read_label_png(path)
    height, width = labels.shape
    if (width, height) != size:
        raise SSENetError(
            f"{path}: expected the image's size {size[0]}x{size[1]}, found {width}x{height}"
        )
    unknown = [int(value) for value in np.unique(labels) if classes < value < VOID]
    if unknown:
        raise SSENetError(
            f"{path}: label values {unknown} are outside the {classes} classes "
            f"(0 to {classes}, and {VOID} for void); are all classes named, in the masks' order?"
        )
    return labels
