"""AffinityNet's labels and loss: confident cells of the refined CAMs, pairs of them, cross entropy.

No ground truth is read.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ssenet_core.affinity.pairs import offsets, pair_windows
from ssenet_core.io.images import VOID
from ssenet_core.scores import block_average, labels_from_scores
from ssenet_core.settings import Pairs
from ssenet_core.training.distributed import mean_over_processes

EPSILON = 1e-5  # keeps the logarithm of an affinity of 0 finite


class PairLabels(NamedTuple):
    """Labels of pairs of cells: bool, (..., pairs, h, w) in the layout of `affinity.pairs`.

    Attributes:
        background: both cells are background.
        foreground: both cells are of one class.
        different: the cells have different labels, one of which may be background.
    """

    background: Tensor
    foreground: Tensor
    different: Tensor


def confident_labels(
    low: NDArray[np.float32], high: NDArray[np.float32], classes: NDArray[np.int64], stride: int
) -> NDArray[np.uint8]:
    """Labels of confident cells, from CRF posteriors with a strong and with a weak background.

    The background score (1 - max)^a decreases with a. A cell is foreground if it is of a class with
    the low power, whose background is strong; it is background if it is that with the high power,
    whose background is weak; the rest is void. The two CRFs are independent, so a cell can be both:
    it is then background. Posteriors are averaged over the cells.

    Args:
        low: posteriors with the low power's background, (K + 1, H, W); 0 outside the image.
        high: posteriors with the high power's background, (K + 1, H, W); 0 outside the image.
        classes: label values of the rows from the second on, (K,).
        stride: edge of a cell, pixels.

    Returns:
        Label values, 255 where void, (ceil(H / stride), ceil(W / stride)); cells completely outside
        the image are void.
    """
    low_cells, high_cells = block_average(low, stride), block_average(high, stride)
    labels = labels_from_scores(low_cells, classes)
    labels[labels == 0] = VOID
    labels[labels_from_scores(high_cells, classes) == 0] = 0
    labels[~high_cells.any(axis=0)] = VOID
    return labels


def corrected_posteriors(
    posteriors: Sequence[NDArray[np.float32]],
    classes: NDArray[np.int64],
    corrected: NDArray[np.uint8],
) -> tuple[list[NDArray[np.float32]], NDArray[np.int64]]:
    """Posteriors that are certain where labels are corrected.

    Args:
        posteriors: as in `confident_labels`, (K + 1, H, W) each.
        classes: label values of their rows from the second on, (K,).
        corrected: label values, 255 where there is no correction, (H, W).

    Returns:
        Posteriors with a row more for each class that only the correction has, and the classes.
    """
    own = np.setdiff1d(corrected, [0, VOID, *classes])
    classes = np.concatenate([classes, own])
    certain = np.stack([corrected == value for value in (0, *classes)]).astype(np.float32)
    rows = ((0, len(own)), (0, 0), (0, 0))
    known = corrected != VOID
    return [np.where(known, certain, np.pad(one, rows)) for one in posteriors], classes


def pair_labels(labels: Tensor, radius: int, pairs: Pairs = "all") -> PairLabels:
    """Labels of the pairs of cells; pairs with a void cell, or partly outside, have none.

    Args:
        labels: label values of the cells, (..., h, w), 255 where void.
        radius: as in `pair_affinities`.
        pairs: as in `pair_affinities`.
    """
    height, width = labels.shape[-2:]
    shape = (*labels.shape[:-2], len(offsets(radius)), height, width)
    kinds = PairLabels(*torch.zeros((3, *shape), dtype=torch.bool, device=labels.device))
    known, background = labels != VOID, labels == 0
    foreground = known & ~background
    for place, first, second in pair_windows(height, width, radius, pairs):
        same = labels[first] == labels[second]
        written = [kind[..., place, :, :][first] for kind in kinds]
        torch.logical_and(background[first], same, out=written[0])
        torch.logical_and(foreground[first], same, out=written[1])
        torch.logical_and(known[first] & known[second], ~same, out=written[2])
    return kinds


def affinity_loss(affinities: Tensor, pairs: PairLabels) -> dict[str, Tensor]:
    """Cross entropy of affinities, balanced over three kinds of pairs (AffinityNet).

    Args:
        affinities: (batch, pairs, h, w) in [0, 1].
        pairs: their labels, of the same shape.

    Returns:
        `loss`, and its parts `background`, `foreground` and `different`: means over the pairs of
        that kind, 0 if there are none, weighted by 1/4, 1/4 and 1/2.
    """
    alike = -(affinities + EPSILON).log()
    unlike = -(1 - affinities + EPSILON).log()
    parts = {
        "background": _mean(alike, pairs.background),
        "foreground": _mean(alike, pairs.foreground),
        "different": _mean(unlike, pairs.different),
    }
    loss = (parts["background"] + parts["foreground"]) / 4 + parts["different"] / 2
    return {"loss": loss, **parts}


def _mean(values: Tensor, where: Tensor) -> Tensor:
    """Mean of the values where the mask is set; 0, with a gradient of 0, for an empty mask."""
    return mean_over_processes((values * where).sum(), where.sum())
