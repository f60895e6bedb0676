"""Finished networks on disk: tensors, and the plain facts needed to build the network again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from ssenet_core.errors import SSENetError
from ssenet_core.io.files import is_file
from ssenet_core.io.tensors import load_tensors, save_tensors
from ssenet_core.models.backbone import Backbone
from ssenet_core.models.device import placed
from ssenet_core.models.mxnet import read_resnet38
from ssenet_core.models.networks import build_network
from ssenet_core.settings import AffinityTraining, AnyTraining, CamTraining, DeepLabTraining

FORMAT_VERSION = 3
NAMES_SHOWN = 5  # of each kind, in a message about backbone weights
S = TypeVar("S", CamTraining, AffinityTraining, DeepLabTraining)


@dataclass(frozen=True)
class CheckpointInfo(Generic[S]):
    """How the network of a checkpoint was trained.

    Attributes:
        settings: of its training.
        classes: foreground class names.
    """

    settings: S
    classes: list[str]


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


def load_checkpoint(
    path: str | Path, kind: type[S], device: torch.device
) -> tuple[Any, CheckpointInfo[S]]:
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
        facts = CheckpointInfo(kind.model_validate(content["settings"]), list(content["classes"]))
        network = _filled_network(facts, content, Path(path).stat().st_size)
    except Exception as error:  # its settings may be anything, and so may be what comes of them
        raise SSENetError(
            f"{path}: its settings and its weights are not a {kind.stage} network's "
            f"({error!r:.200})"
        ) from error
    # Nothing is trained: on a CPU, too, forward passes are quicker with the channels last.
    network = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return placed(network, device), facts


def _filled_network(facts: CheckpointInfo[S], content: Mapping[str, Any], size: int) -> nn.Module:
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


def load_backbone_weights(backbone: Backbone, path: str | Path) -> None:
    """Fill `backbone` from a file of its own weights, or of a whole network's that has it inside.

    Args:
        path: `.safetensors`, ResNet-38's `.params` of MXNet, or a PyTorch file that holds tensors
            only; a head in it is left out. The names are the backbone's own, which for timm's
            networks are timm's; EfficientNet-Lite's and torchvision's ConvNeXt's are read too.

    Raises:
        SSENetError: the file is missing, damaged, or not of this backbone and width.
    """
    state = _read_state(Path(path))
    prefix = "backbone."
    if any(name.startswith(prefix) for name in state):
        state = {
            name.removeprefix(prefix): tensor
            for name, tensor in state.items()
            if name.startswith(prefix)
        }
    state = backbone.own_names(
        {
            name: tensor
            for name, tensor in state.items()
            if not name.startswith(backbone.head_prefixes)
        }
    )
    faults = list(_differences(backbone.state_dict(), state))
    if faults:
        raise SSENetError(f"{path}: these weights are not this backbone's: {'; '.join(faults)}")
    backbone.load_state_dict(state, strict=False)  # only counts of steps may be missing


def _differences(expected: Mapping[str, Tensor], found: Mapping[str, Any]) -> Iterator[str]:
    """What keeps a file's content from being a backbone's weights; the first names of each kind."""
    counts = "num_batches_tracked"  # of batch normalisation; older files lack them, nothing uses it
    missing = [name for name in expected if name not in found and not name.endswith(counts)]
    unknown = [name for name in found if name not in expected]
    shapes = [
        f"{name} {tuple(getattr(found[name], 'shape', ()))} instead of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in found and getattr(found[name], "shape", None) != tensor.shape
    ]
    kinds = {"missing": missing, "not its own": unknown, "of another shape": shapes}
    for kind, names in kinds.items():
        if names:
            rest = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
            yield f"{kind}: {', '.join(names[:NAMES_SHOWN])}{rest}"


def _read_state(path: Path) -> dict[str, Tensor]:
    if not is_file(path):
        raise SSENetError(f"{path}: no such file of backbone weights")
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except Exception as error:  # of a header that is none, it raises many kinds
            raise SSENetError(f"{path}: not a whole .safetensors file ({error})") from error
    if path.suffix == ".params":
        return read_resnet38(path)
    content = load_tensors(path)
    state = content.get("state", content)
    tensors = isinstance(state, dict) and all(isinstance(x, Tensor) for x in state.values())
    if not tensors or not all(isinstance(name, str) for name in state):
        raise SSENetError(f"{path}: expected tensors by their names, found something else")
    return state
