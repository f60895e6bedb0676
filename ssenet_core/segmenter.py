"""A trained DeepLab as a function from an image to its labels or their probabilities.

A missing, damaged or foreign checkpoint is an `SSENetError`; a wrong argument is a `ValueError` or
a `TypeError`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from ssenet_core.deeplab.inference import label_probabilities
from ssenet_core.io.photographs import as_photograph
from ssenet_core.models.checkpoints import load_checkpoint
from ssenet_core.models.device import pick_device
from ssenet_core.settings import (
    BilateralKernel,
    CrfSettings,
    DeepLabTraining,
    GaussianKernel,
    Prediction,
)

USUAL_SCALES = (0.75, 1.0, 1.25, 1.5)
# The dense CRF after DeepLab, as in the configurations that come with the workflow.
DENSE_CRF = CrfSettings(
    iterations=1,
    gaussian=GaussianKernel(sxy=3, compat=3),
    bilateral=BilateralKernel(sxy=32, srgb=13, compat=10),
)


class Segmenter:
    """A network with the settings of its inference; `Segmenter.load` makes one.

    Args:
        network: DeepLab in evaluation mode, on the device where it is to run.
        classes: foreground class names.
        scales: factors by which the photograph is resized; scores are averaged over them.
        flip: whether scores are averaged over each scale and its mirror image.
        crf: settings of a dense CRF, e.g. `DENSE_CRF`; None for none.
        precision: "32-true", "16-mixed" or "bf16-mixed".
        antialias: whether views are resized with antialiasing, as in the network's training.
        longest_edge: to which photographs are resized before anything else, pixels: that of the
            network's training images; None to use them as large as they are.

    Attributes:
        classes: names of the label values 0, 1, ...: the background first.
    """

    def __init__(
        self,
        network: nn.Module,
        classes: Sequence[str],
        *,
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
        crf: CrfSettings | None = None,
        precision: str = "32-true",
        antialias: bool = True,
        longest_edge: int | None = None,
    ) -> None:
        self.network = network
        self.classes = ("background", *classes)
        self._settings = Prediction.model_validate(
            {"scales": scales, "flip": flip, "crf": crf, "precision": precision}
        )
        self._antialias = antialias
        self.longest_edge = longest_edge

    @classmethod
    def load(
        cls,
        checkpoint: str | Path,
        device: str | torch.device | None = None,
        scales: Sequence[float] | None = None,
        flip: bool = False,
        crf: CrfSettings | None = None,
        precision: str = "32-true",
    ) -> "Segmenter":
        """Build the network of a DeepLab checkpoint.

        Args:
            checkpoint: a `model.pt` that the workflow's training of DeepLab wrote.
            device: where to run; None for the GPU if there is one, else the CPU.
            scales: as in the constructor; None for those of the training, see `fitting_scales`.
            flip: as in the constructor.
            crf: as in the constructor.
            precision: as in the constructor.

        Raises:
            SSENetError: the checkpoint is missing, damaged, or another network's.
        """
        where = pick_device() if device is None else torch.device(device)
        network, facts = load_checkpoint(checkpoint, DeepLabTraining, where)
        if scales is None:
            scales = fitting_scales(facts.settings.scale)
        return cls(
            network,
            facts.classes,
            scales=scales,
            flip=flip,
            crf=crf,
            precision=precision,
            antialias=facts.settings.antialias,
            longest_edge=facts.longest_edge,
        )

    def __call__(self, image: Image.Image | NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The label value of each pixel, (H, W) uint8; `classes` has their names.

        Args:
            image: as in `probabilities`.
        """
        photograph = _photograph(image)
        return self.labels(photograph, photograph.size)

    def labels(self, photograph: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
        """The label value of each pixel of a photograph, at another size than it is given in.

        Memory is that of a few values a pixel, whatever the number of classes.

        Args:
            photograph: RGB; a copy no larger than `longest_edge` is as good as the original.
            size: width and height of the labels, pixels.

        Returns:
            (H, W) uint8.
        """
        return _argmax_at(self._probabilities(photograph), size)

    def _probabilities(self, photograph: Image.Image) -> NDArray[np.float32]:
        """The labels' probabilities at the size that the network learnt at."""
        resized = _resized(photograph, self.longest_edge)
        return label_probabilities(self.network, resized, self._settings, self._antialias)

    def probabilities(self, image: Image.Image | NDArray[np.uint8]) -> NDArray[np.float32]:
        """The labels' probabilities, (classes + 1, H, W) float32, background first.

        Args:
            image: a PIL image of any mode, turned upright if its EXIF says so, or RGB, (H, W, 3)
                uint8.

        Raises:
            TypeError, ValueError: it is neither.
        """
        photograph = _photograph(image)
        planes = self._probabilities(photograph)
        return np.stack([_plane_at(plane, photograph.size) for plane in planes])


def fitting_scales(trained: Sequence[float]) -> tuple[float, ...]:
    """The usual scales that a network was trained at, or else three that it was trained at.

    Args:
        trained: `scale` of its settings, the smallest and the largest.
    """
    smallest, largest = trained
    known = tuple(scale for scale in USUAL_SCALES if smallest <= scale <= largest)
    return (
        known
        if len(known) > 1
        else tuple(dict.fromkeys((smallest, (smallest + largest) / 2, largest)))
    )


def _photograph(image: Image.Image | NDArray[np.uint8]) -> Image.Image:
    """An image as `io.photographs.read_photograph` would read it."""
    if isinstance(image, Image.Image):
        return as_photograph(image).image
    if not isinstance(image, np.ndarray):
        raise TypeError(f"image must be a PIL image or an array, not {type(image).__name__}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"image must be RGB uint8 (H, W, 3), not {image.dtype} {image.shape}")
    return Image.fromarray(image)


def _resized(photograph: Image.Image, longest_edge: int | None) -> Image.Image:
    """A photograph whose longest edge is that of the training images."""
    if longest_edge is None or max(photograph.size) == longest_edge:
        return photograph
    factor = longest_edge / max(photograph.size)
    width, height = (max(1, round(factor * side)) for side in photograph.size)
    return photograph.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3)


def _plane_at(plane: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """One label's probabilities (h, w) at a width and height, bilinear."""
    if plane.shape[::-1] == size:
        return plane
    return np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BILINEAR))


def _argmax_at(probabilities: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The most probable label of each pixel at a width and height, one label after the other."""
    best = _plane_at(probabilities[0], size).copy()
    labels = np.zeros(best.shape, np.uint8)
    for label, plane in enumerate(probabilities[1:], start=1):
        found = _plane_at(plane, size)
        labels[found > best] = label
        np.maximum(best, found, out=best)
    return labels
