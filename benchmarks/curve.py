"""The threshold curve of 40 alphas in one pass, against one evaluation and against 40.

An evaluation puts the background's constant score above the class maps, takes the labels and counts
the confusion matrix. Files are not read here: that would be the same for both.

    python benchmarks/curve.py [--runs 15] [--number 20]
"""

import numpy as np
from compare import median_seconds, must, options, row, verdict
from inputs import class_maps, mask
from numpy.typing import NDArray

from ssenet_core.evaluation.confusion import confusion_matrix, scores
from ssenet_core.evaluation.curve import ThresholdCurve, alpha_grid
from ssenet_core.scores import labels_at_threshold
from ssenet_core.settings import AlphaGrid

CLASSES = 21
ALPHAS = alpha_grid(AlphaGrid(start=0.02, stop=0.8, count=40))

Image = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]


def evaluation(images: list[Image], alpha: float) -> NDArray[np.int64]:
    """One evaluation, with the library's functions."""
    total = np.zeros((CLASSES, CLASSES), dtype=np.int64)
    for truth, maps, classes in images:
        labels = labels_at_threshold(maps, classes, alpha)
        total += confusion_matrix(truth, labels, CLASSES)
    return total


def plain_evaluation(images: list[Image], alpha: float) -> NDArray[np.int64]:
    """One evaluation with NumPy's argmax."""
    total = np.zeros((CLASSES, CLASSES), dtype=np.int64)
    for truth, maps, classes in images:
        background = np.full((1, *truth.shape), alpha, np.float32)
        values = np.concatenate([[0], classes]).astype(np.uint8)
        labels = values[np.concatenate([background, maps]).argmax(axis=0)]
        total += confusion_matrix(truth, labels, CLASSES)
    return total


def whole_curve(images: list[Image]) -> list[NDArray[np.int64]]:
    """The confusion matrix of each alpha."""
    curve = ThresholdCurve(ALPHAS, CLASSES)
    for image in images:
        curve.add(*image)
    return [curve.confusion(alpha) for alpha in ALPHAS]


def main() -> None:
    """Compare the answers at every alpha, then the times."""
    parser = options(__doc__, runs=15)
    parser.add_argument("--number", type=int, default=20, help="images, of 1 to 3 classes")
    given = parser.parse_args()
    images: list[Image] = []
    for number in range(given.number):
        maps = class_maps(classes=1 + number % 3, number=number)
        truth = mask(number=number)
        labels = np.arange(1, len(maps) + 1)
        images.append((truth, maps, labels))
    for alpha, found in zip(ALPHAS, whole_curve(images), strict=True):
        for expected in (evaluation(images, alpha), plain_evaluation(images, alpha)):
            must(np.array_equal(found, expected), f"confusion matrix at {alpha}")
            must(scores(found).miou == scores(expected).miou, f"mIoU at {alpha}")
    curve, one, plain = median_seconds(
        lambda: whole_curve(images),
        lambda: evaluation(images, 0.2),
        lambda: plain_evaluation(images, 0.2),
        runs=given.runs,
    )
    each = 1e3 / given.number
    print(
        f"{given.number} images of 500 x 375, 1 to 3 classes; an image: curve {curve * each:.2f}"
        f" ms, one evaluation {one * each:.2f} ms, one with NumPy's argmax {plain * each:.2f} ms"
    )
    row(
        "threshold curve of 40 alphas",
        "40 evaluations",
        "<= 1.5 x one evaluation",
        f"{curve / one:.2f} x one of this library's ({one * each:.1f} to {curve * each:.1f} ms an "
        f"image), {curve / plain:.2f} x one with NumPy's argmax: " + verdict(curve / one <= 1.5),
        "confusion and mIoU identical at each alpha",
    )


if __name__ == "__main__":
    main()
