"""What AffinityNet learns from: confident cells of the refined CAMs, and the pairs among them.

In: CRF posteriors at two backgrounds. Out: a grid of label values, 255 where nothing is certain,
and for each pair of cells which kind it is. No ground truth is read.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ssenet_core.affinity.pairs import offsets, pair_windows
from ssenet_core.io.images import VOID
from ssenet_core.scores import block_average, labels_from_scores


class PairLabels(NamedTuple):
    """Which pairs are known to be what; bool, (..., pairs, h, w) in the layout of `pairs`.

    Attributes:
        background: both cells are background.
        foreground: both cells are of one class.
        different: the cells have different labels, the background among them.
    """

    background: Tensor
    foreground: Tensor
    different: Tensor


def confident_labels(
    low: NDArray[np.float32], high: NDArray[np.float32], classes: NDArray[np.int64], stride: int
) -> NDArray[np.uint8]:
    """Labels of the cells that are certain, of two posteriors averaged over the cells.

    The background score (1 - max) ** a falls as a grows. A cell that is of a class though a is low,
    and the background strong, is foreground; one that is background though a is high, and the
    background weak, is background; the rest is void. Each CRF runs on its own, so a cell can be
    both: then it is background, so that no object grows by a CRF's spill.

    Args:
        low: posteriors with the background of the low power, (K + 1, H, W); 0 outside the image.
        high: the same with the high power's.
        classes: label values of the rows from the second on, (K,).
        stride: pixels along a cell's edge.

    Returns:
        Label values, 255 where ignored, (ceil(H / stride), ceil(W / stride)); cells wholly outside
        the image are ignored.
    """
    low_cells, high_cells = block_average(low, stride), block_average(high, stride)
    labels = labels_from_scores(low_cells, classes)
    labels[labels == 0] = VOID
    labels[labels_from_scores(high_cells, classes) == 0] = 0
    labels[~high_cells.any(axis=0)] = VOID
    return labels


def pair_labels(labels: Tensor, radius: int, pairs: str = "all") -> PairLabels:
    """The kind of each pair of cells; a pair with a void cell, or half outside, is of none.

    Args:
        labels: label values, (..., h, w), 255 where ignored.
        radius, pairs: as in `pair_affinities`.
    """
    height, width = labels.shape[-2:]
    shape = (*labels.shape[:-2], len(offsets(radius)), height, width)
    kinds = PairLabels(*(torch.zeros(shape, dtype=torch.bool, device=labels.device) for _ in "123"))
    known, background = labels != VOID, labels == 0
    foreground = known & ~background
    for place, first, second in pair_windows(height, width, radius, pairs):
        same = labels[first] == labels[second]
        written = [kind[..., place, :, :][first] for kind in kinds]
        torch.logical_and(background[first], same, out=written[0])
        torch.logical_and(foreground[first], same, out=written[1])
        torch.logical_and(known[first] & known[second], ~same, out=written[2])
    return kinds
