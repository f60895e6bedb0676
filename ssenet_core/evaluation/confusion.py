"""Confusion matrices and the scores that follow from them (paper, Eq. 4-6).

`confusion_matrix` raises `LabelError`, which callers turn into a message that names the file.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

VALUES = 256  # what a uint8 label can be; the truth's void row lies in it and is cut off


class LabelError(ValueError):
    """Labels do not fit each other or the classes; the message does not name the file."""


@dataclass(frozen=True)
class Scores:
    """Scores of a confusion matrix.

    Attributes:
        miou: mean IoU in percent over the classes that occur, None when none does.
        iou: IoU in percent a class, background first; None where neither truth nor prediction
            has the class.
        mfn: mean of FN / TP over the foreground classes; infinite when a class of the truth is
            never found, None when there is nothing to average.
        mfp: mean of FP / TP over the foreground classes; infinite when a class is predicted but
            never rightly, None when there is nothing to average.
        never_found: label values of foreground classes that occur and have no true positive.
    """

    miou: float | None
    iou: list[float | None]
    mfn: float | None
    mfp: float | None
    never_found: list[int]

    def to_json(self) -> dict[str, Any]:
        """mIoU, IoU, mFN and mFP; infinite ratios are None, as JSON has no infinity."""
        ratios = {
            key: value if value is not None and math.isfinite(value) else None
            for key, value in (("mfn", self.mfn), ("mfp", self.mfp))
        }
        return {"miou": self.miou, "iou": self.iou, **ratios}


def confusion_matrix(
    truth: NDArray[np.uint8], prediction: NDArray[np.uint8], num_classes: int
) -> NDArray[np.int64]:
    """Count pixels by (truth, prediction), except those that are void in the truth.

    Args:
        truth: labels (H, W) uint8, 255 where void.
        prediction: labels (H, W) uint8, each below `num_classes`, void pixels included.
        num_classes: classes with background.

    Returns:
        Counts (num_classes, num_classes) int64: rows truth, columns prediction.

    Raises:
        LabelError: the shapes differ, or a label is not one of the classes.
    """
    if truth.shape != prediction.shape:
        raise LabelError(
            f"expected {_size(truth)} pixels (width x height) like its mask, "
            f"found {_size(prediction)}"
        )
    # Both labels fit one 16-bit number. Labels come in runs along the rows: counting runs, weighted
    # by their lengths, is faster than counting pixels.
    pairs = ((truth.astype(np.uint16) << 8) | prediction).ravel()
    ends = np.append(np.flatnonzero(pairs[1:] != pairs[:-1]), pairs.size - 1)
    lengths = np.diff(ends, prepend=-1)
    joint = np.bincount(pairs[ends], weights=lengths, minlength=VALUES * VALUES)
    joint = joint.reshape(VALUES, VALUES)  # float64, exact for whole numbers of this size
    _check_labels("prediction", joint[:, num_classes:].sum(axis=0), num_classes)
    _check_labels("mask", joint[num_classes:-1].sum(axis=1), num_classes)
    return joint[:num_classes, :num_classes].astype(np.int64)


def scores(confusion: NDArray[np.int64]) -> Scores:
    """Scores of a confusion matrix.

    A foreground class without true positives has an infinite FN / TP when the truth has it, an
    infinite FP / TP when the prediction has it; 0 / 0 is left out of the mean it would belong to.
    """
    hits = np.diagonal(confusion)
    missed = confusion.sum(axis=1) - hits
    false = confusion.sum(axis=0) - hits
    union = hits + missed + false
    iou = [100 * float(h / u) if u else None for h, u in zip(hits, union, strict=True)]
    never_found = [c for c in range(1, len(hits)) if union[c] and not hits[c]]
    return Scores(
        miou=_mean([value for value in iou if value is not None]),
        iou=iou,
        mfn=_mean_ratio(missed[1:], hits[1:]),
        mfp=_mean_ratio(false[1:], hits[1:]),
        never_found=never_found,
    )


def _mean_ratio(counts: NDArray[np.int64], hits: NDArray[np.int64]) -> float | None:
    """Mean of counts / hits (Eq. 5-6) over the classes where it is not 0 / 0."""
    ratios = [
        float(count / hit) if hit else math.inf
        for count, hit in zip(counts, hits, strict=True)
        if count or hit
    ]
    return _mean(ratios)


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _size(labels: NDArray[np.uint8]) -> str:
    return " x ".join(str(side) for side in reversed(labels.shape))


def _check_labels(what: str, counts: NDArray[np.int64], num_classes: int) -> None:
    """Refuse labels from `num_classes` on that occur (their pixels are `counts`)."""
    if counts.any():
        values = ", ".join(str(v) for v in np.flatnonzero(counts) + num_classes)
        raise LabelError(f"expected labels 0 to {num_classes - 1} in the {what}, found {values}")
