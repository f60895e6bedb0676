"""Confusion matrices of class activation maps over many background thresholds, in one pass.

The argmax class of a pixel and its score do not depend on the background threshold alpha, and a
pixel is foreground exactly where its score is above alpha. So a histogram of scores by (truth,
class), binned at the thresholds, gives the confusion matrix at each of them. Maps that do not fit
the truth raise `LabelError`.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssenet_core.evaluation.confusion import LabelError, scores
from ssenet_core.io.images import VOID
from ssenet_core.scores import argmax_and_max
from ssenet_core.settings import AlphaGrid

# Stored maps are float16: as float32, their last 13 bits are 0. The bits before index a table of
# all non-negative values, in ascending order up to infinity; a look-up is faster than a search.
SPARE_BITS = 13
HALVES = np.arange(0, 0x7F800000, 2**SPARE_BITS, dtype=np.uint32).view(np.float32)


def alpha_grid(alphas: AlphaGrid) -> list[float]:
    """Evenly spaced thresholds, both ends included."""
    return [
        round(float(alpha), 6) for alpha in np.linspace(alphas.start, alphas.stop, alphas.count)
    ]


class ThresholdCurve:
    """Confusion matrices of class maps at fixed background thresholds.

    Scores and thresholds are compared as float32, like everywhere else that maps become labels;
    a score equal to the threshold is background.
    """

    def __init__(self, alphas: Iterable[float], num_classes: int) -> None:
        """Count for `alphas` (any order, duplicates allowed) and `num_classes` with background."""
        self._thresholds = np.unique(np.asarray(list(alphas), dtype=np.float32))
        self._num_classes = num_classes
        bins = len(self._thresholds) + 1
        self._counts = np.zeros((num_classes, num_classes, bins), dtype=np.int64)
        above = np.searchsorted(HALVES, self._thresholds, side="right")
        steps = np.bincount(above, minlength=len(HALVES))[: len(HALVES)]
        self._bins_of_halves = steps.cumsum(dtype=np.int32)

    def add(
        self, truth: NDArray[np.uint8], maps: NDArray[np.float32], classes: NDArray[np.int64]
    ) -> None:
        """Count one image.

        Args:
            truth: labels (H, W) uint8, 255 where void.
            maps: normalised class maps (K, H, W) float32; K may be 0.
            classes: label values of the maps, (K,).

        Raises:
            LabelError: sizes differ, or a label is not one of the classes.
        """
        n, bins = self._num_classes, self._counts.shape[2]
        self._check(truth, maps, classes)
        if len(classes) == 0:
            self._counts[:, 0, 0] += np.bincount(truth.ravel(), minlength=VOID)[:n]
            return
        row, score = argmax_and_max(maps)
        if not np.isfinite(score).all():
            raise LabelError("expected finite maps, found NaN or infinite values")
        # Void is counted as class n and cut off: faster than selecting the other pixels.
        index = np.minimum(truth, n).astype(np.int32)
        index *= len(classes)
        index += row
        index *= bins
        index += self._bins(score)
        shape = (n + 1, len(classes), bins)
        counts = np.bincount(index.ravel(), minlength=math.prod(shape)).reshape(shape)
        for place, label in enumerate(classes):
            self._counts[:, label] += counts[:n, place]

    def _bins(self, scores: NDArray[np.float32]) -> NDArray[np.int32]:
        """How many thresholds lie strictly below each score."""
        bits = scores.view(np.uint32)
        places = bits >> SPARE_BITS  # of a negative score, whose first bit is set: past the end
        if np.bitwise_or.reduce(bits, axis=None) % 2**SPARE_BITS or places.max() >= len(HALVES):
            return np.searchsorted(self._thresholds, scores, side="left").astype(np.int32)
        return self._bins_of_halves.take(places)

    def confusion(self, alpha: float) -> NDArray[np.int64]:
        """Confusion matrix (num_classes, num_classes) at one of the thresholds."""
        position = int(np.searchsorted(self._thresholds, np.float32(alpha)))
        if position == len(self._thresholds) or self._thresholds[position] != np.float32(alpha):
            raise ValueError(f"{alpha} is not a threshold of this curve")
        confusion = self._counts[:, :, position + 1 :].sum(axis=2)
        confusion[:, 0] += self._counts[:, :, : position + 1].sum(axis=(1, 2))
        return confusion

    def points(self, grid: Sequence[float]) -> dict[str, Any]:
        """Scores at some of the thresholds, and the best: chosen on the masks it is scored on."""
        points = [scores(self.confusion(alpha)).to_json() for alpha in grid]
        best = max(range(len(grid)), key=lambda i: points[i]["miou"] or 0.0)
        by_score = {key: [point[key] for point in points] for key in ("miou", "mfn", "mfp")}
        best_point = {"best_alpha": grid[best], "best_miou": points[best]["miou"]}
        return {"alpha": list(grid), **by_score, **best_point}

    def _check(
        self, truth: NDArray[np.uint8], maps: NDArray[np.float32], classes: NDArray[np.int64]
    ) -> None:
        if maps.shape[1:] != truth.shape or len(maps) != len(classes):
            raise LabelError(
                f"expected {len(classes)} maps of {truth.shape} (height, width) like the mask, "
                f"found {maps.shape}"
            )
        if not all(0 < label < self._num_classes for label in classes):
            raise LabelError(
                f"expected map classes 1 to {self._num_classes - 1}, found {list(classes)}"
            )
        wrong = (truth >= self._num_classes) & (truth != VOID)
        if wrong.any():
            found = np.unique(truth[wrong]).tolist()
            raise LabelError(
                f"expected labels 0 to {self._num_classes - 1} in the mask, found {found}"
            )
