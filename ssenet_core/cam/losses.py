"""The parts of SSENet's loss: classification and equivariance regularisation (paper, Eq. 1, 2).

The equivariance losses raise `ValueError` if shapes differ or no cell counts.
"""

import torch
from torch import Tensor
from torch.nn import functional

from ssenet_core.cam.alignment import pixel_mean

EPSILON = 1e-5


def classification_loss(maps: Tensor, tags: Tensor, view_size: tuple[int, int]) -> Tensor:
    """Multi-label soft-margin loss of the class maps' averages over the pixels (paper, Eq. 1).

    Args:
        maps: class maps, not normalised, (batch, classes, h, w).
        tags: 1 where the image has the class, (batch, classes).
        view_size: height and width of the maps' view, pixels.

    Returns:
        A scalar.
    """
    return functional.multilabel_soft_margin_loss(pixel_mean(maps, view_size), tags)


def normalise(maps: Tensor, tags: Tensor) -> Tensor:
    """ReLU, division by each map's spatial maximum (paper, Eq. 3); absent classes set to zero.

    Args:
        maps: (batch, classes, h, w).
        tags: 1 where the image has the class, (batch, classes).

    Returns:
        (batch, classes, h, w), in [0, 1).
    """
    positive = functional.relu(maps)
    peak = positive.amax(dim=(2, 3), keepdim=True)
    return positive / (peak + EPSILON) * tags[:, :, None, None]


def scale_equivariance_loss(
    large: Tensor, small: Tensor, tags: Tensor, valid: Tensor | None = None
) -> Tensor:
    """Mean squared difference between two views' normalised class maps (paper, Eq. 2).

    Args:
        large: A M(x), class maps of the full-size view at the cells, or the pixels, of the small
            (transformed) view, (batch, classes, h, w).
        small: M(Ax), class maps of the small view, (batch, classes, h, w).
        tags: 1 where the image has the class, (batch, classes); absent classes do not count.
        valid: the cells or pixels that count, (h, w) bool; the maxima too are over these only.
            None: all.

    Returns:
        A scalar; zero exactly when the network is equivariant on the tagged classes. Gradients flow
        into both views.

    Raises:
        ValueError: shapes differ, or no cell counts.
    """
    large, small = select_valid(large, small, valid)
    difference = normalise(large, tags) - normalise(small, tags)
    return torch.mean(difference**2)


def raw_equivariance_loss(large: Tensor, small: Tensor, valid: Tensor | None = None) -> Tensor:
    """L2 distance of two views' class maps, as Eq. 2 of the paper is printed.

    The sum under the root is over all classes, whatever the tags, and all cells (or pixels), so the
    loss grows with their number. It is averaged over the batch, like the classification loss.

    Args:
        large: as for `scale_equivariance_loss`.
        small: as for `scale_equivariance_loss`.
        valid: as for `scale_equivariance_loss`.

    Returns:
        A scalar.

    Raises:
        ValueError: shapes differ, or no cell counts.
    """
    large, small = select_valid(large, small, valid)
    return torch.linalg.vector_norm(small - large, dim=(1, 2, 3)).mean()


def select_valid(large: Tensor, small: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """Two views' class maps at the valid cells only.

    Args:
        large: (batch, classes, h, w).
        small: (batch, classes, h, w).
        valid: the cells that count, (h, w) bool; None: all.

    Returns:
        Both maps, (batch, classes, 1, valid cells), or as they are if `valid` is None.

    Raises:
        ValueError: shapes differ, or no cell counts.
    """
    if large.shape != small.shape:
        raise ValueError(f"class maps differ in shape: {large.shape} and {small.shape}")
    if valid is None:
        return large, small
    if not valid.any():
        raise ValueError("no cell of the transformed view lies in the view; use larger views")
    return large[:, :, None, valid], small[:, :, None, valid]
