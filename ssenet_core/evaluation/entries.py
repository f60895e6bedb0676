"""What the evaluations share: images that have masks, errors that name files, the JSON entries."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssenet_core.data.manifest import ImageRecord, Manifest
from ssenet_core.errors import SSENetError
from ssenet_core.evaluation.confusion import LabelError, scores
from ssenet_core.evaluation.curve import ThresholdCurve
from ssenet_core.io.images import read_label_png
from ssenet_core.jobs import progress

LOG = logging.getLogger("ssenet")
FORMAT = 1  # of every evaluation's JSON
EQUIVARIANCE = "equivariance"  # the stage that a measurement of equivariance names
MULTI_SCALE = "MS"  # the sum of the scales, among scores by test scale

Labels = NDArray[np.uint8]


def scored_images(split: Manifest, description: str) -> Iterator[ImageRecord]:
    """Yield the split's images, with progress, after making sure that all have masks."""
    without = [record.id for record in split.images if record.mask is None]
    if without or not split.images:
        listed = ("; these have none:\n  " + "\n  ".join(without)) if without else ", found none"
        raise SSENetError(
            f"split {split.split} of {split.dataset}: expected images with masks to score{listed}"
        )
    yield from progress(split.images, total=len(split.images), description=description)


def true_labels(record: ImageRecord) -> Labels:
    assert record.mask is not None  # scored_images has checked
    return read_label_png(record.mask)


@contextmanager
def naming(path: str | Path | None, record: ImageRecord) -> Iterator[None]:
    """Turn a `LabelError` into an `SSENetError` that names the file and the mask."""
    try:
        yield
    except LabelError as error:
        raise SSENetError(
            f"{path}: {error} (mask: {record.mask}); make the file again, or mend the dataset "
            "and its manifest"
        ) from error


def entry(
    split: Manifest, stage: str, name: str, confusion: NDArray[np.int64], *, tags_used: bool
) -> dict[str, Any]:
    """The evaluation record; infinite ratios become null, and `never_found` says why."""
    found = scores(confusion)
    classes = ["background", *split.classes]
    return {
        "format": FORMAT,
        "stage": stage,
        "name": name,
        "split": split.split,
        "images": len(split.images),
        "classes": classes,
        "miou": found.miou,
        "iou": found.iou,
        "mfn": _finite(found.mfn),
        "mfp": _finite(found.mfp),
        "never_found": [classes[label] for label in found.never_found],
        "confusion": confusion.tolist(),
        "tags_used": tags_used,
    }


def say(output: str | Path, found: Mapping[str, Any]) -> None:
    """Say in the log what was scored, and how good it is: an entry's mIoU, mFN and mFP."""
    ratios = ("∞" if found[key] is None else f"{found[key]:.2f}" for key in ("mfn", "mfp"))
    LOG.info(
        "%s: %s %s on %d images of %s: mIoU %.1f %%, mFN %s, mFP %s",
        output,
        found["stage"],
        found["name"],
        found["images"],
        found["split"],
        math.nan if found["miou"] is None else found["miou"],
        *ratios,
    )


def curve_points(curve: ThresholdCurve, grid: Sequence[float]) -> dict[str, Any]:
    """Scores at each threshold, and the best one: chosen on the masks that it is scored on."""
    points = [scores(curve.confusion(alpha)) for alpha in grid]
    best = max(range(len(grid)), key=lambda i: points[i].miou or 0.0)
    return {
        "alpha": list(grid),
        "miou": [point.miou for point in points],
        "mfn": [_finite(point.mfn) for point in points],
        "mfp": [_finite(point.mfp) for point in points],
        "best_alpha": grid[best],
        "best_miou": points[best].miou,
    }


def _finite(value: float | None) -> float | None:
    """JSON has no infinity: null stands for it."""
    return value if value is not None and math.isfinite(value) else None
