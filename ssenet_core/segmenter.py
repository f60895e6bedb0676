"""A trained DeepLab as a function: a photograph in, label values or probabilities out.

In: a checkpoint of the workflow, and photographs as PIL images or RGB arrays. Out: arrays at the
photograph's size, as the workflow's own predictions of it. A missing, damaged or foreign checkpoint
is an `SSENetError`; a wrong argument is a `ValueError` or a `TypeError`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from ssenet_core.deeplab.inference import label_probabilities, likeliest, trained_antialias
from ssenet_core.models.checkpoints import load_checkpoint
from ssenet_core.models.device import pick_device
from ssenet_core.storage.images import as_rgb

USUAL_SCALES = (0.75, 1.0, 1.25, 1.5)
PRECISIONS = ("32-true", "16-mixed", "bf16-mixed")
# The dense CRF after DeepLab, as in the configurations that come with the workflow.
DENSE_CRF: Mapping[str, Any] = {
    "iterations": 1,
    "gaussian": {"sxy": 3, "compat": 3},
    "bilateral": {"sxy": 32, "srgb": 13, "compat": 10},
}


class Segmenter:
    """A network with the settings of its inference; `Segmenter.load` makes one.

    Args:
        network: DeepLab in evaluation mode, on the device where it is to run.
        classes: foreground class names.
        scales: factors by which the photograph is resized; the scores' mean counts.
        flip: whether each scale is looked at mirrored too.
        crf: iterations, gaussian and bilateral of a dense CRF, `DENSE_CRF` say; None for none.
        precision: "32-true", "16-mixed" or "bf16-mixed".
        antialias: whether views are resized with antialiasing, as in the network's training.

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
        crf: Mapping[str, Any] | None = None,
        precision: str = "32-true",
        antialias: bool = True,
    ) -> None:
        if not _are_scales(scales):
            raise ValueError(f"scales must be one or more positive numbers, not {scales!r}")
        if crf is not None and not (isinstance(crf, Mapping) and DENSE_CRF.keys() <= crf.keys()):
            raise ValueError(f"crf must be None or as DENSE_CRF, not {crf!r}")
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {PRECISIONS}, not {precision!r}")
        self.network = network
        self.classes = ("background", *classes)
        self._settings = {
            "scales": scales,
            "flip": flip,
            "crf": crf,
            "precision": precision,
            "antialias": antialias,
        }

    @classmethod
    def load(
        cls,
        checkpoint: str | Path,
        device: str | torch.device | None = None,
        scales: Sequence[float] | None = None,
        flip: bool = False,
        crf: Mapping[str, Any] | None = None,
        precision: str = "32-true",
    ) -> "Segmenter":
        """Build the network of a DeepLab checkpoint.

        Args:
            checkpoint: a `model.pt` that the workflow's training of DeepLab wrote.
            device: where to run; None for the GPU if there is one, else the CPU.
            scales: as above; None for those that the network was trained at, see `fitting_scales`.

        Raises:
            SSENetError: the checkpoint is missing, damaged, or another network's.
        """
        where = pick_device() if device is None else torch.device(device)
        network, facts = load_checkpoint(checkpoint, "deeplab", where)
        if scales is None:
            scales = fitting_scales(facts["settings"]["scale"])
        return cls(
            network,
            facts["classes"],
            scales=scales,
            flip=flip,
            crf=crf,
            precision=precision,
            antialias=trained_antialias(facts),
        )

    def __call__(self, image: Image.Image | NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The label value of each pixel, (H, W) uint8; `classes` has their names."""
        return likeliest(self.probabilities(image))

    def probabilities(self, image: Image.Image | NDArray[np.uint8]) -> NDArray[np.float32]:
        """The labels' probabilities, (classes + 1, H, W) float32, background first.

        Args:
            image: a PIL image of any mode, in its stored orientation, or RGB, (H, W, 3) uint8.
        """
        return label_probabilities(self.network, _photograph(image), self._settings)


def fitting_scales(trained: Sequence[float]) -> tuple[float, ...]:
    """Those of the usual scales that a network knows from its training, or else three that it does.

    Args:
        trained: `scale` of its settings, the smallest and the largest.
    """
    smallest, largest = trained
    known = tuple(scale for scale in USUAL_SCALES if smallest <= scale <= largest)
    return known or tuple(dict.fromkeys((smallest, (smallest + largest) / 2, largest)))


def _are_scales(scales: Any) -> bool:
    if isinstance(scales, str) or not isinstance(scales, Iterable):
        return False
    values = list(scales)
    return bool(values) and all(
        isinstance(value, int | float) and 0 < value < math.inf for value in values
    )


def _photograph(image: Image.Image | NDArray[np.uint8]) -> Image.Image:
    """An image as `storage.load_image` would read it."""
    if isinstance(image, Image.Image):
        return as_rgb(image)
    if not isinstance(image, np.ndarray):
        raise TypeError(f"image must be a PIL image or an array, not {type(image).__name__}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"image must be RGB uint8 (H, W, 3), not {image.dtype} {image.shape}")
    return Image.fromarray(image)
