"""Photographs with nothing in them, and in how many of them something was found.

In: the confusion matrix of one image after the other. Out: counts of images, which say more there
than pixels do: a class that is looked for in vain should not be found at all.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssenet_core.data.manifest import ImageRecord


class EmptyImages:
    """Counts images without foreground, and false positives in them.

    An image counts where its mask has background and no foreground (void aside), and no tag names a
    class. It has a false positive of a class where a pixel that is judged has the class's label.
    """

    def __init__(self, num_classes: int) -> None:
        """Count for `num_classes` with background."""
        self.images = 0
        self.with_false_positives = 0
        self._with_class = np.zeros(num_classes, dtype=np.int64)

    def add(self, record: ImageRecord, confusion: NDArray[np.int64]) -> None:
        """Count one image by its confusion matrix (truth, prediction)."""
        if record.tags or confusion[1:].any() or not confusion[0].any():
            return
        found = confusion[0] > 0
        self.images += 1
        self.with_false_positives += bool(found[1:].any())
        self._with_class += found

    def counts(self, classes: Sequence[str]) -> dict[str, Any]:
        """For the evaluation's JSON.

        Args:
            classes: names of the foreground classes.

        Returns:
            `images` without foreground, those `with_false_positives`, and by class those with one
            `of_class`.
        """
        of_class = dict(zip(classes, self._with_class[1:].tolist(), strict=True))
        return {
            "images": self.images,
            "with_false_positives": self.with_false_positives,
            "of_class": of_class,
        }
