"""AffinityNet's loss: cross entropy of the affinities of pairs, balanced over three kinds."""

from torch import Tensor

from ssenet_core.affinity.labels import PairLabels
from ssenet_core.training.distributed import mean_over_processes

EPSILON = 1e-5  # keeps the logarithm of an affinity of 0 finite


def affinity_loss(affinities: Tensor, pairs: PairLabels) -> dict[str, Tensor]:
    """Mean cross entropy over background, same-class foreground and different pairs (AffinityNet).

    Args:
        affinities: (batch, pairs, h, w) in [0, 1].
        pairs: which of them are of which kind, same shape.

    Returns:
        `background`, `foreground` and `different`: the means, 0 for a kind without pairs; and
        `total`, a quarter of the first two each and half of the third.
    """
    alike = -(affinities + EPSILON).log()
    unlike = -(1 - affinities + EPSILON).log()
    parts = {
        "background": _mean(alike, pairs.background),
        "foreground": _mean(alike, pairs.foreground),
        "different": _mean(unlike, pairs.different),
    }
    total = (parts["background"] + parts["foreground"]) / 4 + parts["different"] / 2
    return {**parts, "total": total}


def _mean(values: Tensor, where: Tensor) -> Tensor:
    """Mean of the values where the mask is set; 0, with a gradient of 0, where it never is."""
    return mean_over_processes((values * where).sum(), where.sum())
