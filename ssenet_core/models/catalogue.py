"""Which backbones there are, what each can be told, and what their ImageNet weights expect.

Without torch, so that a configuration is checked before any job starts; timm is asked only about
networks that are not listed here.
"""

from functools import cache
from typing import NamedTuple

from ssenet_core.errors import SSENetError

OUTPUT_STRIDES = (8, 16)
TIMM = "timm:"  # begins the name of any other network of timm


class Normalisation(NamedTuple):
    """Mean and standard deviation of each of R, G, B in [0, 1], by which images are normalised."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
TO_ONE = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


class Architecture(NamedTuple):
    """What can be asked of one kind of backbone.

    Attributes:
        stages: names that `frozen_stages` may have.
        output_strides: pixels between neighbouring cells, the choices.
        normalisation: what its ImageNet weights expect.
        keys: settings that this kind alone takes notice of.
        norm_epsilon: of batch normalisation, where its ImageNet weights want another than timm's.
    """

    stages: tuple[str, ...]
    output_strides: tuple[int, ...] = OUTPUT_STRIDES
    normalisation: Normalisation = IMAGENET
    keys: tuple[str, ...] = ()
    norm_epsilon: float | None = None


RESNET = Architecture(("conv1", "layer1", "layer2", "layer3", "layer4"))
EFFICIENTNET_LITE = Architecture(
    ("conv_stem", *(f"blocks.{number}" for number in range(7)), "conv_head"),
    normalisation=TO_ONE,
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
    """How images are normalised for the backbone of a name."""
    if backbone in BACKBONES:
        return BACKBONES[backbone].normalisation
    return _timm_normalisation(backbone.removeprefix(TIMM))


def norm_epsilon(backbone: str) -> float | None:
    """Epsilon of batch normalisation in a backbone; None for the architecture's own."""
    return BACKBONES[backbone].norm_epsilon if backbone in BACKBONES else None


@cache
def _timm_normalisation(name: str) -> Normalisation:
    import timm

    config = timm.get_pretrained_cfg(name)
    return Normalisation(tuple(config.mean), tuple(config.std)) if config else IMAGENET


@cache
def timm_faults(name: str, stride: int, stages: tuple[str, ...]) -> tuple[str, ...]:
    """What timm's network of a name cannot do, by building it without memory."""
    import torch

    from ssenet_core.models.timm_backbone import TimmBackbone

    try:
        with torch.device("meta"):
            TimmBackbone(name.removeprefix(TIMM), output_stride=stride, frozen_stages=stages)
    except SSENetError as error:
        return (str(error),)
    return ()


def keys_without_effect(name: str) -> tuple[str, ...]:
    """Settings of other backbones that the backbone `name` takes no notice of."""
    others = {key for kind in BACKBONES.values() for key in kind.keys}
    own = BACKBONES[name].keys if name in BACKBONES else ()
    return tuple(sorted(others.difference(own)))
