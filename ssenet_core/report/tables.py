"""Read the small tables that a run leaves behind: training metrics and Snakemake's benchmarks.

In: metrics CSVs (step, epoch, lr, then loss parts) and benchmark TSVs. Out: plain data for figures
and tables. Fails with `SSENetError` that names a file which is missing or of another form.
"""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ssenet_core.errors import SSENetError

NOT_LOSSES = frozenset({"step", "epoch", "lr"})
# A job has more as soon as it computes: with less it had ended when Snakemake looked again.
LEAST_MIB = 50


@dataclass(frozen=True)
class Metrics:
    """One training: its steps, and a list of values a loss part, as long as the steps."""

    steps: list[int]
    parts: dict[str, list[float]]


@dataclass(frozen=True)
class StageCost:
    """What the jobs of one stage took; None where the benchmark could not measure memory."""

    stage: str
    jobs: int
    seconds: float
    longest: float
    peak_mib: float | None

    def cells(self) -> list[str]:
        """As text: stage, jobs, total, longest, memory."""
        memory = "–" if self.peak_mib is None else f"{self.peak_mib:,.0f}"
        return [
            self.stage,
            str(self.jobs),
            duration(self.seconds),
            duration(self.longest),
            memory,
        ]


def duration(seconds: float) -> str:
    """Seconds as "4.2 s", "3 min 05 s" or "2 h 10 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def read_metrics(path: str | Path) -> Metrics:
    """Read a training's metrics; cells left empty at a step are skipped as NaN."""
    rows = _rows(path, ",", "step")
    parts = [name for name in rows[0] if name not in NOT_LOSSES] if rows else []
    try:
        return Metrics(
            steps=[int(row["step"]) for row in rows],
            parts={part: [float(row[part] or math.nan) for row in rows] for part in parts},
        )
    except (TypeError, ValueError) as error:
        raise SSENetError(f"{path}: expected numbers under step and losses ({error})") from error


def stage_costs(benchmarks: Mapping[str, str | Path]) -> list[StageCost]:
    """Sum up benchmarks by stage, in order of first appearance.

    Args:
        benchmarks: "stage/anything" to a TSV with the columns `s` and `max_rss` (MiB).
    """
    jobs: dict[str, list[tuple[float, float | None]]] = {}
    for name, path in benchmarks.items():
        for row in _rows(path, "\t", "s"):
            seconds, peak = _number(row["s"]) or 0.0, _number(row.get("max_rss"))
            measured = peak if peak is not None and peak >= LEAST_MIB else None
            jobs.setdefault(name.split("/")[0], []).append((seconds, measured))
    return [
        StageCost(
            stage=stage,
            jobs=len(found),
            seconds=sum(seconds for seconds, _ in found),
            longest=max(seconds for seconds, _ in found),
            peak_mib=max((peak for _, peak in found if peak is not None), default=None),
        )
        for stage, found in jobs.items()
    ]


def _rows(path: str | Path, delimiter: str, required: str) -> list[dict[str, str]]:
    try:
        with Path(path).open(newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter)
            rows = list(reader)
            columns = list(reader.fieldnames or [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SSENetError(f"{path}: expected a table, cannot read it ({error})") from error
    if required not in columns:
        raise SSENetError(f"{path}: expected a column '{required}', found {columns}")
    return rows


def _number(text: str | None) -> float | None:
    """A number, or None for Snakemake's "NA" and "-"."""
    try:
        return float(text) if text else None
    except ValueError:
        return None
