"""Figures of the report: threshold curves, scores by test scale, equivariance, training curves.

In: evaluation entries, scale evaluations, measurements of equivariance, metrics tables. Out: panels
to draw, and the key to their lines; a variant keeps its colour in every figure that names variants.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssenet_core.report.drawing import Dot, Line, Panel
from ssenet_core.report.replicates import base_variant
from ssenet_core.report.scales import MULTI_SCALE
from ssenet_core.report.tables import Metrics

SMOOTHED_SHARE = 40  # a loss is shown as the mean over a fortieth of the training
NAMES = {"miou": "mIoU", "mfn": "mFN", "mfp": "mFP"}
SCORES = {"miou": "mIoU, %", "mfn": "mFN (FN / TP)", "mfp": "mFP (FP / TP)"}
ALPHA = "background threshold alpha"
Series = Mapping[str, int]


@dataclass(frozen=True)
class Chart:
    """Panels side by side, and the names of their series."""

    panels: list[Panel]
    key: list[tuple[int, str]]


def threshold_chart(entries: Sequence[Mapping[str, Any]], series: Series) -> Chart | None:
    """Scores of each CAM over the background threshold, the configured one marked; None if none."""
    cams = [entry for entry in entries if "curve" in entry]
    if not cams:
        return None
    panels = [_curve_panel(cams, score, name, series) for score, name in NAMES.items()]
    return Chart(panels, _key([entry["name"] for entry in cams], series))


def scale_chart(found: Sequence[Mapping[str, Any]], series: Series) -> Chart | None:
    """Scores by the scale of the test image, then a threshold curve a scale; None if none."""
    if not found:
        return None
    panels = [_scale_panel(found, score, series) for score in SCORES]
    panels = [panel for panel in panels if any(line.known for line in panel.lines)]
    for key in dict.fromkeys(key for content in found for key in content["scales"]):
        title = "All scales together" if key == MULTI_SCALE else f"Scale {key}"
        curves = [content["scales"][key] for content in found if key in content["scales"]]
        panels.append(_curve_panel(curves, "miou", title, series))
    return Chart(panels, _key([content["name"] for content in found], series))


def equivariance_chart(measured: Sequence[Mapping[str, Any]], series: Series) -> Chart | None:
    """Differences over the scale and over the angle of the transform; None if there are none."""
    panels = []
    for kind, label in (("scale", "scale of the image"), ("rotate", "rotation, degrees")):
        lines = []
        for entry in measured:
            points = _numbered(entry["differences"], kind)
            if len(points) > 1:
                x, y = [x for x, _ in points], [y for _, y in points]
                lines.append(Line(x, y, series[entry["name"]], marker="o"))
        if lines:
            alt = f"Difference of class maps over the {label}: {_ends(measured, lines)}."
            title = {"scale": "Rescaled", "rotate": "Rotated"}[kind]
            panels.append(Panel(title, label, "difference of maps", lines, alt, ticks=lines[0].x))
    return Chart(panels, _key([entry["name"] for entry in measured], series)) if panels else None


def training_chart(runs: Mapping[str, Metrics]) -> Chart | None:
    """Loss parts over the steps, smoothed, a panel a training; replicates are averaged."""
    groups: dict[str, list[Metrics]] = {}
    for name, run in runs.items():
        if run.steps:
            groups.setdefault(base_variant(name), []).append(run)
    parts = list(dict.fromkeys(part for g in groups.values() for run in g for part in run.parts))
    panels = []
    for name, group in groups.items():
        lines = _losses(group, parts)
        words = [
            f"{parts[line.series]} from {line.y[0]:.3g} to {line.y[-1]:.3g}"
            for line in lines
            if line.y[0] is not None and line.y[-1] is not None
        ]
        alt = f"Losses of {name} over {group[0].steps[-1]} steps: {'; '.join(words)}."
        panels.append(Panel(name, "step", "loss", lines, alt, logarithmic=True))
    return Chart(panels, list(enumerate(parts))) if panels else None


def _curve_panel(
    entries: Sequence[Mapping[str, Any]], score: str, title: str, series: Series
) -> Panel:
    """One score over alpha, a line an entry, a dot where the entry is judged."""
    lines, dots, words = [], [], []
    for entry in entries:
        curve, number = entry["curve"], series[entry["name"]]
        lines.append(Line(curve["alpha"], curve[score], number))
        judged = f"{entry['name']} is judged at alpha {entry['alpha']:g}"
        if entry[score] is not None:
            dots.append(Dot(entry["alpha"], entry[score], number))
            judged += f" with {entry[score]:.3g}"
        if score == "miou" and curve["best_miou"] is not None:
            judged += f", and is best at {curve['best_alpha']:g} with {curve['best_miou']:.3g}"
        words.append(judged)
    # Ratios run away where almost nothing is foreground, and are cut off.
    top = None if score == "miou" else max([1.0, *(2 * dot.y for dot in dots)])
    alt = f"{title}, {SCORES[score]} over the {ALPHA}: {'; '.join(words)}."
    return Panel(title, ALPHA, SCORES[score], lines, alt, dots, top)


def _scale_panel(found: Sequence[Mapping[str, Any]], score: str, series: Series) -> Panel:
    """One score over the single test scales, a line a network."""
    lines, words = [], []
    for content in found:
        single = {float(k): e[score] for k, e in content["scales"].items() if k != MULTI_SCALE}
        scales = sorted(single)
        values = [single[scale] for scale in scales]
        lines.append(Line(scales, values, series[content["name"]], marker="o"))
        said = ("infinite" if v is None else f"{v:.3g} at {s:g}" for s, v in single.items())
        words.append(f"{content['name']}: {', '.join(said)}")
    title = f"{NAMES[score]} by scale"
    alt = f"{title} of the test image: {'; '.join(words)}."
    return Panel(title, "scale of the test image", SCORES[score], lines, alt, ticks=lines[0].x)


def _losses(group: Sequence[Metrics], parts: Sequence[str]) -> list[Line]:
    """A line a part of the loss: the mean of runs that have the same steps, else of the first."""
    same = [run for run in group if run.steps == group[0].steps]
    lines = []
    for part in group[0].parts:
        values = np.array([run.parts[part] for run in same if part in run.parts])
        series = values.mean(axis=0)
        known = np.isfinite(series)
        if not known.any():
            continue
        # Whole windows only: a padded end would bend the curve where people look.
        window = max(1, int(known.sum()) // SMOOTHED_SHARE)
        smooth = np.convolve(series[known], np.ones(window) / window, mode="valid")
        steps = np.asarray(group[0].steps)[known][window - 1 :]
        # The sum lies under its parts: where there is one alone, both are seen.
        width = 2.6 if part == "loss" else 1.3
        lines.append(Line(steps.tolist(), smooth.tolist(), parts.index(part), width=width))
    return lines


def _numbered(differences: Mapping[str, float | None], kind: str) -> list[tuple[float, float]]:
    """Differences of one kind of transform, by its number: "rotate -10°" at -10."""
    points = []
    for name, value in differences.items():
        match = re.fullmatch(rf"{kind} (-?[\d.]+)°?", name)
        if match and value is not None:
            points.append((float(match.group(1)), value))
    return sorted(points)


def _ends(measured: Sequence[Mapping[str, Any]], lines: Sequence[Line]) -> str:
    highest = max(value for line in lines for value in line.known)
    return f"{len(lines)} of {len(measured)} networks, the highest difference {highest:.3f}"


def _key(names: Sequence[str], series: Series) -> list[tuple[int, str]]:
    return list(dict.fromkeys((series[name], base_variant(name)) for name in names))
