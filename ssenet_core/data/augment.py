"""Views of photographs: random crops for training, and resized and mirrored ones for inference.

Every random number of a training view comes from a NumPy generator, so a view is a function of its
seed. `read_views` raises `SSENetError` for a photograph that cannot be read or changed its size.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms.v2 import InterpolationMode, functional

from ssenet_core.data.manifest import ImageRecord
from ssenet_core.models.catalogue import Normalisation

Pixels = NDArray[np.uint8]  # RGB, (H, W, 3)


def to_tensor(
    image: Image.Image | Pixels,
    normalisation: Normalisation,
    device: torch.device | None = None,
) -> Tensor:
    """A normalised image, (3, H, W) float32, on a device: it is sent there as bytes.

    Args:
        image: RGB.
        normalisation: the backbone's.
    """
    pixels = torch.from_numpy(np.array(image)).to(device=device).permute(2, 0, 1).float() / 255
    return functional.normalize(pixels, list(normalisation.mean), list(normalisation.std))


def resize_longest(image: Image.Image, longest: int) -> Image.Image:
    """Resize (cubic) so that the longest edge has `longest` pixels."""
    factor = longest / max(image.size)
    return resize_by(image, factor)


def resize_by(image: Image.Image, factor: float, antialias: bool = True) -> Image.Image:
    """Resize (cubic) by a factor; no edge becomes shorter than a pixel.

    Args:
        antialias: whether a smaller image's pixels average those that they cover; else each is made
            of the sixteen around its centre.
    """
    width, height = (max(1, round(edge * factor)) for edge in image.size)
    if antialias:
        return image.resize((width, height), Image.Resampling.BICUBIC)
    # In float32: of bytes, torch cuts off what overshoots between the two axes, too.
    pixels, cubic = functional.pil_to_tensor(image).float(), InterpolationMode.BICUBIC
    resized = functional.resize(pixels, [height, width], cubic, antialias=False)
    return functional.to_pil_image(resized.round().clamp(0, 255).byte())


def jitter(image: Image.Image, amounts: Sequence[float], rng: np.random.Generator) -> Image.Image:
    """Change brightness, contrast, saturation (factors 1 +- amount) and hue, in random order."""
    brightness, contrast, saturation = (
        rng.uniform(max(0.0, 1 - amount), 1 + amount) for amount in amounts[:3]
    )
    hue = rng.uniform(-amounts[3], amounts[3])
    steps = (
        lambda view: functional.adjust_brightness(view, brightness),
        lambda view: functional.adjust_contrast(view, contrast),
        lambda view: functional.adjust_saturation(view, saturation),
        lambda view: functional.adjust_hue(view, hue),
    )
    for index in rng.permutation(len(steps)):
        image = steps[index](image)
    return image


class CropBox(NamedTuple):
    """A square of `size` pixels whose top left corner lies at (top, left) of the image.

    Negative corners, and sides past the image's, stand for padding.
    """

    top: int
    left: int
    size: int


def random_crop(pixels: Tensor, size: int, rng: np.random.Generator) -> CropBox:
    """A random square of an image (channels, H, W); where an edge is shorter, it reaches beyond."""
    top, left = (
        int(rng.integers(min(0, edge - size), max(0, edge - size) + 1)) for edge in pixels.shape[1:]
    )
    return CropBox(top, left, size)


def crop_tensor(pixels: Tensor, box: CropBox, fill: float | Tensor) -> Tensor:
    """Cut a box out of (channels, H, W), padded where it leaves the image.

    Args:
        fill: of the padding; a value, or one a channel, (channels, 1, 1).
    """
    height, width = pixels.shape[1:]
    result = pixels.new_empty((pixels.shape[0], box.size, box.size))
    result[:] = fill
    top, left = max(box.top, 0), max(box.left, 0)
    bottom, right = min(box.top + box.size, height), min(box.left + box.size, width)
    result[:, top - box.top : bottom - box.top, left - box.left : right - box.left] = pixels[
        :, top:bottom, left:right
    ]
    return result


def black(normalisation: Normalisation) -> Tensor:
    """A black pixel, normalised, (3, 1, 1) float32."""
    return to_tensor(np.zeros((1, 1, 3), np.uint8), normalisation)


def label_tensor(labels: NDArray[np.uint8]) -> Tensor:
    """Labels (H, W) as a (1, H, W) tensor, ready for `crop_tensor`."""
    return torch.from_numpy(np.ascontiguousarray(labels))[None]


def read_views(
    image: ImageRecord, scales: Sequence[float], antialias: bool = True
) -> tuple[Pixels, list[Pixels]]:
    """An image's photograph, and its views at some scales."""
    photograph = image.photograph()
    return np.array(photograph), views_at(photograph, scales, antialias)


def views_at(image: Image.Image, scales: Sequence[float], antialias: bool = True) -> list[Pixels]:
    """An RGB image resized by each of some factors, as arrays; `antialias` as in `resize_by`."""
    return [np.array(resize_by(image, scale, antialias)) for scale in scales]


def image_tensor(image: Image.Image | Pixels, network: nn.Module) -> Tensor:
    """An RGB image as `network` wants it: (3, H, W) float32, normalised, on its device."""
    device = next(network.parameters()).device
    return to_tensor(image, network.backbone.normalisation, device)  # type: ignore[arg-type, union-attr]


def mirrored_batch(view: Pixels, network: nn.Module, flip: bool) -> Tensor:
    """A view as `network` wants it, and with `flip` its mirror image beside it.

    Returns:
        (1 or 2, 3, H, W) float32, normalised, on the network's device.
    """
    one = image_tensor(view, network)[None]
    return torch.cat([one, one.flip(3)]) if flip else one
