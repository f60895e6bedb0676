"""Tables 1 to 3 of the paper, from a run's evaluations.

In: evaluation files, and which variant stands for which row. Out: a table as Markdown and as JSON,
on VOC 2012 with the paper's own numbers beside. Replicates that differ in their seed only are one
row with mean and standard deviation.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ssenet_core.io.files import write_json, write_text
from ssenet_core.paper.published import BRANCH_RATES, METHODS, SCALE_RANGES, published_branch
from ssenet_core.report.markdown import markdown_table
from ssenet_core.report.results import Row, load_entries, make_rows

LOG = logging.getLogger("ssenet")
NONE = "–"
Cells = list[str]


def write_table(
    *,
    number: int,
    evaluations: Sequence[str | Path],
    models: Mapping[str, Mapping[str, Any]],
    published: bool,
    title: str,
    markdown: str | Path,
    json: str | Path,
) -> None:
    """Make one of the paper's tables.

    Args:
        number: 1, 2 or 3.
        evaluations: JSON of every stage that the table shows.
        models: settings of the CAM variants by name, in the order of the rows; `ser` and `resize`
            are read.
        published: stand the paper's numbers beside; they are about VOC 2012 alone.
        title: the table's heading.
        markdown, json: files to write.
    """
    rows = make_rows(load_entries(evaluations))
    makers = {1: branch_rates, 2: scale_ranges, 3: methods}
    header, body = makers[number](rows, models, published)
    write_text(markdown, "\n".join([f"# {title}", "", *markdown_table(header, body), ""]))
    write_json(json, {"title": title, "header": header, "rows": body})
    LOG.info("%s: %d rows, the last: %s", markdown, len(body), "; ".join(body[-1] if body else []))


def branch_rates(
    rows: Sequence[Row], models: Mapping[str, Mapping[str, Any]], published: bool
) -> tuple[Cells, list[Cells]]:
    """Table 1: CAM and CAM + random walk, by the rate of the small branch."""
    header = ["Model", "CAM (mIoU %)", "CAM + random walk (mIoU %)"]
    body = []
    for (name, settings), label in zip(models.items(), model_labels(models), strict=True):
        cells = [label, score(rows, "cam", name), score(rows, "random_walk", name)]
        if published:
            paper = BRANCH_RATES.get(published_branch(settings) or "", (None, None))
            cells += [number(value) for value in paper]
        body.append(cells)
    return [*header, *(["paper: CAM", "paper: CAM + random walk"] if published else [])], body


def scale_ranges(
    rows: Sequence[Row], models: Mapping[str, Mapping[str, Any]], published: bool
) -> tuple[Cells, list[Cells]]:
    """Table 2: CAM by the range of sizes that the large branch is trained on."""
    header = ["Model", "Longest edge in training", "CAM (mIoU %)"]
    body = []
    for (name, settings), label in zip(models.items(), model_labels(models, "resize"), strict=True):
        shortest, longest = settings["resize"]
        cells = [label, f"[{shortest}, {longest}]", score(rows, "cam", name)]
        if published:
            paper = SCALE_RANGES.get((published_branch(settings) or "", (shortest, longest)))
            cells.append(number(paper))
        body.append(cells)
    return [*header, *(["paper: CAM"] if published else [])], body


def methods(
    rows: Sequence[Row], models: Mapping[str, Mapping[str, Any]], published: bool
) -> tuple[Cells, list[Cells]]:
    """Table 3: the segmentation network, on VOC among the published methods' own scores.

    The test split has no masks here; its score comes from VOC's evaluation server.
    """
    header = ["Method", "Supervision", "Saliency", "val (mIoU %)", "test (mIoU %)"]
    shown = METHODS if published else ()
    body = [
        [m.name, m.supervision, "yes" if m.saliency else "", number(m.val), number(m.test)]
        for m in shown
    ]
    for row in rows:
        if row.stage == "deeplab":
            body.append([f"this run: {row.variant}", "Image-level", "", row.miou.text(1), NONE])
    return header, body


def model_labels(models: Mapping[str, Mapping[str, Any]], *shown: str) -> list[str]:
    """CAM variants as the paper calls them, Baseline or SSENet with its rate.

    A variant that the paper has no word for, or that looks like another one, has its name beside.

    Args:
        models: settings by name.
        shown: keys of settings that the table shows beside the labels.
    """
    labels = {name: _paper_label(settings) for name, settings in models.items()}
    rows = {
        name: (label, *(str(models[name][key]) for key in shown)) for name, label in labels.items()
    }
    alike = Counter(rows.values())
    return [
        label if label and alike[rows[name]] == 1 else f"{label or 'SSENet'}, {name}"
        for name, label in labels.items()
    ]


def _paper_label(settings: Mapping[str, Any]) -> str | None:
    branch = published_branch(settings)
    return branch and ("Baseline" if branch == "baseline" else f"SSENet ({branch})")


def score(rows: Sequence[Row], stage: str, cam: str) -> str:
    """mIoU of a stage that was made from a CAM variant, as text; a dash where there is none."""
    for row in rows:
        if row.stage == stage and row.variant.partition("/")[0] == cam:
            return row.miou.text(1)
    return NONE


def number(value: float | None) -> str:
    """A published score as text."""
    return NONE if value is None else f"{value:.1f}"
