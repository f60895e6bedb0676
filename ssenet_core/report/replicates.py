"""Runs of one variant that differ in their seed only: one name, one mean, one spread."""

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Mean of a score over replicates; `std` is the sample standard deviation, None for one."""

    mean: float | None
    std: float | None
    n: int

    def text(self, digits: int) -> str:
        """As "61.2" or "61.2 ± 0.4"; "∞" where a ratio is not finite."""
        if self.mean is None:
            return "∞"
        spread = "" if self.std is None else f" ± {self.std:.{digits}f}"
        return f"{self.mean:.{digits}f}{spread}"


def base_variant(name: str) -> str:
    """A run's name without its seeds: "ssenet@1/default" is a replicate of "ssenet/default"."""
    return re.sub(r"@\d+(?=/|$)", "", name)


def spread(values: Sequence[float | None]) -> Spread:
    """Mean and sample standard deviation; None among the values (infinite) makes the mean None."""
    finite = [value for value in values if value is not None]
    if len(finite) < len(values):
        return Spread(mean=None, std=None, n=len(values))
    std = statistics.stdev(finite) if len(finite) > 1 else None
    return Spread(mean=statistics.fmean(finite), std=std, n=len(values))


def present_mean(values: Sequence[float | None]) -> float | None:
    """Mean of the values that are there; None where there are none."""
    present = [value for value in values if value is not None]
    return statistics.fmean(present) if present else None
