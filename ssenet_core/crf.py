"""Dense CRF of one photograph (Krähenbühl and Koltun): scores of labels in, posteriors out.

Mean field inference with a Gaussian kernel over positions and a bilateral one over positions and
colours. In: an RGB image, uint8 (H, W, 3), and non-negative scores (labels, H, W). Out: posteriors
of the same shape that sum to one. Wrong shapes or types are a `ValueError`.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

# A lower score counts as this one, or a single label without any score could never be overruled.
LOWEST_SCORE = 1e-5


class DenseCRF:
    """The CRF of one image, for as many score stacks as are wanted of it.

    Building the kernels' lattices is a good part of the work of an inference, and they depend on
    the image alone, so all scores of an image share them. The posteriors are those of a CRF made
    anew for each.

    Args:
        image: RGB, (H, W, 3) uint8.
        labels: number of labels, the background included.
        gaussian: the smoothing kernel's `sxy`, standard deviation in pixels, and `compat`, weight.
        bilateral: `sxy` and `compat` likewise, and `srgb`, standard deviation in grey levels.
    """

    def __init__(
        self,
        image: NDArray[np.uint8],
        labels: int,
        *,
        gaussian: Mapping[str, float],
        bilateral: Mapping[str, float],
    ) -> None:
        from pydensecrf import densecrf

        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"image must be uint8 (H, W, 3), not {image.dtype} {image.shape}")
        self._height, self._width = image.shape[:2]
        self._labels = labels
        self._crf = densecrf.DenseCRF2D(self._width, self._height, labels)
        kernels = {
            "kernel": densecrf.DIAG_KERNEL,
            "normalization": densecrf.NORMALIZE_SYMMETRIC,
        }
        self._crf.addPairwiseGaussian(sxy=gaussian["sxy"], compat=gaussian["compat"], **kernels)
        self._crf.addPairwiseBilateral(
            sxy=bilateral["sxy"],
            srgb=bilateral["srgb"],
            rgbim=np.ascontiguousarray(image),
            compat=bilateral["compat"],
            **kernels,
        )

    def infer(self, scores: NDArray[np.floating], iterations: int) -> NDArray[np.float32]:
        """Posteriors after some mean field iterations.

        The unary energy is -log(score), of scores no lower than 1e-5. They need not sum to one:
        a factor common to a pixel's labels adds a constant to its energies, which cancels out.

        Args:
            scores: (labels, H, W), non-negative.
            iterations: how many; 0 gives the scores, normalised.

        Returns:
            (labels, H, W) float32, sums over the labels are one.
        """
        shape = (self._labels, self._height, self._width)
        if scores.shape != shape:
            raise ValueError(f"scores must be (labels, H, W) = {shape}, not {scores.shape}")
        energy = -np.log(np.maximum(scores, LOWEST_SCORE, dtype=np.float32))
        self._crf.setUnaryEnergy(np.ascontiguousarray(energy.reshape(self._labels, -1)))
        return np.array(self._crf.inference(iterations), dtype=np.float32).reshape(shape)


def dense_crf(
    image: NDArray[np.uint8],
    probabilities: NDArray[np.floating],
    *,
    iterations: int,
    gaussian: Mapping[str, float],
    bilateral: Mapping[str, float],
) -> NDArray[np.float32]:
    """Posteriors of one stack of scores; see `DenseCRF` for several stacks of one image.

    Args:
        image: RGB, (H, W, 3) uint8.
        probabilities: (labels, H, W), non-negative; need not sum to one.
        iterations: of mean field inference.
        gaussian: `sxy` and `compat`.
        bilateral: `sxy`, `srgb` and `compat`.

    Returns:
        (labels, H, W) float32.
    """
    crf = DenseCRF(image, len(probabilities), gaussian=gaussian, bilateral=bilateral)
    return crf.infer(probabilities, iterations)
