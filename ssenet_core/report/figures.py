"""Figures of the report: threshold curves, training curves, IoU a class, time and memory.

In: evaluation entries, metrics tables, benchmark tables. Out: SVG bytes, in a light and a dark
theme. Colours are Okabe and Ito's, told apart by colour-blind readers; a variant keeps its colour
in every figure that names variants.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ssenet_core.report.results import Row, base_variant
from ssenet_core.report.tables import Metrics, StageCost

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#999999")
LINE_STYLES = ("-", "--", ":", "-.")
PANELS_A_ROW = 2
SMOOTHED_SHARE = 50  # a loss is shown as the mean over a fiftieth of the training


@dataclass(frozen=True)
class Theme:
    """Colours of paper, text and grid lines."""

    paper: str
    ink: str
    grid: str

    def settings(self) -> Any:
        """Matplotlib settings, by name; the fixed salt makes the same figure the same bytes."""
        return {
            "figure.facecolor": self.paper,
            "axes.facecolor": self.paper,
            "savefig.facecolor": self.paper,
            "text.color": self.ink,
            "axes.labelcolor": self.ink,
            "axes.edgecolor": self.grid,
            "axes.titlecolor": self.ink,
            "xtick.color": self.ink,
            "ytick.color": self.ink,
            "grid.color": self.grid,
            "legend.facecolor": self.paper,
            "legend.edgecolor": self.grid,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "font.size": 10,
            "svg.hashsalt": "ssenet",
        }


LIGHT = Theme(paper="#ffffff", ink="#1d2126", grid="#d5d9de")
DARK = Theme(paper="#1b1f24", ink="#e6e8ea", grid="#454b53")


def variant_colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each variant; replicates of one variant share theirs."""
    bases = list(dict.fromkeys(base_variant(name) for name in names))
    colours = dict(zip(bases, cycle(OKABE_ITO), strict=False))
    return {name: colours[base_variant(name)] for name in names}


def threshold_curves(entries: Sequence[Mapping[str, Any]], theme: Theme) -> bytes:
    """MIoU, mFN and mFP of each CAM over the background threshold; the configured one is marked."""
    cams = [entry for entry in entries if "curve" in entry]
    colours = variant_colours([entry["name"] for entry in cams])
    splits = list(dict.fromkeys(entry["split"] for entry in cams))
    panels = (("miou", "mIoU, %"), ("mfn", "mFN (FN / TP)"), ("mfp", "mFP (FP / TP)"))
    with matplotlib.rc_context(theme.settings()):
        figure = Figure(figsize=(9.5, 3.6), layout="constrained")
        for axes, (score, label) in zip(figure.subplots(1, 3), panels, strict=True):
            for entry in cams:
                _curve(axes, entry, score, colours[entry["name"]], splits.index(entry["split"]))
            axes.set(xlabel="background threshold alpha", ylabel=label)
            axes.set_ylim(bottom=0, top=_top(cams, score))
        _legend(figure, 4)
        return _svg(figure)


def training_curves(runs: Mapping[str, Metrics], theme: Theme) -> bytes:
    """Loss parts over the steps, smoothed, a panel a training; replicates share a panel."""
    panels: dict[str, list[Metrics]] = {}
    for name, run in runs.items():
        panels.setdefault(base_variant(name), []).append(run)
    parts = list(dict.fromkeys(part for run in runs.values() for part in run.parts))
    colours = dict(zip(parts, cycle(OKABE_ITO), strict=False))
    rows = -(-len(panels) // PANELS_A_ROW)
    with matplotlib.rc_context(theme.settings()):
        figure = Figure(figsize=(9.5, 2.7 * rows + 0.5), layout="constrained")
        grid = figure.subplots(rows, PANELS_A_ROW, squeeze=False).ravel()
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        for axes, (name, group) in zip(grid, panels.items(), strict=False):
            for run in group:
                _losses(axes, run, colours)
            axes.set(title=name, xlabel="step", ylabel="loss")
        _legend(figure, 6)
        return _svg(figure)


def class_iou(rows: Sequence[Row], classes: Sequence[str], theme: Theme) -> bytes:
    """IoU a class, a group of bars a class, a bar a row of the results table."""
    thickness = 0.8 / max(len(rows), 1)
    with matplotlib.rc_context(theme.settings()):
        height = max(2.5, 0.13 * len(rows) * len(classes) + 0.25 * len(classes) + 1)
        figure = Figure(figsize=(9.5, height), layout="constrained")
        axes = figure.subplots()
        for i, (row, colour) in enumerate(zip(rows, cycle(OKABE_ITO), strict=False)):
            centres = np.arange(len(classes)) + (i + 0.5) * thickness - 0.4
            values = [value or 0.0 for value in row.iou]
            hatch = "//" if i >= len(OKABE_ITO) else None
            axes.barh(
                centres,
                values,
                thickness * 0.9,
                color=colour,
                hatch=hatch,
                label=f"{row.label} ({row.split})",
            )
        axes.set_yticks(np.arange(len(classes)), classes)
        axes.invert_yaxis()
        axes.set(xlabel="IoU, %", xlim=(0, 100))
        axes.grid(visible=False, axis="y")
        _legend(figure, 2)
        return _svg(figure)


def stage_costs(costs: Sequence[StageCost], theme: Theme) -> bytes:
    """Time and peak memory of each stage as bars."""
    names = [cost.stage for cost in costs]
    with matplotlib.rc_context(theme.settings()):
        figure = Figure(figsize=(9.5, 0.34 * len(costs) + 1.2), layout="constrained")
        time, memory = figure.subplots(1, 2, sharey=True)
        time.barh(names, [cost.seconds for cost in costs], color=OKABE_ITO[0])
        time.set_xlabel("seconds, all jobs of the stage")
        memory.barh(names, [cost.peak_mib or 0.0 for cost in costs], color=OKABE_ITO[1])
        memory.set_xlabel("peak memory of a job, MiB")
        time.invert_yaxis()
        for axes in (time, memory):
            axes.grid(visible=False, axis="y")
        return _svg(figure)


def _curve(axes: Axes, entry: Mapping[str, Any], score: str, colour: str, style: int) -> None:
    curve = entry["curve"]
    values = np.array([np.nan if value is None else value for value in curve[score]], dtype=float)
    label = f"{base_variant(entry['name'])} ({entry['split']})"
    axes.plot(
        curve["alpha"],
        values,
        color=colour,
        linestyle=LINE_STYLES[style % len(LINE_STYLES)],
        linewidth=1.6,
        label=label,
    )
    if entry[score] is not None:
        axes.plot(
            entry["alpha"],
            entry[score],
            "o",
            color=colour,
            markersize=7,
            label="at the configured alpha",
            clip_on=False,
        )


def _top(cams: Sequence[Mapping[str, Any]], score: str) -> float | None:
    """Upper end of an axis: ratios run away where almost nothing is foreground, and are cut off."""
    shown = [entry[score] for entry in cams if entry[score] is not None]
    return None if score == "miou" else max([1.0, *(2 * value for value in shown)])


def _losses(axes: Axes, run: Metrics, colours: Mapping[str, str]) -> None:
    for part, values in run.parts.items():
        series = np.asarray(values)
        known = np.isfinite(series)
        if not known.any():
            continue
        # Whole windows only: a padded end would bend the curve where people look.
        window = max(1, int(known.sum()) // SMOOTHED_SHARE)
        smooth = np.convolve(series[known], np.ones(window) / window, mode="valid")
        steps = np.asarray(run.steps)[known][window - 1 :]
        axes.plot(steps, smooth, color=colours[part], linewidth=1.3, alpha=0.85, label=part)
    if axes.lines and all(np.min(line.get_ydata()) > 0 for line in axes.lines):
        axes.set_yscale("log")


def _legend(figure: Figure, columns: int) -> None:
    """One legend below the panels, each label once."""
    found: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if found:
        figure.legend(
            found.values(), found.keys(), loc="outside lower center", ncols=columns, frameon=False
        )


def _svg(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
