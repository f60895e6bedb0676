"""Tables of the HTML report, with what only a page can show: groups, bars, shades.

In: rows of the results, costs of the stages. Out: plain data for the templates.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ssenet_core.report.paper_scores import paper_score
from ssenet_core.report.replicates import base_variant
from ssenet_core.report.results import STAGES, Row, variant_label
from ssenet_core.report.tables import StageCost

LEGENDS = {
    "cam": "class activation maps",
    "crf": "maps after the dense CRF",
    "random_walk": "pseudo labels",
    "deeplab": "segmentation network",
}
Cams = Mapping[str, Mapping[str, Any]]


class Tile(NamedTuple):
    """A number at the head of the page, and what it is of."""

    stage: str
    what: str
    score: str
    spread: str
    share: float | None
    beside: list[str]


class ResultRow(NamedTuple):
    """A row of the results table; `share` is the length of its bar, in percent."""

    stage: str
    variant: str
    share: float
    miou: str
    mfn: str
    mfp: str
    best: str
    seeds: int
    paper: str


class ClassColumn(NamedTuple):
    """A column of the table of classes: IoU as text and number, a class each."""

    stage: str
    variant: str
    cells: list[tuple[str, float | None]]


class CostRow(NamedTuple):
    """A stage's costs; shares are of the longest time and the highest memory, in percent."""

    stage: str
    jobs: str
    time: str
    longest: str
    memory: str
    time_share: float
    memory_share: float


def tiles(rows: Sequence[Row], cam: str | None, cams: Cams | None) -> list[Tile]:
    """One number a stage, of the chain whose images the page shows.

    Args:
        rows: of the results table.
        cam: the chain's CAM variant; None takes each stage's first row.
        cams: settings of the CAM variants where the paper's numbers stand beside; None: nowhere.
    """
    found = []
    for stage, what in LEGENDS.items():
        chosen = [row for row in rows if row.stage == stage]
        own = [row for row in chosen if cam and _cam_of(row) == base_variant(cam)]
        for row in (own or chosen)[:1]:
            beside = [f"{row.variant} on {row.split}"]
            trivial = [
                r.miou.mean or 0.0 for r in rows if (r.stage, r.split) == ("trivial", row.split)
            ]
            if trivial:
                beside.append(f"best trivial answer {max(trivial):.1f}")
            if cams is not None and (paper := paper_score(row, cams)) is not None:
                beside.append(f"paper {paper:.1f}")
            score, _, deviation = row.miou.text(1).partition(" ± ")
            spread = f"± {deviation} " if deviation else ""
            found.append(Tile(STAGES[stage], what, score, spread, row.miou.mean, beside))
    return found


def result_groups(rows: Sequence[Row], cams: Cams | None) -> list[tuple[str, int, list[ResultRow]]]:
    """Split, number of images, and rows, split by split.

    Args:
        rows: of the results table.
        cams: settings of the CAM variants where the paper's numbers stand beside; None: nowhere.
    """
    groups = []
    for split in dict.fromkeys(row.split for row in rows):
        chosen = [row for row in rows if row.split == split]
        groups.append((split, chosen[0].images, [_result_row(row, cams) for row in chosen]))
    return groups


def class_groups(
    rows: Sequence[Row], classes: Sequence[str]
) -> tuple[list[tuple[str, list[ClassColumn]]], Sequence[str]]:
    """Columns of IoU by split, and the names of the classes, background first."""
    groups = []
    for split in dict.fromkeys(row.split for row in rows):
        columns = [
            ClassColumn(
                STAGES.get(row.stage, row.stage),
                variant_label(row.stage, row.variant),
                [("–" if value is None else f"{value:.1f}", value) for value in row.iou],
            )
            for row in rows
            if row.split == split
        ]
        groups.append((split, columns))
    return groups, classes


def cost_rows(costs: Sequence[StageCost]) -> list[CostRow]:
    """Rows of the table of costs."""
    longest = max((cost.seconds for cost in costs), default=0.0) or 1.0
    highest = max((cost.peak_mib or 0.0 for cost in costs), default=0.0) or 1.0
    rows = []
    for cost in costs:
        stage, jobs, time, longest_job, memory = cost.cells()
        shares = (100 * cost.seconds / longest, 100 * (cost.peak_mib or 0.0) / highest)
        rows.append(CostRow(stage, jobs, time, longest_job, memory, *shares))
    return rows


def _result_row(row: Row, cams: Cams | None) -> ResultRow:
    paper = None if cams is None else paper_score(row, cams)
    return ResultRow(
        stage=STAGES.get(row.stage, row.stage),
        variant=variant_label(row.stage, row.variant),
        share=row.miou.mean or 0.0,
        miou=row.miou.text(1),
        mfn=row.mfn.text(2),
        mfp=row.mfp.text(2),
        best=row.best(),
        seeds=len(row.runs),
        paper="–" if paper is None else f"{paper:.1f}",
    )


def _cam_of(row: Row) -> str:
    return row.variant.partition("/")[0]
