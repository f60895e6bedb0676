"""Corrected labels as a training reads them: beside the labels that stages made."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssenet_core.io.files import read_json, sha256_file
from ssenet_core.io.images import VOID
from ssenet_core.io.segmentations import decode_mask

Labels = NDArray[np.uint8]


class Corrections:
    """Corrected labels at the size of the training images.

    Args:
        record: as `data.corrections` writes it; None: there are no corrections.
    """

    def __init__(self, record: str | Path | None) -> None:
        self._images: dict[str, list[Any]] = read_json(record)["images"] if record else {}
        self.key = sha256_file(record) if record else ""  # for the resume key

    def __len__(self) -> int:
        return len(self._images)

    def of(self, image: str) -> Labels | None:
        """An image's label values (H, W), 255 where it has no correction; None if nowhere."""
        if image not in self._images:
            return None
        masks = [(value, runs, tuple(runs["size"])) for value, runs in self._images[image]]
        labels = np.full(masks[0][2], VOID, np.uint8)
        for value, runs, size in masks:
            labels[decode_mask(runs, size)] = value
        return labels

    def applied(self, image: str, labels: Labels) -> Labels:
        """Labels (H, W) of an image, replaced where they are corrected."""
        corrected = self.of(image)
        return labels if corrected is None else np.where(corrected == VOID, labels, corrected)


NO_CORRECTIONS = Corrections(None)
