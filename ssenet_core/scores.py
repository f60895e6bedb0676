"""Background scores for class activation maps, block averages and labels; NumPy arrays throughout.

In: class maps (K, H, W) in [0, 1]; K is 0 where an image has no class. Out: scores (K + 1, H, W)
whose row 0 is the background, and labels (H, W) uint8.
"""

import numpy as np
from numpy.typing import NDArray

Maps = NDArray[np.float32]


def constant_background(maps: Maps, alpha: float) -> Maps:
    """The same background score everywhere, (H, W)."""
    return np.full(maps.shape[1:], alpha, dtype=np.float32)


def power_background(maps: Maps, power: float) -> Maps:
    """Background score (1 - max_c M_c) ** power, (H, W); 1 where there is no class.

    A higher power leaves the background less: what is background even at a high power, and what is
    foreground even at a low one, is so with confidence.
    """
    highest = maps.max(axis=0, initial=0.0)
    return (np.clip(1.0 - highest, 0.0, 1.0) ** power).astype(np.float32)


def power_name(power: float) -> str:
    """Name of the posteriors with this background in a refined file, "power-4"."""
    return f"power-{power:g}"


def with_background(maps: Maps, background: Maps) -> Maps:
    """Scores (K + 1, H, W): the background (H, W) above the maps."""
    return np.concatenate([background[None], maps])


def labels_from_scores(
    scores: NDArray[np.floating], classes: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Label values of the highest scores, (H, W); of equals the first wins, so the background.

    Args:
        scores: (K + 1, H, W), row 0 the background.
        classes: label values of the other rows, (K,).
    """
    if len(scores) != len(classes) + 1:
        raise ValueError(f"{len(scores)} rows of scores for the background and {classes}")
    values = np.concatenate([[0], classes]).astype(np.uint8)
    return values.take(winners(scores)[0])


def winners(
    scores: NDArray[np.floating],
) -> tuple[NDArray[np.uint8], NDArray[np.floating]]:
    """The row of the highest of (rows, H, W) scores, and that score, each (H, W).

    Of equals the first wins. A NaN is passed on to the score, its row is any. Row by row is several
    times faster than NumPy's argmax over the first axis, whose steps are as long as a row.

    Raises:
        ValueError: there are no rows, or more than 256.
    """
    if not 0 < len(scores) <= 256:
        raise ValueError(f"expected 1 to 256 rows of scores, found {len(scores)}")
    highest, winner = scores[0].copy(), np.zeros(scores.shape[1:], np.uint8)
    for row, challenger in enumerate(scores[1:], start=1):
        np.copyto(winner, row, where=challenger > highest)
        np.maximum(highest, challenger, out=highest)
    return winner, highest


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
