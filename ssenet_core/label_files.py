"""Scores of an image to its file of labels; imports no torch, so that light processes can do it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ssenet_core.crf import dense_crf
from ssenet_core.scores import labels_from_scores
from ssenet_core.storage import write_label_png


def write_labels(
    path: Path,
    scores: NDArray[Any],
    classes: NDArray[Any],
    photograph: NDArray[Any],
    crf: Mapping[str, Any] | None,
) -> None:
    """Write the label of the highest score of each pixel as an indexed PNG.

    Args:
        scores: (K + 1, H, W) float32, row 0 the background; with a CRF each pixel's sum to one.
        classes: label values of the other rows, (K,).
        photograph: RGB, (H, W, 3) uint8, for the CRF.
        crf: iterations, gaussian and bilateral of a dense CRF that comes first, or None.
    """
    if crf:
        scores = dense_crf(photograph, scores, **crf)
    write_label_png(path, labels_from_scores(scores, classes))
