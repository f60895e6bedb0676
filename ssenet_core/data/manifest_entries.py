"""One image of a manifest, as a record and as the manifest's JSON has it.

In: a record, or what was read of an entry. Out: the other. A manifest is a file like any other, so
an entry is checked as one: a wrong one is a `KeyError`, a `TypeError` or a `ValueError`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ssenet_core.data.layout import id_problem, shortened
from ssenet_core.errors import SSENetError
from ssenet_core.io.images import load_image


@dataclass(frozen=True)
class ImageRecord:
    """One image of a split.

    Attributes:
        id: the name of its files.
        image: the photograph.
        mask: its ground truth, only where the split is scored.
        width: in pixels.
        height: in pixels.
        tags: label values of its classes, ascending; empty where it is known to have none of the
            classes, None where nothing is known, which no training image's tags are.
        sha256: checksum of the photograph.
        mask_sha256: checksum of the mask.
    """

    id: str
    image: Path
    mask: Path | None
    width: int
    height: int
    tags: tuple[int, ...] | None
    sha256: str
    mask_sha256: str | None = None

    @property
    def known_tags(self) -> tuple[int, ...]:
        """The tags, for what cannot do without.

        Raises:
            SSENetError: nothing is known of the image's classes.
        """
        if self.tags is None:
            raise SSENetError(
                f"image {self.id}: its tags are needed, and no source in dataset.tags has them"
            )
        return self.tags

    def photograph(self) -> Image.Image:
        """The photograph as RGB.

        Raises:
            SSENetError: it cannot be read, or has another size than when it was checked.
        """
        image = load_image(self.image)
        if image.size != (self.width, self.height):
            raise SSENetError(
                f"{self.image}: expected {self.width}x{self.height} pixels, as it was checked, "
                f"found {image.width}x{image.height}; it changed since: run the workflow again"
            )
        return image


def to_json(record: ImageRecord) -> dict[str, Any]:
    """The entry of an image."""
    return {
        "id": record.id,
        "image": str(record.image),
        "mask": str(record.mask) if record.mask else None,
        "width": record.width,
        "height": record.height,
        "tags": None if record.tags is None else list(record.tags),
        "sha256": record.sha256,
        "mask_sha256": record.mask_sha256,
    }


def from_json(entry: Mapping[str, Any], classes: int) -> ImageRecord:
    """The image of an entry; its id names files from here on.

    Args:
        entry: of the manifest.
        classes: number of foreground classes.

    Raises:
        KeyError, TypeError, ValueError: something is missing, of another type, or cannot be.
    """
    image_id, mask = of_kind(entry, "id", str), of_kind(entry, "mask", str | None)
    if problem := id_problem(image_id):
        raise ValueError(f"id {shortened(image_id)}: {problem}")
    width, height = (of_kind(entry, side, int) for side in ("width", "height"))
    listed = of_kind(entry, "tags", list | None)
    tags = None if listed is None else tuple(listed)
    fitting = all(type(tag) is int and 1 <= tag <= classes for tag in tags or ())
    if min(width, height) < 1 or not fitting:
        raise ValueError(f"image {image_id}: a size or tag that cannot be")
    return ImageRecord(
        id=image_id,
        image=Path(of_kind(entry, "image", str)),
        mask=Path(mask) if mask else None,
        width=width,
        height=height,
        tags=tags,
        sha256=of_kind(entry, "sha256", str),
        mask_sha256=of_kind(entry, "mask_sha256", str | None),
    )


def of_kind(entry: Mapping[str, Any], key: str, kind: Any) -> Any:
    """What `entry` has under a key; `TypeError` when it is not of this kind."""
    value = entry[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{key} is {shortened(str(value))}")
    return value
