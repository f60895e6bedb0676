"""Folds of the training images, for networks that are asked about images they never saw.

Raises `SSENetError` where there are too few images for the folds.
"""

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssenet_core.data.manifest import ImageRecord, Manifest, load_manifest
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import write_json

SEED = 0  # of the order in which images are dealt out; the trainings have seeds of their own


def split_folds(
    *, manifest: str | Path, seen: Sequence[str | Path], held_out: Sequence[str | Path]
) -> None:
    """Write two manifests a fold: of the images outside of it, and of those in it.

    Args:
        manifest: of the training images.
        seen: manifest to train each fold's network with.
        held_out: manifest of each fold's own images.

    Raises:
        SSENetError: there are too few images.
    """
    split = load_manifest(manifest)
    folds = assign_folds(split.images, len(seen))
    for fold, paths in enumerate(zip(seen, held_out, strict=True)):
        for path, chosen in zip(paths, (folds != fold, folds == fold), strict=True):
            images = [split.images[place] for place in np.flatnonzero(chosen)]
            write_json(path, _with_images(split, images))


def assign_folds(images: Sequence[ImageRecord], count: int) -> NDArray[np.int64]:
    """The fold of each image, (images,): classes spread evenly, the same photograph in one fold.

    Images are dealt out by the rarest of their classes. Files with the same checksum are the same
    photograph.

    Raises:
        SSENetError: no class has as many images as there are folds.
    """
    # Not at the top: it takes seconds to import.
    from sklearn.model_selection import StratifiedGroupKFold

    number_of = Counter(tag for image in images for tag in image.known_tags)
    rarest = [min(image.known_tags, key=number_of.__getitem__, default=0) for image in images]
    folds = np.zeros(len(images), np.int64)
    dealer = StratifiedGroupKFold(count, shuffle=True, random_state=SEED)
    checksums = [image.sha256 for image in images]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The least populated class")
            for fold, (_, chosen) in enumerate(dealer.split(rarest, rarest, checksums)):
                folds[chosen] = fold
    except ValueError as error:
        raise SSENetError(
            f"tags.folds: found {count}, which {len(images)} training images are too few for "
            f"({error}); use fewer folds, or 0"
        ) from error
    return folds


def _with_images(split: Manifest, images: Sequence[ImageRecord]) -> dict[str, object]:
    """A manifest's content with some of its images."""
    return split.model_copy(update={"images": tuple(images)}).model_dump(mode="json")
