"""What the per-image stages share: a job's shard of images, its record, the maps that it reads."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image

from ssenet_core.data.manifest import ImageRecord, load_manifest
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import remove_leftovers, write_json
from ssenet_core.io.maps import ClassMaps, read_maps
from ssenet_core.jobs import gpu_memory, progress, read_ahead, write_pool

LOG = logging.getLogger("ssenet")

Given = TypeVar("Given")


@dataclass(frozen=True)
class Shard:
    """The images of one job of a per-image stage.

    Attributes:
        manifest: JSON of the split, or of the shard alone.
        files: what to write, one file an image; its stem is the image's id.
        record: JSON that names the shard's images, written last.
        number: the shard's.
    """

    manifest: str | Path
    files: Sequence[str | Path]
    record: str | Path
    number: int

    @classmethod
    def of_job(cls, job: Any) -> "Shard":
        """The shard that a rule describes, from a workflow script's `snakemake` object."""
        remove_leftovers([*job.output.files, job.output.record])
        return cls(job.input.manifest, job.output.files, job.output.record, job.params.shard)

    def pairs(self) -> list[tuple[ImageRecord, Path]]:
        """Every image with the file to write for it, in the order of `files`.

        Raises:
            SSENetError: an image is not in the manifest.
        """
        paths = [Path(file) for file in self.files]
        images = load_manifest(self.manifest).select([path.stem for path in paths])
        return list(zip(images, paths, strict=True))

    def finish(self, made: str) -> None:
        """Write the record, which vouches for the files, and say in the log what was made."""
        images = [Path(file).stem for file in self.files]
        write_json(self.record, {"shard": self.number, "images": images})
        LOG.info("%s: %s of %d images", self.record, made, len(self.files))


def map_images(
    shard: Shard,
    made: str,
    *,
    read: Callable[[ImageRecord], Given],
    compute: Callable[[ImageRecord, Given], Sequence[Any]],
    write: Callable[..., None],
    workers: int = 0,
) -> None:
    """Make every file of a shard, then write the shard's record.

    Args:
        made: what the files are, for the log.
        read: an image to what is computed with; a thread reads ahead if there are workers.
        compute: its outcome is what `write` takes after the path.
        write: at module level, as processes are told its name.
        workers: processes that write while the next images are computed; 0 to do all in turn.
    """
    pairs = shard.pairs()
    images = (image for image, _ in pairs)
    given = read_ahead(read, images) if workers else map(read, images)
    if workers:
        LOG.info(
            "%s: %d process%s beside it", made, workers, "es write" if workers > 1 else " writes"
        )
    with write_pool(workers) as call:
        steps = progress(zip(pairs, given, strict=True), total=len(pairs), description=made)
        for (image, path), item in steps:
            with gpu_memory(
                f"{made} of {image.id}, 1 image and its mirror image at a time",
                "lower the largest of the stage's scales, or use precision bf16-mixed",
            ):
                found = _named(image, compute, item)
            call(write, path, *found)
    shard.finish(made)


def _named(
    image: ImageRecord, compute: Callable[[ImageRecord, Given], Sequence[Any]], given: Given
) -> Sequence[Any]:
    """What is computed of an image; an error says of which."""
    try:
        return compute(image, given)
    except SSENetError as error:
        raise SSENetError(f"image {image.id}: {error}") from error


def maps_on(photograph: Image.Image, record: ImageRecord, path: Path) -> ClassMaps:
    """Read the class activation maps of one image.

    Args:
        photograph: the image that the maps are for.
        record: the manifest's of it.
        path: HDF5 of the maps.

    Raises:
        SSENetError: missing or damaged, of another image, or of another size than the photograph.
    """
    maps = read_maps(path)
    if maps.image_id != record.id:
        raise SSENetError(
            f"{path}: expected maps of image {record.id}, found {maps.image_id}; "
            "delete the file and run the workflow again"
        )
    size = (photograph.height, photograph.width)
    if maps.maps.shape[1:] != size:
        raise SSENetError(
            f"{path}: expected maps of {record.image}'s size {size} (height, width), "
            f"found {maps.maps.shape[1:]}; delete the file and run the workflow again"
        )
    return maps
