"""What the per-image stages share: the shard of images that a job does, and its record."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssenet_core.data.manifest import ImageRecord, load_manifest
from ssenet_core.memory import gpu_memory
from ssenet_core.progress import progress
from ssenet_core.storage import remove_leftovers, write_record

LOG = logging.getLogger("ssenet")


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
        """Write the record, and say in the log what was made."""
        write_record(self.record, self.number, [Path(file).stem for file in self.files])
        LOG.info("%s: %s of %d images", self.record, made, len(self.files))


def map_images(shard: Shard, write: Callable[[ImageRecord, Path], None], made: str) -> None:
    """Call `write(image, path)` for every file of a shard, then write the shard's record."""
    pairs = shard.pairs()
    for image, path in progress(pairs, total=len(pairs), description=made):
        with gpu_memory(
            f"{made} of {image.id}, 1 image and its mirror image at a time",
            "lower the largest of the stage's scales, or use precision bf16-mixed",
        ):
            write(image, path)
    shard.finish(made)
