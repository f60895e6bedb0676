"""Scores of an image to its file of labels; imports no torch, so that light processes can do it."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssenet_core.crf import dense_crf
from ssenet_core.scores import labels_from_scores
from ssenet_core.settings import CrfSettings
from ssenet_core.storage import write_label_png

# What `write_labels` takes after the path: labels, or what a dense CRF makes them of.
LabelsToBe = tuple[Any, ...]


def labels_to_be(
    scores: NDArray[np.float32],
    classes: NDArray[np.int64],
    photograph: NDArray[np.uint8],
    crf: CrfSettings | None,
) -> LabelsToBe:
    """What `write_labels` needs: without a CRF labels alone, a fraction of the scores' bytes.

    Args:
        scores: (K + 1, H, W), row 0 the background; with a CRF each pixel's sum to one.
        classes: label values of the other rows, (K,).
        photograph: RGB, (H, W, 3), for the CRF.
        crf: of a dense CRF, or None.
    """
    if crf:
        return scores, classes, photograph, crf
    return (labels_from_scores(scores, classes),)


def write_labels(path: Path, found: NDArray[Any], *for_crf: Any) -> None:
    """Write labels as an indexed PNG.

    Args:
        found: labels (H, W) uint8; or scores, followed by what `labels_to_be` has beside them.
    """
    if for_crf:
        classes, photograph, crf = for_crf
        found = labels_from_scores(dense_crf(photograph, found, crf), classes)
    write_label_png(path, found)
