"""The optimiser of the three trainings: four parameter groups under a poly schedule.

Source: the paper's implementation details (SGD); the groups are AffinityNet's: new layers learn
`head_lr` times faster, biases twice as fast as weights and without decay. AdamW is there for
networks that are trained from scratch on little.
"""

from collections.abc import Iterable

import torch
from torch import nn

from ssenet_core.settings import OptimizerSettings


def build_optimizer(
    network: nn.Module, head: Iterable[nn.Module], settings: OptimizerSettings
) -> torch.optim.Optimizer:
    """The optimiser over the trainable parameters of `network`.

    Args:
        head: modules of `network` that start from random weights.

    Returns:
        Groups old weights, old biases, new weights, new biases; each has a `factor` on the rate.
        Every one-dimensional parameter counts as a bias, batch normalisation's scale too.
    """
    new = {id(parameter) for module in head for parameter in module.parameters()}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {
        (is_new, is_bias): [] for is_new in (False, True) for is_bias in (False, True)
    }
    for parameter in network.parameters():
        if parameter.requires_grad:
            groups[id(parameter) in new, parameter.ndim == 1].append(parameter)
    lr, head_lr = settings.lr, settings.head_lr
    described = [
        {
            "params": parameters,
            "lr": lr,
            "factor": (head_lr if is_new else 1) * (2 if is_bias else 1),
            "weight_decay": 0.0 if is_bias else settings.weight_decay,
        }
        for (is_new, is_bias), parameters in groups.items()
        if parameters
    ]
    if settings.name == "adamw":
        return torch.optim.AdamW(described, lr=lr)
    return torch.optim.SGD(described, lr=lr, momentum=settings.momentum)


def poly_rate(step: int, steps: int, lr: float, power: float) -> float:
    """lr (1 - step / steps)^power: the poly schedule (paper, Implementation Details)."""
    return lr * (1 - step / steps) ** power


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group `rate` times its factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]
