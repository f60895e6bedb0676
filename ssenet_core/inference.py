"""What the per-image stages share: walking over a shard's files, precision, the shard's record."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch

from ssenet_core.data.manifest import ImageRecord, Manifest
from ssenet_core.progress import progress


def map_images(
    manifest: Manifest,
    files: Sequence[str | Path],
    write: Callable[[ImageRecord, Path], None],
    description: str,
) -> list[str]:
    """Call `write(image, path)` for every output file; its stem is the image's id.

    Returns:
        The ids, in the order of `files`.
    """
    paths = [Path(file) for file in files]
    images = manifest.select([path.stem for path in paths])
    pairs = list(zip(images, paths, strict=True))
    for image, path in progress(pairs, total=len(pairs), description=description):
        write(image, path)
    return [image.id for image in images]


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Mixed precision for inference: "32-true", "16-mixed" or "bf16-mixed"."""
    kinds = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}
    if precision not in kinds:
        return nullcontext()
    return torch.autocast(device.type, dtype=kinds[precision])
