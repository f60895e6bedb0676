"""The confusion matrix of label PNGs in one count, against loops over the classes.

The plain way makes, for each class of each image, the masks of its truth and its prediction and
counts them and their intersection, as the intersection over union is defined.

    python benchmarks/scoring.py [--runs 5] [--number 20]
"""

import tempfile
from pathlib import Path

import numpy as np
from compare import median_seconds, must, options, row, verdict
from inputs import mask
from numpy.typing import NDArray

from ssenet_core.evaluation.confusion import confusion_matrix, scores
from ssenet_core.io.images import VOID, read_label_png, write_label_png

CLASSES = 21

Labels = NDArray[np.uint8]


def plain(truth: Labels, prediction: Labels) -> NDArray[np.int64]:
    """Pixels of the truth, of the prediction and of both, (3, classes)."""
    judged = truth != VOID
    counts = np.zeros((3, CLASSES), dtype=np.int64)
    for label in range(CLASSES):
        true = (truth == label) & judged
        predicted = (prediction == label) & judged
        counts[:, label] = true.sum(), predicted.sum(), (true & predicted).sum()
    return counts


def plain_matrix(truth: Labels, prediction: Labels) -> NDArray[np.int64]:
    """The whole confusion matrix (classes, classes), a pair of classes at a time."""
    matrix = np.zeros((CLASSES, CLASSES), dtype=np.int64)
    for true in range(CLASSES):
        for predicted in range(CLASSES):
            matrix[true, predicted] = ((truth == true) & (prediction == predicted)).sum()
    return matrix


def main() -> None:
    """Measure counting alone, and with the files read."""
    parser = options(__doc__)
    parser.add_argument("--number", type=int, default=20, help="images")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        files = [
            (Path(temporary) / f"{number}_truth.png", Path(temporary) / f"{number}.png")
            for number in range(given.number)
        ]
        for number, (truth, prediction) in enumerate(files):
            write_label_png(truth, mask(number=number))
            answer = mask(number=number + given.number)
            write_label_png(prediction, np.where(answer == VOID, 0, answer).astype(np.uint8))
        pairs = [(read_label_png(truth), read_label_png(answer)) for truth, answer in files]
        total = sum(confusion_matrix(*pair, CLASSES) for pair in pairs)
        loops = sum(plain(*pair) for pair in pairs)
        counted = np.stack([total.sum(axis=1), total.sum(axis=0), np.diagonal(total)])
        must(np.array_equal(counted, loops), "counts")
        must(np.array_equal(total, sum(plain_matrix(*pair) for pair in pairs)), "matrix")
        print(
            f"{given.number} images of 500 x 375, {CLASSES} classes, mIoU {scores(total).miou:.4f}"
        )
        slow, fast, matrix = median_seconds(
            lambda: [plain(*pair) for pair in pairs],
            lambda: [confusion_matrix(*pair, CLASSES) for pair in pairs],
            lambda: [plain_matrix(*pair) for pair in pairs],
            runs=given.runs,
        )
        reading, whole = median_seconds(
            lambda: [[read_label_png(file) for file in pair] for pair in files],
            lambda: [
                confusion_matrix(*(read_label_png(file) for file in pair), CLASSES)
                for pair in files
            ],
            runs=given.runs,
        )
    each = 1e3 / given.number
    print(
        f"an image: per-class loops {slow * each:.2f} ms, loops over pairs of classes "
        f"{matrix * each:.1f} ms, ours {fast * each:.2f} ms; reading both files "
        f"{reading * each:.2f} ms, reading and counting {whole * each:.2f} ms"
    )
    row(
        f"scoring {given.number} PNGs of 500 x 375, 21 classes",
        "per-class loops over each image",
        ">= 10 x, one thread",
        f"{slow / fast:.1f} x ({slow * each:.1f} to {fast * each:.2f} ms an image), "
        f"{(reading + slow) / whole:.1f} x with reading the files; {matrix / fast:.0f} x loops "
        "over pairs of classes: " + verdict(slow / fast >= 10),
        "counts identical",
    )


if __name__ == "__main__":
    main()
