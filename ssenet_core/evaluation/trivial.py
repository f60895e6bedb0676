"""Answers that need no network: what the tags alone are worth.

In: an image's size and tags. Out: labels (H, W) uint8. Any method has to be well above these.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def tag_answer(height: int, width: int, tags: Sequence[int]) -> NDArray[np.uint8]:
    """Every pixel is the tag; several tags share the width in equal vertical bands, in tag order.

    Args:
        height, width: the image's size in pixels.
        tags: label values; none makes everything background.

    Returns:
        Labels (height, width) uint8.
    """
    if not tags:
        return np.zeros((height, width), dtype=np.uint8)
    bands = np.asarray(tags, dtype=np.uint8)[np.arange(width) * len(tags) // width]
    return np.tile(bands, (height, 1))


def ellipse_answer(
    height: int, width: int, tags: Sequence[int], axes: float = 0.7
) -> NDArray[np.uint8]:
    """A centred ellipse of the tag on background; several tags are bands of it.

    Args:
        height, width: the image's size in pixels.
        tags: label values; none makes everything background.
        axes: the ellipse's axes as shares of the image's sides.

    Returns:
        Labels (height, width) uint8.
    """
    y = (np.arange(height) + 0.5) / height * 2 - 1
    x = (np.arange(width) + 0.5) / width * 2 - 1
    inside = y[:, None] ** 2 + x[None, :] ** 2 <= axes**2
    return np.where(inside, tag_answer(height, width, tags), 0).astype(np.uint8)
