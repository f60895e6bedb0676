"""Base class of the backbones: features at three depths, and freezing of stages.

A backbone maps normalised images (batch, 3, H, W) to features (batch, channels, ceil(H / stride),
ceil(W / stride)). Cell i of an output row is centred on pixel stride * i; the resampling of class
maps relies on it.
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
        freeze_batch_norm: keep batch normalisation in evaluation mode and its affine part fixed.
        frozen_stages: names of stages whose weights and statistics are not trained.

    Attributes:
        stride: pixels between neighbouring cells.
        channels: number of channels of the features.
        tap_channels: numbers of channels of the three taps.
        embedding_channels: numbers of channels of AffinityNet's embeddings of the three taps.
        normalisation: of the images, as the weights expect them.
        head_prefixes: prefixes of a classifier's tensors in a file of weights.
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
        self._is_trained = True

    @abstractmethod
    def compute_taps(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The taps, see `taps`; with gradients if parameters are trained."""

    def taps(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features at three depths, for AffinityNet.

        Args:
            x: normalised images, (batch, 3, H, W).

        Returns:
            Three tensors (batch, tap_channels[i], h, w), all on the output's grid; the last one is
            the output.
        """
        if self._is_trained or x.device.type != "cpu":
            return self.compute_taps(x)
        # On a CPU the forward pass is faster with channels last. The head gets contiguous features:
        # PyTorch 2.11 corrupts memory in the backward pass of channels-last convolutions.
        with torch.no_grad():
            found = self.compute_taps(x.contiguous(memory_format=torch.channels_last))
        first, second, last = (tap.contiguous() for tap in found)
        return first, second, last

    def forward(self, x: Tensor) -> Tensor:
        """The features, (batch, channels, h, w)."""
        return self.taps(x)[-1]

    def convert_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of a file of weights, without its head, by this backbone's names."""
        return state

    def stage(self, name: str) -> list[nn.Module]:
        """The modules of a stage."""
        return [getattr(self, name)]

    def freeze(self) -> None:
        """Disable gradients of frozen stages and of frozen batch normalisation."""
        for part in self._frozen():
            part.requires_grad_(False)
        if self.freeze_batch_norm:
            for norm in batch_norms(self):
                norm.requires_grad_(False)
        self._is_trained = any(parameter.requires_grad for parameter in self.parameters())

    def train(self, mode: bool = True) -> Self:
        """Set training mode; frozen batch normalisation stays in evaluation mode."""
        super().train(mode)
        for part in [self] if self.freeze_batch_norm else self._frozen():
            for norm in batch_norms(part):
                norm.eval()
        return self

    def _frozen(self) -> list[nn.Module]:
        return [module for name in self.frozen_stages for module in self.stage(name)]


def batch_norms(part: nn.Module) -> Iterator[nn.BatchNorm2d | nn.SyncBatchNorm]:
    """The batch normalisation layers of a network or a part of it, synchronised or not."""
    kinds = nn.BatchNorm2d | nn.SyncBatchNorm
    return (module for module in part.modules() if isinstance(module, kinds))
