"""A trained DeepLab as a TorchScript file, which PyTorch runs without this package.

In: a checkpoint and the size of images. Out: a file whose module turns RGB images with values in
[0, 1], (batch, 3, H, W) float32, into scores before the soft-max, (batch, classes + 1, H, W), the
background first. The class names lie in it as `classes.json`. Fails with `SSENetError` when the
checkpoint is not DeepLab's, or when the written module's scores are not the network's.
"""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ssenet_core.data.augment import MEAN, STD
from ssenet_core.errors import SSENetError
from ssenet_core.segmenter import Segmenter
from ssenet_core.storage import atomic_path

SUFFIX = ".torchscript.pt"
TOLERANCE = 1e-4  # largest difference of a score, file against network
CLASSES = "classes.json"


class ImageScores(nn.Module):
    """A network with what is done to its images before and to its scores after."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(MEAN).reshape(3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).reshape(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Scores at the images' size, (batch, classes + 1, H, W), of RGB in [0, 1]."""
        scores = self.network((images - self.mean) / self.std)
        size = (images.shape[2], images.shape[3])
        return functional.interpolate(scores, size, mode="bilinear", align_corners=False)


def export_torchscript(checkpoint: str | Path, out: str | Path, *, size: tuple[int, int]) -> None:
    """Write a DeepLab checkpoint as TorchScript for images of one size, one scale, without CRF.

    Args:
        checkpoint: a `model.pt` that the workflow's training of DeepLab wrote.
        out: file to write, `.torchscript.pt`.
        size: height and width of the images.

    Raises:
        SSENetError: `out` has another suffix, the checkpoint is missing or another network's, or
            the module's scores of a random image differ from the network's.
    """
    if not str(out).endswith(SUFFIX):
        raise SSENetError(f"{out}: expected a name that ends in {SUFFIX}, the one format there is")
    segmenter = Segmenter.load(checkpoint, device="cpu")
    module = ImageScores(segmenter.network).eval()
    random = torch.Generator().manual_seed(0)
    example, unseen = (torch.rand(1, 3, *size, generator=random) for _ in range(2))
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of shapes taken for constants: the size is one
        traced = torch.jit.trace(module, example, check_trace=False)
        with atomic_path(out) as temporary:
            _save(traced, temporary, segmenter.classes)
            written = torch.jit.load(temporary, map_location="cpu")
            difference = float((written(unseen) - module(unseen)).abs().max())
            if not difference <= TOLERANCE:
                raise SSENetError(
                    f"{out}: not written, as its scores differ from the network's by up to "
                    f"{difference:.2g}; allowed is {TOLERANCE:g}"
                )


def _save(traced: torch.jit.ScriptModule, path: Path, classes: Sequence[str]) -> None:
    # Through a file object: of a path, the archive inside would take the temporary name.
    with path.open("wb") as file:
        torch.jit.save(traced, file, _extra_files={CLASSES: json.dumps(classes)})
