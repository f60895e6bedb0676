"""Finished networks on disk: tensors, and the plain facts needed to build the network again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ssenet_core.errors import SSENetError
from ssenet_core.io.tensors import load_tensors, save_tensors
from ssenet_core.models.backbones import build_backbone
from ssenet_core.models.device import placed
from ssenet_core.models.networks import AffinityNetwork, CamNetwork, DeepLab

FORMAT_VERSION = 3


def build_network(
    kind: str, settings: Mapping[str, Any], classes: Sequence[str]
) -> CamNetwork | AffinityNetwork | DeepLab:
    """A network with first weights: `kind` is cam, affinity or deeplab.

    Args:
        settings: the stage's section; `backbone` is read, and `dropout` (cam) or `head` (deeplab).
        classes: foreground class names.
    """
    backbone = build_backbone(settings["backbone"])
    if kind == "cam":
        return CamNetwork(backbone, len(classes), settings["dropout"])
    if kind == "affinity":
        return AffinityNetwork(backbone)
    return DeepLab(backbone, len(classes) + 1, **settings["head"])


def save_checkpoint(
    path: str | Path,
    network: nn.Module,
    *,
    kind: str,
    settings: Mapping[str, Any],
    classes: Sequence[str],
) -> None:
    """Write a finished network atomically, in a form that `torch.load(weights_only=True)` reads."""
    content = {
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "settings": dict(settings),
        "classes": list(classes),
        "normalisation": _normalisation(network),
        "state": network.state_dict(),
    }
    save_tensors(content, path)


def load_checkpoint(
    path: str | Path, kind: str, device: torch.device
) -> tuple[Any, dict[str, Any]]:
    """Build the network of a checkpoint, in evaluation mode on `device`.

    Returns:
        The network, and the checkpoint's facts (`settings`, `classes`).

    Raises:
        SSENetError: missing, damaged, of another kind or version.
    """
    content = load_tensors(path)
    found = tuple(f"{content.get(key)!r:.60}" for key in ("kind", "format_version"))
    if found != (repr(kind), repr(FORMAT_VERSION)):
        raise SSENetError(
            f"{path}: expected a {kind} checkpoint of version {FORMAT_VERSION}, "
            f"found {found[0]} version {found[1]}; train it again by the workflow"
        )
    try:
        network = _filled_network(kind, content, Path(path).stat().st_size)
    except Exception as error:  # its settings may be anything, and so may be what comes of them
        raise SSENetError(
            f"{path}: its settings and its weights are not a {kind} network's ({error!r:.200})"
        ) from error
    facts = {key: content[key] for key in ("settings", "classes")}
    # Nothing is trained: on a CPU, too, forward passes are quicker with the channels last.
    network = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return placed(network, device), facts


def _filled_network(kind: str, content: Mapping[str, Any], size: int) -> nn.Module:
    """The network of a checkpoint's content; `size` is the file's, in bytes."""
    parts = kind, content["settings"], content["classes"]
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
