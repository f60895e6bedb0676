"""Backbones by name, and where their first weights come from."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ssenet_core.errors import SSENetError
from ssenet_core.io.files import is_file
from ssenet_core.io.tensors import load_tensors
from ssenet_core.models.backbone import Backbone, batch_norms
from ssenet_core.models.catalogue import TIMM, norm_epsilon, normalisation
from ssenet_core.models.imagenet import read_resnet38
from ssenet_core.models.resnet38 import ResNet38
from ssenet_core.models.timm_backbone import TimmBackbone
from ssenet_core.settings import BackboneSettings

SHOWN = 5  # names of each fault in a message about weights


def build_backbone(settings: BackboneSettings) -> Backbone:
    """The backbone that settings describe, weights not loaded."""
    backbone = _built(settings)
    if settings.batch_norm_momentum is not None:
        for norm in batch_norms(backbone):
            norm.momentum = settings.batch_norm_momentum
    return backbone


def _built(settings: BackboneSettings) -> Backbone:
    if settings.name != "resnet38":
        return TimmBackbone(
            settings.name.removeprefix(TIMM),
            output_stride=settings.output_stride,
            normalisation=normalisation(settings.name),
            norm_epsilon=norm_epsilon(settings.name),
            freeze_batch_norm=settings.freeze_batch_norm,
            frozen_stages=settings.frozen_stages,
        )
    return ResNet38(
        settings.width,
        dilations=settings.dilations,
        dropout=settings.dropout,
        freeze_batch_norm=settings.freeze_batch_norm,
        frozen_stages=settings.frozen_stages,
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
