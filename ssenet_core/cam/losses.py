"""The loss of SSENet: classification of both views, and equivariance regularisation.

Equations 1 and 2 of the paper. In: class maps of the view and of the warped (by default
down-sampled) view, on the cells of their grid or on pixels, and the tags. Out: scalar parts.
"""

import torch
from torch import Tensor
from torch.nn import functional

from ssenet_core.cam.alignment import pixel_mean

EPSILON = 1e-5


def classification_loss(maps: Tensor, tags: Tensor, view: tuple[int, int]) -> Tensor:
    """Multi-label soft-margin loss of the class maps, averaged over their view's pixels.

    Args:
        maps: (batch, classes, h, w), raw.
        tags: 1 where the image has the class, (batch, classes).
        view: height and width of the view that the maps are of, pixels.
    """
    return functional.multilabel_soft_margin_loss(pixel_mean(maps, view), tags)


def normalise(maps: Tensor, tags: Tensor) -> Tensor:
    """ReLU, division by each map's spatial maximum (Eq. 3), absent classes set to zero."""
    positive = functional.relu(maps)
    peak = positive.amax(dim=(2, 3), keepdim=True)
    return positive / (peak + EPSILON) * tags[:, :, None, None]


def scale_equivariance_loss(
    large: Tensor, small: Tensor, tags: Tensor, valid: Tensor | None = None
) -> Tensor:
    """Mean squared difference between two views' normalised class maps (paper, Eq. 2).

    Args:
        large: A M(x), class maps of the full-size view at the cells, or the pixels, of the small
            (warped) view, (batch, classes, h, w).
        small: M(Ax), class maps of the down-sampled (warped) view there, (batch, classes, h, w).
        tags: 1 where the image has the class, (batch, classes); absent classes do not count.
        valid: the cells or pixels that count, (h, w) bool; the maxima are taken over them too.
            None: all.

    Returns:
        A scalar; zero exactly when the network is equivariant on the tagged classes. No gradient
        is stopped: each view pulls the other.

    Raises:
        ValueError: shapes differ, or no cell counts.
    """
    large, small = counted_cells(large, small, valid)
    difference = normalise(large, tags) - normalise(small, tags)
    return torch.mean(difference**2)


def raw_equivariance_loss(large: Tensor, small: Tensor, valid: Tensor | None = None) -> Tensor:
    """Eq. 2 to the letter: the L2 distance of the raw class maps, not its square, nor a mean.

    It is summed over classes and cells (or pixels) under the root, so it grows with their number;
    every class counts, whatever the tags. Averaged over the batch, like the classification loss.

    Args:
        large: as for `scale_equivariance_loss`.
        small: as for `scale_equivariance_loss`.
        valid: as for `scale_equivariance_loss`.

    Raises:
        ValueError: shapes differ, or no cell counts.
    """
    large, small = counted_cells(large, small, valid)
    return torch.linalg.vector_norm(small - large, dim=(1, 2, 3)).mean()


def counted_cells(large: Tensor, small: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """Two views' class maps with the cells that count alone, in one row: (batch, classes, 1, n)."""
    if large.shape != small.shape:
        raise ValueError(f"class maps differ in shape: {large.shape} and {small.shape}")
    if valid is None:
        return large, small
    if not valid.any():
        raise ValueError("no cell of the warped view lies in the view; take larger views")
    return large[:, :, None, valid], small[:, :, None, valid]
