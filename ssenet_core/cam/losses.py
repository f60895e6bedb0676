"""The loss of SSENet: classification of both views, and scale-equivariance regularisation.

Equations 1 and 2 of the paper. In: class maps of the full-size and the down-sampled view, and the
tags. Out: named scalar parts.
"""

import torch
from torch import Tensor
from torch.nn import functional

EPSILON = 1e-5


def classification_loss(maps: Tensor, tags: Tensor) -> Tensor:
    """Multi-label soft-margin loss of the spatially averaged class maps.

    Args:
        maps: (batch, classes, h, w), raw. Averaging them on their own grid equals averaging
            them up-sampled to the crop when the crop is a multiple of the stride.
        tags: 1 where the image has the class, (batch, classes).
    """
    return functional.multilabel_soft_margin_loss(maps.mean(dim=(2, 3)), tags)


def normalise(maps: Tensor, tags: Tensor) -> Tensor:
    """ReLU, division by each map's spatial maximum (Eq. 3), absent classes set to zero."""
    positive = functional.relu(maps)
    peak = positive.amax(dim=(2, 3), keepdim=True)
    return positive / (peak + EPSILON) * tags[:, :, None, None]


def scale_equivariance_loss(large: Tensor, small: Tensor, tags: Tensor) -> Tensor:
    """Mean squared difference between two views' normalised class maps (paper, Eq. 2).

    Args:
        large: class maps of the full-size view on the small view's cells, (batch, classes, h, w).
        small: class maps of the down-sampled view, (batch, classes, h, w).
        tags: 1 where the image has the class, (batch, classes); absent classes do not count.

    Returns:
        A scalar; zero exactly when the network is equivariant on the tagged classes. No gradient
        is stopped: each view pulls the other.

    Raises:
        ValueError: shapes differ.
    """
    if large.shape != small.shape:
        raise ValueError(f"class maps differ in shape: {large.shape} and {small.shape}")
    difference = normalise(large, tags) - normalise(small, tags)
    return torch.mean(difference**2)
