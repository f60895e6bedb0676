"""Background scores for class activation maps, and labels of scores; NumPy arrays throughout.

Class maps are (K, H, W) in [0, 1], and K is 0 where an image has no class; scores are
(K + 1, H, W), row 0 the background; labels are (H, W) uint8. Arrays that do not fit raise
`ValueError`.
"""

import numpy as np
from numpy.typing import NDArray

Maps = NDArray[np.float32]


def constant_background(maps: Maps, alpha: float) -> Maps:
    """The same background score everywhere, (H, W)."""
    return np.full(maps.shape[1:], alpha, dtype=np.float32)


def power_background(maps: Maps, power: float) -> Maps:
    """Background score (1 - max_c M_c) ** power, (H, W); 1 where there is no class.

    The background score falls as the power grows. What is background even at a high power, and what
    is foreground even at a low one, is so with confidence.
    """
    highest = maps.max(axis=0, initial=0.0)
    return (np.clip(1.0 - highest, 0.0, 1.0) ** power).astype(np.float32)


def power_name(power: float) -> str:
    """Name of the posteriors with this background in a refined file, "power-4"."""
    return f"power-{power:g}"


def power_of(name: str) -> float:
    """The power of posteriors by their name, 4 of "power-4"."""
    return float(name.rpartition("-")[2])


def with_background(maps: Maps, background: Maps) -> Maps:
    """Scores (K + 1, H, W): the background (H, W) above the maps."""
    return np.concatenate([background[None], maps])


def labels_from_scores(
    scores: NDArray[np.floating], classes: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Label values of the highest scores, (H, W); of equals the first, so the background.

    Args:
        scores: (K + 1, H, W), row 0 the background.
        classes: label values of the other rows, (K,).

    Raises:
        ValueError: the numbers of rows and classes differ.
    """
    if len(scores) != len(classes) + 1:
        raise ValueError(f"{len(scores)} rows of scores for the background and {classes}")
    values = np.concatenate([[0], classes]).astype(np.uint8)
    return values.take(argmax_and_max(scores)[0])


def labels_at_threshold(maps: Maps, classes: NDArray[np.int64], alpha: float) -> NDArray[np.uint8]:
    """Label values of class maps, (H, W): background where no map is above `alpha`.

    Args:
        maps: (K, H, W).
        classes: label values of the maps, (K,).
        alpha: background threshold.
    """
    return labels_from_scores(with_background(maps, constant_background(maps, alpha)), classes)


def argmax_and_max(
    scores: NDArray[np.floating],
) -> tuple[NDArray[np.uint8], NDArray[np.floating]]:
    """The row of the highest score of each pixel, and that score, each (H, W).

    Of equal scores the first row is taken. A NaN is passed on to the score; its row is undefined.
    Comparing row by row is several times faster than NumPy's argmax over the first axis.

    Args:
        scores: (rows, H, W).

    Raises:
        ValueError: there are no rows, or more than 256.
    """
    if not 0 < len(scores) <= 256:
        raise ValueError(f"expected 1 to 256 rows of scores, found {len(scores)}")
    highest, rows = scores[0].copy(), np.zeros(scores.shape[1:], np.uint8)
    for row, candidate in enumerate(scores[1:], start=1):
        np.copyto(rows, row, where=candidate > highest)
        np.maximum(highest, candidate, out=highest)
    return rows, highest


def block_average(maps: Maps, stride: int) -> Maps:
    """Averages over stride x stride blocks, from the top left corner.

    Args:
        maps: (K, H, W).
        stride: edge of a block, in pixels.

    Returns:
        (K, ceil(H / stride), ceil(W / stride)); as published, what a block has outside the maps
        counts as zero.
    """
    count, height, width = maps.shape
    rows, columns = -(-height // stride), -(-width // stride)
    padded = np.zeros((count, rows * stride, columns * stride), dtype=maps.dtype)
    padded[:, :height, :width] = maps
    blocks = padded.reshape(count, rows, stride, columns, stride)
    return (blocks.sum(axis=(2, 4)) / stride**2).astype(maps.dtype)
