"""Batch normalisation over the whole batch of a step, when several processes share it.

Torch's own synchronised layer runs on GPUs alone, and is no `BatchNorm2d`. This one runs wherever
its processes talk to each other, so that what is tested on CPUs is what GPUs run.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ssenet_core.training.processes import average, process_count

SPACE = (0, 2, 3)  # what a channel's statistics are taken over, of (batch, channels, h, w)


class SynchronisedBatchNorm(nn.BatchNorm2d):
    """`nn.BatchNorm2d` whose training statistics are those of all processes' images.

    Every process must have as many images as the others, of the same size. In evaluation mode, as
    when it is frozen, it is the plain layer.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        normalised, mean, variance = _Normalise.apply(x, self.weight, self.bias, self.eps)
        self._remember(mean, variance, process_count() * x.numel() // x.shape[1])
        return normalised

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, values: int) -> None:
        """Move the running statistics; the variance there is the unbiased one, as in torch."""
        unbiased = variance * values / max(1, values - 1)
        for running, new in ((self.running_mean, mean), (self.running_var, unbiased)):
            if running is not None and self.momentum is not None:
                running.lerp_(new.to(running), self.momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)


class _Normalise(torch.autograd.Function):
    """The layer's formula, with the statistics of all processes, forwards and backwards."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        wide = _wide(x)
        mean = average(wide.mean(SPACE))
        # About the mean of all: averaging each process's own variance would leave out what lies
        # between the processes, and the mean of squares less the mean's square cancels digits.
        variance = average((wide - _spread(mean)).square_().mean(SPACE))
        scale = torch.rsqrt(variance + eps)
        ctx.save_for_backward(x, weight, mean, scale)
        ctx.mark_non_differentiable(mean, variance)
        normalised = (wide - _spread(mean)).mul_(_spread(scale * weight)).add_(_spread(bias))
        return normalised.to(x.dtype), mean, variance

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, gradient: Tensor, *unused: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, scale = ctx.saved_tensors
        gradient = _wide(gradient)
        normalised = (_wide(x) - _spread(mean)).mul_(_spread(scale))
        of_bias, of_weight = gradient.sum(SPACE), (gradient * normalised).sum(SPACE)
        values = x.numel() // x.shape[1]
        mean_bias, mean_weight = average(torch.stack([of_bias, of_weight]) / values)
        slope = gradient - _spread(mean_bias) - normalised.mul_(_spread(mean_weight))
        of_x = slope.mul_(_spread(scale * weight)).to(x.dtype)
        return of_x, of_weight.to(weight.dtype), of_bias.to(weight.dtype), None


def synchronise_batch_norm(network: nn.Module) -> None:
    """Replace the batch normalisation inside `network`; parameters and their names stay."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.BatchNorm2d:
                setattr(parent, name, _synchronised(child))


def _synchronised(plain: nn.BatchNorm2d) -> SynchronisedBatchNorm:
    result = SynchronisedBatchNorm(plain.num_features, plain.eps, plain.momentum)
    result.weight, result.bias = plain.weight, plain.bias
    for name, buffer in plain.named_buffers():
        setattr(result, name, buffer)
    return result.train(plain.training)


def _wide(x: Tensor) -> Tensor:
    """Half precision as float32, anything else as it is."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _spread(channels: Tensor) -> Tensor:
    """(channels,) as (1, channels, 1, 1)."""
    return channels[None, :, None, None]
