"""Dense CRF of one image (Krähenbühl and Koltun): posteriors of non-negative scores of labels.

Mean field inference with a Gaussian kernel over positions and a bilateral one over positions and
colours. Wrong shapes or types are a `ValueError`. No torch is imported, so that light processes can
run it and write its labels.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssenet_core.io.images import write_label_png
from ssenet_core.scores import labels_from_scores
from ssenet_core.settings import CrfSettings

LOWEST_SCORE = 1e-5  # lower scores are raised to it, so that no label is impossible
# Several stacks share a soft-max. Where a stack's share of it is below this, its precision would be
# lost, and the stacks are run one by one. Ordinary kernels leave 1e-10 and more.
LEAST_SHARE = 1e-20
BLOCK = 2048  # pixels

Scores = NDArray[np.floating]
Posteriors = NDArray[np.float32]
# The arguments of `write_labels` after the path: labels, or scores and what the CRF needs.
LabelInputs = tuple[Any, ...]


def dense_crf(image: NDArray[np.uint8], scores: Scores, settings: CrfSettings) -> Posteriors:
    """Posteriors of one stack of scores after some mean field iterations.

    The unary energy is -log(score), of scores raised to 1e-5 at least. Scores need not sum to one,
    as a factor common to a pixel's labels cancels out, but their highest should be near one: the
    least of 1e-5 does not scale with them.

    Args:
        image: RGB, (H, W, 3) uint8.
        scores: (labels, H, W), non-negative.
        settings: iterations (0 gives the scores, normalised) and kernels.

    Returns:
        (labels, H, W) float32, sums over the labels are one.

    Raises:
        ValueError: the image and the scores do not fit.
    """
    _check(image, scores)
    if len(scores) == 1:  # certain, whatever its score
        return np.ones(scores.shape, np.float32)
    crf = _crf(image, scores, settings)
    return np.array(crf.inference(settings.iterations), dtype=np.float32).reshape(scores.shape)


def dense_crfs(
    image: NDArray[np.uint8], stacks: Sequence[Scores], settings: CrfSettings
) -> list[Posteriors]:
    """Posteriors of several stacks of scores of one image, faster than one by one.

    The stacks are filtered together, as the labels of one CRF, since most of a filter's work does
    not depend on the number of values. The library's soft-max is then over all labels; divided by
    each stack's share, it is that stack's own. The posteriors equal those of `dense_crf` of each
    stack up to rounding: to a few 1e-6 on photographs, to 1e-4 on noise.

    Args:
        image: as in `dense_crf`.
        stacks: (labels, H, W) each, of one shape.
        settings: as in `dense_crf`.

    Returns:
        Posteriors as in `dense_crf`, for each stack.

    Raises:
        ValueError: the stacks' shapes differ, or do not fit the image.
    """
    if len({stack.shape for stack in stacks}) > 1:
        raise ValueError(f"stacks must be of one shape, not {[stack.shape for stack in stacks]}")
    if len(stacks) > 1 and len(stacks[0]) > 1:
        together = _infer_together(image, stacks, settings)
        if together is not None:
            return together
    return [dense_crf(image, stack, settings) for stack in stacks]


def label_inputs(
    scores: NDArray[np.float32],
    classes: NDArray[np.int64],
    photograph: NDArray[np.uint8],
    crf: CrfSettings | None,
) -> LabelInputs:
    """The arguments of `write_labels`: without a CRF labels alone, a fraction of the scores' bytes.

    Args:
        scores: (K + 1, H, W), row 0 the background; for a CRF as in `dense_crf`.
        classes: label values of the other rows, (K,).
        photograph: RGB, (H, W, 3), for the CRF.
        crf: settings of a dense CRF, or None.
    """
    if crf:
        return scores, classes, photograph, crf
    return (labels_from_scores(scores, classes),)


def write_labels(path: Path, found: NDArray[Any], *for_crf: Any) -> None:
    """Write labels as an indexed PNG.

    Args:
        path: file to write.
        found: labels (H, W) uint8; or scores, with a CRF.
        for_crf: what `label_inputs` returns after the scores.
    """
    if for_crf:
        classes, photograph, crf = for_crf
        found = labels_from_scores(dense_crf(photograph, found, crf), classes)
    write_label_png(path, found)


def _infer_together(
    image: NDArray[np.uint8], stacks: Sequence[Scores], settings: CrfSettings
) -> list[Posteriors] | None:
    """The stacks' posteriors from one CRF of all their labels; None where a share is too small."""
    scores = np.concatenate(stacks)
    _check(image, scores)
    crf = _crf(image, scores, settings)
    state, messages, filtered = crf.startInference()
    values = np.asarray(state).T  # (pixels, stacks x labels), the library's own memory
    for step in range(settings.iterations + 1):
        if step:
            crf.stepInference(state, messages, filtered)
        if not _divide_by_shares(values, len(stacks)):
            return None
    return list(np.ascontiguousarray(values.T).reshape(len(stacks), *stacks[0].shape))


def _divide_by_shares(values: Posteriors, stacks: int) -> bool:
    """Normalise each stack's values (pixels, stacks x labels), in place; False below `LEAST_SHARE`.

    The product with a block-diagonal matrix of ones gives each label its stack's sum. Blocks of
    pixels stay in the cache, and are too small for the linear algebra library to start threads.
    """
    labels = values.shape[1] // stacks
    ones = np.kron(np.eye(stacks), np.ones((labels, labels))).astype(np.float32)
    for start in range(0, len(values), BLOCK):
        block = values[start : start + BLOCK]
        shares = block @ ones
        if not shares.min(initial=1.0) >= LEAST_SHARE:
            return False
        block /= shares
    return True


def _check(image: NDArray[np.uint8], scores: Scores) -> None:
    """Raise `ValueError` where an image and scores do not fit."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image must be uint8 (H, W, 3), not {image.dtype} {image.shape}")
    height, width = image.shape[:2]
    if scores.ndim != 3 or scores.shape[1:] != (height, width):
        raise ValueError(f"scores must be (labels, {height}, {width}), not {scores.shape}")


def _crf(image: NDArray[np.uint8], scores: Scores, settings: CrfSettings) -> Any:
    """The library's CRF of an image, with both kernels and the unary energies of the scores."""
    from pydensecrf import densecrf

    height, width = image.shape[:2]
    crf = densecrf.DenseCRF2D(width, height, len(scores))
    kind = {"kernel": densecrf.DIAG_KERNEL, "normalization": densecrf.NORMALIZE_SYMMETRIC}
    gaussian, bilateral = settings.gaussian, settings.bilateral
    crf.addPairwiseGaussian(sxy=gaussian.sxy, compat=gaussian.compat, **kind)
    crf.addPairwiseBilateral(
        sxy=bilateral.sxy,
        srgb=bilateral.srgb,
        rgbim=np.ascontiguousarray(image),
        compat=bilateral.compat,
        **kind,
    )
    energy = -np.log(np.maximum(scores, LOWEST_SCORE, dtype=np.float32))
    crf.setUnaryEnergy(np.ascontiguousarray(energy.reshape(len(scores), -1)))
    return crf
