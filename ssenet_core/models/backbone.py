"""What the three networks need of a backbone, and what all backbones do alike: freezing.

In: normalised images (batch, 3, H, W). Out: features, (batch, channels, ceil(H / stride),
ceil(W / stride)). Cell i of an output row looks at pixel stride * i: whoever resamples a map relies
on it.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Self

import torch
from torch import Tensor, nn

from ssenet_core.models.catalogue import IMAGENET, Normalisation


class Backbone(nn.Module, ABC):
    """A convolutional network without its head.

    A subclass builds its layers, sets the attributes and calls `freeze` at the end.

    Args:
        freeze_batch_norm: keep batch normalisation in evaluation mode, its affine part too.
        frozen_stages: names of stages whose weights and statistics stay as they are.

    Attributes:
        stride: pixels between neighbouring cells.
        channels: of the features.
        tap_channels: of the three taps.
        embedding_channels: of what AffinityNet makes of the three taps.
        normalisation: of the images, as the weights expect them.
        head_prefixes: beginnings of the names that a file of weights has beside the backbone's own.
    """

    stride: int
    channels: int
    tap_channels: tuple[int, int, int]
    embedding_channels: tuple[int, int, int]
    head_prefixes: tuple[str, ...] = ()
    normalisation: Normalisation = IMAGENET

    def __init__(
        self, *, freeze_batch_norm: bool = False, frozen_stages: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.freeze_batch_norm = freeze_batch_norm
        self.frozen_stages = tuple(frozen_stages)
        self._learns = True

    @abstractmethod
    def compute_taps(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What `taps` gives, with gradients where parameters have them."""

    def taps(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features at three depths, all on the output's grid, for AffinityNet; the last is it."""
        if self._learns or x.device.type != "cpu":
            return self.compute_taps(x)
        # On a CPU the forward pass is quicker with the channels last; what is trained on top gets
        # the usual order, as PyTorch 2.11 corrupts memory in such convolutions' backward pass.
        with torch.no_grad():
            found = self.compute_taps(x.contiguous(memory_format=torch.channels_last))
        first, second, last = (tap.contiguous() for tap in found)
        return first, second, last

    def forward(self, x: Tensor) -> Tensor:
        return self.taps(x)[-1]

    def own_names(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of a file of weights, without a head's, by the names that they have here."""
        return state

    def stage(self, name: str) -> list[nn.Module]:
        """The modules of one stage."""
        return [getattr(self, name)]

    def freeze(self) -> None:
        """Take gradients from what the settings freeze."""
        for part in self._frozen():
            part.requires_grad_(False)
        if self.freeze_batch_norm:
            for norm in batch_norms(self):
                norm.requires_grad_(False)
        self._learns = any(parameter.requires_grad for parameter in self.parameters())

    def train(self, mode: bool = True) -> Self:
        """Training mode, except for batch normalisation that is frozen."""
        super().train(mode)
        for part in [self] if self.freeze_batch_norm else self._frozen():
            for norm in batch_norms(part):
                norm.eval()
        return self

    def _frozen(self) -> list[nn.Module]:
        return [module for name in self.frozen_stages for module in self.stage(name)]


def batch_norms(part: nn.Module) -> Iterator[nn.BatchNorm2d | nn.SyncBatchNorm]:
    """The batch normalisation in a network or a part of it, synchronised or not."""
    kinds = nn.BatchNorm2d | nn.SyncBatchNorm
    return (module for module in part.modules() if isinstance(module, kinds))
