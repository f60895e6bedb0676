"""Backbones by name, and where their first weights come from."""

import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ssenet_core.errors import SSENetError
from ssenet_core.models.backbone import Backbone, batch_norms
from ssenet_core.models.catalogue import (
    TIMM,
    backbone_faults,
    norm_epsilon,
    normalisation,
    output_stride,
)
from ssenet_core.models.imagenet import read_resnet38
from ssenet_core.models.resnet38 import ResNet38
from ssenet_core.models.sealed import check_seal
from ssenet_core.models.timm_backbone import TimmBackbone
from ssenet_core.paths import is_file

SHOWN = 5  # names of each fault in a message about weights


def build_backbone(settings: Mapping[str, Any]) -> Backbone:
    """The backbone that a `backbone` section of the configuration describes, weights not loaded.

    Args:
        settings: name, output_stride, freeze_batch_norm, batch_norm_momentum, frozen_stages; and of
            resnet38 width, dilations, dropout.

    Raises:
        SSENetError: no such backbone, or it has no such output stride or stages.
    """
    faults = list(backbone_faults(settings))
    if faults:
        raise SSENetError("; ".join(faults))
    backbone = _built(settings)
    momentum = settings.get("batch_norm_momentum")
    if momentum is not None:
        for norm in batch_norms(backbone):
            norm.momentum = momentum
    return backbone


def _built(settings: Mapping[str, Any]) -> Backbone:
    freezing = {key: settings[key] for key in ("freeze_batch_norm", "frozen_stages")}
    if settings["name"] != "resnet38":
        return TimmBackbone(
            settings["name"].removeprefix(TIMM),
            output_stride=output_stride(settings),
            normalisation=normalisation(settings),
            norm_epsilon=norm_epsilon(settings),
            **freezing,
        )
    return ResNet38(
        settings["width"],
        dilations=tuple(settings["dilations"]),
        dropout=tuple(settings["dropout"]),
        **freezing,
    )


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
            rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            yield f"{kind}: {', '.join(names[:SHOWN])}{rest}"


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


def _reason(error: Exception) -> str:
    """An error's first line; not PyTorch's advice to load a file that may run code."""
    if isinstance(error, pickle.UnpicklingError):
        return "it is damaged, or holds something else"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def load_tensors(path: str | Path) -> dict[str, Any]:
    """Read a PyTorch file of tensors and plain values; code in it is refused, never run.

    Raises:
        SSENetError: the file is missing, damaged, or holds anything else.
    """
    if not is_file(Path(path)):
        raise SSENetError(f"{path}: no such file")
    try:
        check_seal(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise SSENetError(
            f"{path}: expected a PyTorch file of tensors only, cannot read it ({_reason(error)})"
        ) from error
    if not isinstance(content, dict):
        raise SSENetError(f"{path}: expected a dictionary of tensors, found {type(content)}")
    return content
