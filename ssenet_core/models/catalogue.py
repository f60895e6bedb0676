"""Which backbones there are, what each can be told, and what their ImageNet weights expect.

Without torch, so that a configuration is checked before any job starts; timm is asked only about
networks that are not listed here.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from ssenet_core.errors import SSENetError

STRIDE = 8  # where a section names none
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


def output_stride(settings: Mapping[str, Any]) -> int:
    """Pixels between neighbouring cells of the backbone that a `backbone` section describes."""
    return int(settings.get("output_stride", STRIDE))


def normalisation(settings: Mapping[str, Any]) -> Normalisation:
    """How images are normalised for the backbone that a `backbone` section describes."""
    name = settings["name"]
    if name in BACKBONES:
        return BACKBONES[name].normalisation
    return _timm_normalisation(name.removeprefix(TIMM))


def norm_epsilon(settings: Mapping[str, Any]) -> float | None:
    """Epsilon of batch normalisation in a section's backbone; None for the architecture's own."""
    name = settings["name"]
    return BACKBONES[name].norm_epsilon if name in BACKBONES else None


@cache
def _timm_normalisation(name: str) -> Normalisation:
    import timm

    config = timm.get_pretrained_cfg(name)
    return Normalisation(tuple(config.mean), tuple(config.std)) if config else IMAGENET


def backbone_faults(settings: Mapping[str, Any]) -> Iterator[str]:
    """What a `backbone` section asks of its kind of backbone in vain."""
    name = settings["name"]
    stride = output_stride(settings)
    if name.startswith(TIMM):
        yield from timm_faults(name, stride, tuple(settings["frozen_stages"]))
        return
    if name not in BACKBONES:
        yield f"backbone.name: found {name!r}, allowed: {', '.join(BACKBONES)} or {TIMM}NAME"
        return
    known = BACKBONES[name]
    if stride not in known.output_strides:
        allowed = " or ".join(map(str, known.output_strides))
        yield f"backbone.output_stride: found {stride}, allowed for {name}: {allowed}"
    unknown = [stage for stage in settings["frozen_stages"] if stage not in known.stages]
    if unknown:
        yield (
            f"backbone.frozen_stages: {name} has no {', '.join(unknown)}; "
            f"it has {', '.join(known.stages)}, and [] freezes none"
        )


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


def described(settings: Mapping[str, Any]) -> str:
    """A backbone's name, with its width if it has one: two that differ here share no weights."""
    name = str(settings["name"])
    return f"{name} of width {settings['width']:g}" if name == "resnet38" else name
