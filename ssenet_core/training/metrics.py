"""Figures of a training run: a CSV table when it is done, TensorBoard events while it runs."""

import csv
from pathlib import Path
from types import TracebackType
from typing import Any

from ssenet_core.storage import atomic_path

LINES = 200  # rows that a run's table has at the most, about


class Metrics:
    """Collects the loss parts of each step, averages them over intervals, keeps them as rows.

    Args:
        folder: where TensorBoard's event files go.
        steps: steps of the whole run.
        rows: rows of an interrupted run's earlier part.
    """

    def __init__(self, folder: Path, steps: int, rows: list[dict[str, float]]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.rows = list(rows)
        self.interval = max(1, steps // LINES)
        self._sums: dict[str, float] = {}
        self._count = 0
        first = int(self.rows[-1]["step"]) if self.rows else 0
        self._writer = SummaryWriter(str(folder), purge_step=first + 1)

    def __enter__(self) -> "Metrics":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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
        for name, value in means.items():
            self._writer.add_scalar(f"loss/{name}", value, step)
        for name, value in facts.items():
            self._writer.add_scalar(name, value, step)
        self._sums, self._count = {}, 0

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on in the middle of an interval."""
        return {"rows": self.rows, "sums": self._sums, "count": self._count}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the state of an interrupted run."""
        self.rows = list(state["rows"])
        self._sums, self._count = dict(state["sums"]), state["count"]

    def write(self, path: str | Path) -> None:
        """Write all rows as CSV, atomically."""
        with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
            table = csv.DictWriter(file, fieldnames=list(self.rows[0]) if self.rows else ["step"])
            table.writeheader()
            table.writerows(
                {name: f"{value:.6g}" for name, value in row.items()} for row in self.rows
            )
