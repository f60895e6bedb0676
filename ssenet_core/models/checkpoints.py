"""Finished networks on disk: tensors, and the plain facts needed to build the network again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from ssenet_core.errors import SSENetError
from ssenet_core.io.tensors import load_tensors, save_tensors
from ssenet_core.models.backbones import build_backbone
from ssenet_core.models.device import to_device
from ssenet_core.models.networks import AffinityNetwork, CamNetwork, DeepLab
from ssenet_core.settings import AffinityTraining, AnyTraining, CamTraining, DeepLabTraining

FORMAT_VERSION = 3
S = TypeVar("S", CamTraining, AffinityTraining, DeepLabTraining)


@dataclass(frozen=True)
class Facts(Generic[S]):
    """What a checkpoint says of its network.

    Attributes:
        settings: of its training.
        classes: foreground class names.
    """

    settings: S
    classes: list[str]


def build_network(
    settings: AnyTraining, classes: Sequence[str]
) -> CamNetwork | AffinityNetwork | DeepLab:
    """A network with random weights: which one, says the class of its settings.

    Args:
        settings: `backbone` is read, and `dropout` (cam) or `head` (deeplab).
        classes: foreground class names.
    """
    backbone = build_backbone(settings.backbone)
    if isinstance(settings, CamTraining):
        return CamNetwork(backbone, len(classes), settings.dropout)
    if isinstance(settings, AffinityTraining):
        return AffinityNetwork(backbone)
    return DeepLab(backbone, len(classes) + 1, **settings.head.plain())


def save_checkpoint(
    path: str | Path, network: nn.Module, *, settings: AnyTraining, classes: Sequence[str]
) -> None:
    """Write a finished network atomically, in a form that `torch.load(weights_only=True)` reads."""
    content = {
        "format_version": FORMAT_VERSION,
        "kind": settings.stage,
        "settings": settings.used_in_training(),
        "classes": list(classes),
        "normalisation": _normalisation(network),
        "state": network.state_dict(),
    }
    save_tensors(content, path)


def load_checkpoint(path: str | Path, kind: type[S], device: torch.device) -> tuple[Any, Facts[S]]:
    """Build the network of a checkpoint, in evaluation mode on `device`.

    Args:
        path: a `model.pt`.
        kind: the class of its settings: `CamTraining`, `AffinityTraining` or `DeepLabTraining`.

    Raises:
        SSENetError: missing, damaged, of another kind or version.
    """
    content = load_tensors(path)
    found = tuple(f"{content.get(key)!r:.60}" for key in ("kind", "format_version"))
    if found != (repr(kind.stage), repr(FORMAT_VERSION)):
        raise SSENetError(
            f"{path}: expected a {kind.stage} checkpoint of version {FORMAT_VERSION}, "
            f"found {found[0]} version {found[1]}; train it again by the workflow"
        )
    try:
        facts = Facts(kind.model_validate(content["settings"]), list(content["classes"]))
        network = _filled_network(facts, content, Path(path).stat().st_size)
    except Exception as error:  # its settings may be anything, and so may be what comes of them
        raise SSENetError(
            f"{path}: its settings and its weights are not a {kind.stage} network's "
            f"({error!r:.200})"
        ) from error
    # Nothing is trained: on a CPU, too, forward passes are quicker with the channels last.
    network = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return to_device(network, device), facts


def _filled_network(facts: Facts[S], content: Mapping[str, Any], size: int) -> nn.Module:
    """The network of a checkpoint's content; `size` is the file's, in bytes."""
    parts = facts.settings, facts.classes
    with torch.device("meta"):  # without memory: the file may claim any width
        tensors = build_network(*parts).state_dict().values()
    if sum(tensor.numel() * tensor.element_size() for tensor in tensors) > size:
        raise ValueError("the settings are a larger network's")
    network = build_network(*parts)
    network.load_state_dict(content["state"])
    if content["normalisation"] != _normalisation(network):
        raise ValueError(f"its images are normalised by {content['normalisation']!r:.80}")
    return network


def _normalisation(network: nn.Module) -> list[list[float]]:
    """Mean and standard deviation by which a network's images are normalised."""
    return [list(values) for values in network.backbone.normalisation]  # type: ignore[union-attr]
