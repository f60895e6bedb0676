"""Figures of a training run: a CSV table when it is done, TensorBoard events while it runs."""

import csv
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from torch import Tensor

from ssenet_core.io.files import atomic_path

LINES = 200  # rows that a run's table has at the most, about


class Metrics:
    """Collects the loss parts of each step, averages them over intervals, keeps them as rows.

    Args:
        folder: where TensorBoard's event files go; None for none.
        steps: steps of the whole run.
        first: steps that an interrupted run has done, which this one continues.
        state: from the interrupted run's `state`.
    """

    def __init__(
        self,
        folder: Path | None,
        steps: int,
        first: int = 0,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.interval = max(1, steps // LINES)
        found = state or {"rows": [], "sums": {}, "count": 0}
        self.rows: list[dict[str, float]] = list(found["rows"])
        self._sums: dict[str, float] = dict(found["sums"])
        self._count: int = found["count"]
        # What the interrupted run showed of later steps is dropped.
        self._writer = SummaryWriter(str(folder), purge_step=first + 1) if folder else None

    def __enter__(self) -> "Metrics":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer:
            self._writer.close()

    def add(self, step: int, values: dict[str, float], **facts: float) -> None:
        """Take the loss parts of `step` (from 1); `facts` (epoch, lr) are kept as they are."""
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1
        if step % self.interval:
            return
        means = {name: value / self._count for name, value in self._sums.items()}
        self.rows.append({"step": step, **facts, **means})
        if self._writer:
            for name, value in ({f"loss/{name}": means[name] for name in means} | facts).items():
                self._writer.add_scalar(name, value, step)
        self._sums, self._count = {}, 0

    def show(self, step: int, pictures: Mapping[str, Tensor]) -> None:
        """Show pictures, (3, H, W) in [0, 1] by name, at `step` in TensorBoard."""
        for name, picture in pictures.items():
            if self._writer:
                self._writer.add_image(name, picture, step)

    def state(self) -> dict[str, Any]:
        """What a later run needs to continue in the middle of an interval."""
        return {"rows": self.rows, "sums": self._sums, "count": self._count}

    def write(self, path: str | Path) -> None:
        """Write all rows as CSV, atomically."""
        with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
            table = csv.DictWriter(file, fieldnames=list(self.rows[0]))
            table.writeheader()
            table.writerows(
                {name: f"{value:.6g}" for name, value in row.items()} for row in self.rows
            )
