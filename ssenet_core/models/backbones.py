"""Backbones by name, and where their first weights come from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ssenet_core.errors import SSENetError
from ssenet_core.models.imagenet import read_resnet38
from ssenet_core.models.resnet38 import STAGES, ResNet38


def build_backbone(settings: Mapping[str, Any]) -> ResNet38:
    """The backbone that a `backbone` section of the configuration describes, weights not loaded.

    Args:
        settings: name, width, dilations, dropout, freeze_batch_norm, frozen_stages.
    """
    if settings["name"] != "resnet38":
        raise SSENetError(f"backbone {settings['name']!r}: expected resnet38")
    unknown = sorted(set(settings["frozen_stages"]) - set(STAGES))
    if unknown:
        raise SSENetError(
            f"backbone.frozen_stages: {', '.join(unknown)} not among {', '.join(STAGES)}"
        )
    return ResNet38(
        settings["width"],
        dilations=tuple(settings["dilations"]),
        dropout=tuple(settings["dropout"]),
        freeze_batch_norm=settings["freeze_batch_norm"],
        frozen_stages=settings["frozen_stages"],
    )


def load_backbone_weights(backbone: ResNet38, path: str | Path) -> None:
    """Fill `backbone` from a file of its own weights, or of a whole network's that has it inside.

    Args:
        path: `.safetensors`, MXNet's `.params`, or a PyTorch file that holds tensors only; a head
            in it is left out.

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
    try:
        backbone.load_state_dict(state)
    except RuntimeError as error:
        raise SSENetError(f"{path}: these weights are not this backbone's: {error}") from error


def _read_state(path: Path) -> dict[str, Tensor]:
    if not path.exists():
        raise SSENetError(f"{path}: no such file of backbone weights")
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise SSENetError(f"{path}: not a whole .safetensors file ({error})") from error
    if path.suffix == ".params":
        return read_resnet38(path)
    content = load_tensors(path)
    return content.get("state", content)


def load_tensors(path: str | Path) -> dict[str, Any]:
    """Read a PyTorch file of tensors and plain values; code in it is refused, never run.

    Raises:
        SSENetError: the file is missing, damaged, or holds anything else.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise SSENetError(f"{path}: no such file") from error
    except Exception as error:  # torch raises many kinds for a damaged file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SSENetError(
            f"{path}: expected a PyTorch file of tensors only, cannot read it ({reason})"
        ) from error
    if not isinstance(content, dict):
        raise SSENetError(f"{path}: expected a dictionary of tensors, found {type(content)}")
    return content
