"""The manifest of a split: a JSON file with every image's files, size, tags and checksums.

`ssenet_core.data.check` makes it; later stages read it and trust it. Raises `SSENetError` for a
file that is no manifest, an image that is not in it, and one that changed since it was checked.
"""

import logging
import statistics
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from PIL import Image
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    PositiveInt,
    ValidationError,
    model_validator,
)

from ssenet_core.data.dataset import class_names
from ssenet_core.errors import SSENetError, shown
from ssenet_core.io.files import id_problem, require_plain_file, write_json
from ssenet_core.io.images import load_image
from ssenet_core.settings import DatasetSettings

LOG = logging.getLogger("ssenet")
FORMAT: Final = "ssenet manifest"
FORMAT_VERSION: Final = 2  # 1 did not tell images without classes from images without tags


def _checked_id(image_id: str) -> str:
    """Refuse an id that cannot name files: from here on it does."""
    if problem := id_problem(image_id):
        raise ValueError(problem)
    return image_id


class Original(BaseModel):
    """What a photograph was before its working copy was made.

    Attributes:
        file: the photograph.
        format: "JPEG", "HEIF", ...
        width: as a viewer shows it, pixels.
        height: of the same.
        orientation: EXIF's, 1 to 8.
        mask_turned: whether its mask was drawn on the stored pixels, and turned with them.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    file: str
    format: str
    width: PositiveInt
    height: PositiveInt
    orientation: PositiveInt
    mask_turned: bool = False


class ImageRecord(BaseModel):
    """One image of a split.

    Attributes:
        id: the name of its files.
        image: the photograph.
        mask: its ground truth, only where the split is evaluated.
        width: in pixels.
        height: in pixels.
        tags: label values of its classes, ascending; empty where it is known to have none of the
            classes, None where nothing is known, which no training image's tags are.
        sha256: checksum of the photograph.
        mask_sha256: checksum of the mask.
        original: what the image is a working copy of, if it is one.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    id: Annotated[str, AfterValidator(_checked_id)]
    image: Path
    mask: Path | None
    width: PositiveInt
    height: PositiveInt
    tags: tuple[PositiveInt, ...] | None
    sha256: str
    mask_sha256: str | None = None
    original: Original | None = None

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


class Manifest(BaseModel):
    """A split: its images in their order, and the foreground classes (label value = place + 1)."""

    model_config = ConfigDict(frozen=True, strict=True)

    format: Literal["ssenet manifest"]
    format_version: Literal[2]
    dataset: str
    split: str
    classes: tuple[str, ...]
    images: tuple[ImageRecord, ...]

    @model_validator(mode="after")
    def _tags_are_classes(self) -> Self:
        for record in self.images:
            if max(record.tags or (0,)) > len(self.classes):
                raise ValueError(f"image {record.id}: a tag is above {len(self.classes)}")
        return self

    @property
    def num_classes(self) -> int:
        """Number of classes with the background."""
        return len(self.classes) + 1

    @property
    def without_classes(self) -> int:
        """Number of images that are known to have none of the classes."""
        return sum(record.tags == () for record in self.images)

    @property
    def longest_edge(self) -> int:
        """The median of the images' longest edges, pixels; `ValueError` where there are none."""
        return round(statistics.median(max(r.width, r.height) for r in self.images))

    @property
    def originals(self) -> list[Original]:
        """The photographs behind the images that are working copies."""
        return [record.original for record in self.images if record.original]

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


def write_manifest(
    output: str | Path, dataset: DatasetSettings, split: str, records: Sequence[ImageRecord]
) -> None:
    """Write the records of a split, or of a part of it, as a manifest."""
    manifest = Manifest(
        format=FORMAT,
        format_version=FORMAT_VERSION,
        dataset=dataset.name,
        split=split,
        classes=class_names(dataset),
        images=tuple(records),
    )
    write_json(output, manifest.model_dump(mode="json"))
    LOG.info(
        "%s: %d good images of %s, %d with masks, %d with none of the classes",
        output,
        len(records),
        split,
        sum(record.mask is not None for record in records),
        manifest.without_classes,
    )


def load_manifest(path: str | Path) -> Manifest:
    """Read a manifest; `SSENetError` names a file that is missing or something else."""
    try:
        require_plain_file(path)
        return Manifest.model_validate_json(Path(path).read_bytes())
    except FileNotFoundError as error:
        raise SSENetError(f"{path}: no such file") from error
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "the file"
        reason = f"{place} is {shown(fault['input'])}: {fault['msg']}"
    except (OSError, ValueError) as error:
        reason = str(error)
    raise SSENetError(
        f"{path}: expected '{FORMAT}' version {FORMAT_VERSION}, found something else ({reason}); "
        "delete the file and run the workflow again"
    )
