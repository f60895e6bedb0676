"""Exports a trained DeepLab to a file that runs without this package: ONNX or TorchScript.

`export_model` raises `SSENetError` where the checkpoint is not DeepLab's, or the exported module's
scores are not the network's.
"""

import importlib.util
import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ssenet_core.errors import SSENetError
from ssenet_core.io.files import atomic_path
from ssenet_core.segmenter import Segmenter

ONNX, TORCHSCRIPT = ".onnx", ".torchscript.pt"
TOLERANCE = 1e-4  # largest difference of a score, file against network, as a share of the largest
CLASSES = "classes.json"
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
EXAMPLE = (2, 3, 97, 130)  # images that ONNX is traced with; no dimension looks like a constant
CHECKED = ((1, 3, 96, 128), (3, 3, 65, 41))  # other images that it is then checked on


class ImageScores(nn.Module):
    """A network with the normalisation of its images and the up-sampling of its scores."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        normalisation = network.backbone.normalisation  # type: ignore[union-attr]
        self.register_buffer("mean", torch.tensor(normalisation.mean).reshape(3, 1, 1))
        self.register_buffer("std", torch.tensor(normalisation.std).reshape(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Scores at the images' size, (batch, classes + 1, H, W), of RGB in [0, 1]."""
        scores = self.network((images - self.mean) / self.std)
        size = (images.shape[2], images.shape[3])
        align_corners: bool = self.network.align_corners  # type: ignore[assignment]
        return functional.interpolate(scores, size, mode="bilinear", align_corners=align_corners)


def export_model(
    checkpoint: str | Path, out: str | Path, *, size: tuple[int, int] | None = None
) -> None:
    """Write a DeepLab checkpoint as ONNX or TorchScript: one scale, no flip, no CRF.

    The module turns RGB images in [0, 1], (batch, 3, H, W) float32, into scores before the
    soft-max, (batch, classes + 1, H, W), background first. ONNX takes images of any size and
    number, its input is `images` and its output `scores`; TorchScript takes images of one size. The
    file has the class names as `classes.json`.

    Args:
        checkpoint: a `model.pt` that the workflow's training of DeepLab wrote.
        out: file to write, `.onnx` or `.torchscript.pt`.
        size: height and width of the images, for TorchScript alone.

    Raises:
        SSENetError: `out` has another suffix, the size is missing or out of place, ONNX's packages
            are not installed, the checkpoint is missing or another network's, or the written
            module's scores of random images differ from the network's.
    """
    onnx = str(out).endswith(ONNX)
    if not onnx and not str(out).endswith(TORCHSCRIPT):
        raise SSENetError(f"{out}: expected a name that ends in {ONNX} or {TORCHSCRIPT}")
    if onnx and size is not None:
        raise SSENetError(f"{out}: ONNX takes images of any size, so leave out --size")
    if not onnx and size is None:
        raise SSENetError(
            f"{out}: TorchScript is for images of one size; give it, as --size 96x128"
        )
    missing = [name for name in ONNX_PACKAGES if importlib.util.find_spec(name) is None]
    if onnx and missing:
        raise SSENetError(
            f"{out}: not written, as {' and '.join(missing)} is not installed; "
            "pip install 'ssenet-core[onnx]' brings it"
        )
    segmenter = Segmenter.load(checkpoint, device="cpu")
    module = ImageScores(segmenter.network).eval().requires_grad_(False)
    with warnings.catch_warnings(), atomic_path(out) as temporary:
        warnings.simplefilter("ignore")  # the exporters warn about their own code
        if size is None:
            difference = _write_onnx(module, temporary, segmenter.classes)
        else:
            difference = _write_torchscript(module, temporary, segmenter.classes, size)
        if not difference <= TOLERANCE:
            raise SSENetError(
                f"{out}: not written, as its scores differ from the network's by up to "
                f"{difference:.2g} of the largest; allowed is {TOLERANCE:g}"
            )


def _write_onnx(module: ImageScores, path: Path, classes: Sequence[str]) -> float:
    import onnxruntime
    from torch.export import Dim

    free = {0: Dim("batch"), 2: Dim("height"), 3: Dim("width")}
    program = torch.onnx.export(
        module,
        (_random_images(EXAMPLE),),
        dynamo=True,
        input_names=["images"],
        output_names=["scores"],
        dynamic_shapes={"images": free},
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch.onnx.export returned nothing")
    program.model.metadata_props[CLASSES] = json.dumps(classes)
    program.save(str(path), external_data=False)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def written(images: Tensor) -> Tensor:
        (scores,) = session.run(["scores"], {"images": images.numpy()})
        return torch.from_numpy(scores)

    return max(_difference(written, module, _random_images(shape)) for shape in CHECKED)


def _write_torchscript(
    module: ImageScores, path: Path, classes: Sequence[str], size: tuple[int, int]
) -> float:
    example, unseen = _random_images((2, 3, *size)).split(1)
    with torch.inference_mode():
        traced = torch.jit.trace(module, example, check_trace=False)
    # Through a file object: of a path, the archive inside would take the temporary name.
    with path.open("wb") as file:
        torch.jit.save(traced, file, _extra_files={CLASSES: json.dumps(classes)})
    return _difference(torch.jit.load(path, map_location="cpu"), module, unseen)


def _random_images(shape: tuple[int, ...]) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def _difference(written: Callable[[Tensor], Tensor], module: ImageScores, images: Tensor) -> float:
    """The largest difference of a score, as a share of the largest score."""
    with torch.inference_mode():
        expected = module(images)
        return float((written(images) - expected).abs().max() / expected.abs().max())
