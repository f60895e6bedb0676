"""The dense CRF of one image at two backgrounds: together, or one library run each.

The plain way builds a CRF a background, with the library's own unary energies.

    python benchmarks/crf.py [--runs 5] [--images FOLDER]
"""

from pathlib import Path

import numpy as np
from compare import Work, median_seconds, must, options, peak_memory, row, verdict
from inputs import class_maps, photograph
from numpy.typing import NDArray
from pydensecrf import densecrf, utils

from ssenet_core.crf import dense_crfs
from ssenet_core.scores import power_background, with_background
from ssenet_core.settings import CrfSettings

ITERATIONS, POWERS = 10, (4, 24)
GAUSSIAN = {"sxy": 3, "compat": 3}
BILATERAL = {"sxy": 80, "srgb": 13, "compat": 10}

Stack = NDArray[np.float32]
SETTINGS = CrfSettings.model_validate(
    {"iterations": ITERATIONS, "gaussian": GAUSSIAN, "bilateral": BILATERAL}
)


def problem(classes: int, folder: Path | None) -> tuple[NDArray[np.uint8], list[Stack]]:
    """A photograph, and scores (classes + 1, H, W) of each background."""
    maps = class_maps(classes=classes)
    stacks = [with_background(maps, power_background(maps, power)) for power in POWERS]
    return np.array(photograph(folder=folder)), stacks


def plain(image: NDArray[np.uint8], stacks: list[Stack]) -> list[Stack]:
    """Each stack's posteriors from a CRF of its own."""
    answers = []
    for stack in stacks:
        labels, height, width = stack.shape
        crf = densecrf.DenseCRF2D(width, height, labels)
        crf.setUnaryEnergy(utils.unary_from_softmax(stack, clip=None))
        crf.addPairwiseGaussian(**GAUSSIAN)
        crf.addPairwiseBilateral(rgbim=image, **BILATERAL)
        answers.append(np.array(crf.inference(ITERATIONS)).reshape(stack.shape))
    return answers


def ours(image: NDArray[np.uint8], stacks: list[Stack]) -> list[Stack]:
    return dense_crfs(image, stacks, SETTINGS)


def prepared(way: str, classes: int, folder: Path | None) -> Work:
    """One way's work, for the process that measures its memory."""
    image, stacks = problem(classes, folder)
    stacks = [np.maximum(stack, 1e-5) for stack in stacks]
    return lambda: {"plain": plain, "ours": ours}[way](image, stacks)


def together(classes: int, runs: int, folder: Path | None) -> tuple[float, float, float, str]:
    """Time of two runs and of one for both, seconds; how far the answers differ; memory."""
    image, stacks = problem(classes, folder)
    stacks = [np.maximum(stack, 1e-5) for stack in stacks]
    expected, found = plain(image, stacks), ours(image, stacks)
    error = max(float(np.abs(a - b).max()) for a, b in zip(expected, found, strict=True))
    must(error <= 1e-4, f"posteriors differ by {error}")
    for a, b in zip(expected, found, strict=True):
        must(bool((a.argmax(axis=0) == b.argmax(axis=0)).mean() > 0.9999), "labels")
    slow, fast = median_seconds(
        lambda: plain(image, stacks), lambda: ours(image, stacks), runs=runs
    )
    memory = " to ".join(
        f"{peak_memory(prepared, way, classes, folder):.0f}" for way in ("plain", "ours")
    )
    return slow, fast, error, memory


def main() -> None:
    """Measure an image of one class and one of three."""
    given = options(__doc__).parse_args()
    for classes in (1, 3):
        slow, fast, error, memory = together(classes, given.runs, given.images)
        row(
            f"dense CRF at two backgrounds, 500 x 375, {classes + 1} labels",
            "two independent runs of the library",
            "<= 0.85 of the time",
            f"{fast / slow:.2f} ({slow:.2f} to {fast:.2f} s; {memory} MiB): "
            + verdict(fast / slow <= 0.85),
            f"posteriors to {error:.0e}, labels equal",
        )


if __name__ == "__main__":
    main()
