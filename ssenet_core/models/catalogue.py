"""Which backbones there are, and what each of them can be told.

Without torch, so that a configuration is checked before any job starts. In: a `backbone` section.
Out: its faults in words.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

STRIDE = 8  # where a section names none, as those of older checkpoints


class Architecture(NamedTuple):
    """What can be asked of one kind of backbone.

    Attributes:
        stages: names that `frozen_stages` may have.
        output_strides: pixels between neighbouring cells, the choices.
        keys: settings that this kind alone takes notice of.
    """

    stages: tuple[str, ...]
    output_strides: tuple[int, ...]
    keys: tuple[str, ...] = ()


RESNET38 = Architecture(
    ("conv1a", "b2", "b3", "b4", "b5", "b6", "b7", "bn7"), (8,), ("width", "dilations", "dropout")
)
TORCHVISION = Architecture(("conv1", "layer1", "layer2", "layer3", "layer4"), (8, 16))
BACKBONES = {
    "resnet38": RESNET38,
    "resnet18": TORCHVISION,
    "resnet50": TORCHVISION,
    "resnet101": TORCHVISION,
}


OUTPUT_STRIDES = sorted({stride for known in BACKBONES.values() for stride in known.output_strides})


def output_stride(settings: Mapping[str, Any]) -> int:
    """Pixels between neighbouring cells of the backbone that a `backbone` section describes."""
    return int(settings.get("output_stride", STRIDE))


def backbone_faults(settings: Mapping[str, Any]) -> Iterator[str]:
    """What a `backbone` section asks of its kind of backbone in vain."""
    name = settings["name"]
    if name not in BACKBONES:
        yield f"backbone.name: found {name!r}, allowed: {' or '.join(BACKBONES)}"
        return
    known = BACKBONES[name]
    stride = output_stride(settings)
    if stride not in known.output_strides:
        allowed = " or ".join(map(str, known.output_strides))
        yield f"backbone.output_stride: found {stride}, allowed for {name}: {allowed}"
    unknown = [stage for stage in settings["frozen_stages"] if stage not in known.stages]
    if unknown:
        yield (
            f"backbone.frozen_stages: {name} has no {', '.join(unknown)}; "
            f"it has {', '.join(known.stages)}, and [] freezes none"
        )


def keys_without_effect(name: str) -> tuple[str, ...]:
    """Settings of other backbones that the backbone `name` takes no notice of."""
    others = {key for kind in BACKBONES.values() for key in kind.keys}
    return tuple(sorted(others.difference(BACKBONES[name].keys)))


def described(settings: Mapping[str, Any]) -> str:
    """A backbone's name, with its width if it has one: two that differ here share no weights."""
    name = str(settings["name"])
    return f"{name} of width {settings['width']:g}" if name == "resnet38" else name
