"""Stored class maps: compressed float16 HDF5 against a float32 .npy a class.

Images are read one after another, as a stage does, from files that the system holds in memory.
Reading includes opening the files, and for HDF5 the checksum of all that it holds. The process's
own time counts.

    python benchmarks/stored_maps.py [--runs 15] [--number 12]
"""

import tempfile
import time
from pathlib import Path

import numpy as np
from compare import median_seconds, must, options, row, verdict
from inputs import class_maps, mask
from numpy.typing import NDArray

from ssenet_core.evaluation.confusion import confusion_matrix, scores
from ssenet_core.io.maps import ClassMaps, read_maps, write_maps
from ssenet_core.scores import labels_at_threshold

CLASSES = 21
ALPHA = 0.2
# Attributes as the inference writes them.
MADE_BY = {
    "scales": np.array([1.0, 0.5, 1.5, 2.0]),
    "flip": True,
    "checkpoint_sha256": "0" * 64,
    "classes_from": "tags",
}


def miou(stacks: list[NDArray[np.float32]]) -> float:
    total = np.zeros((CLASSES, CLASSES), dtype=np.int64)
    for number, maps in enumerate(stacks):
        labels = np.arange(1, len(maps) + 1)
        found = labels_at_threshold(maps, labels, ALPHA)
        total += confusion_matrix(mask(number=number, classes=3), found, CLASSES)
    return float(scores(total).miou or 0)


def main() -> None:
    """Compare bytes, reading times and the mIoU of what is read."""
    parser = options(__doc__, runs=15)
    parser.add_argument("--number", type=int, default=12, help="images, of 1 to 3 classes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        exact = [
            class_maps(classes=1 + number % 3, number=number, stored=False)
            for number in range(given.number)
        ]
        plain: list[list[Path]] = []
        ours: list[Path] = []
        for number, maps in enumerate(exact):
            files = [root / f"{number}_{row}.npy" for row in range(len(maps))]
            for file, one in zip(files, maps, strict=True):
                np.save(file, one)
            plain.append(files)
            ours.append(root / f"{number}.h5")
            write_maps(ours[-1], ClassMaps(str(number), maps, np.arange(1, len(maps) + 1), MADE_BY))
        full = sum(file.stat().st_size for files in plain for file in files)
        small = sum(file.stat().st_size for file in ours)

        def read_plain() -> None:
            for files in plain:
                np.stack([np.load(file) for file in files])

        def read_ours() -> None:
            for file in ours:
                read_maps(file)

        times = median_seconds(read_plain, read_ours, runs=given.runs, clock=time.process_time)
        before, after = miou(exact), miou([read_maps(file).maps for file in ours])
    must(abs(before - after) < 0.05, f"mIoU {before} and {after}")
    plain_ms, ours_ms = (time * 1e3 / given.number for time in times)
    print(
        f"{given.number} images of 500 x 375, 1 to 3 classes; an image: {full / given.number:.0f} "
        f"and {small / given.number:.0f} bytes; read from memory in {plain_ms:.2f} and "
        f"{ours_ms:.2f} ms; mIoU {before:.4f} and {after:.4f}"
    )
    row(
        "stored class maps, 500 x 375, 1 to 3 classes",
        "float32 .npy a class",
        "<= 1/4 of the bytes",
        f"1/{full / small:.1f} of the bytes: {verdict(full / small >= 4)}; read from memory in "
        f"{ours_ms:.1f} instead of {plain_ms:.1f} ms of processor time an image",
        f"mIoU differs by {abs(before - after):.4f} (< 0.05)",
    )


if __name__ == "__main__":
    main()
