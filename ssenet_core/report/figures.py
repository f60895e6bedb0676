"""Line charts: threshold curves, scores by test scale, equivariance, and training losses.

A chart has panels side by side, each small enough to be read on a phone, and the names of their
lines. `read_table` and `read_metrics` raise `SSENetError` that names the file.
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.style
import numpy as np
import pandas as pd
import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from ssenet_core.errors import SSENetError
from ssenet_core.evaluation.stages import MULTI_SCALE
from ssenet_core.report.results import Entry, base_variant

SIZE = (3.8, 2.7)  # inches
HEADROOM = 1.08
SMOOTHED_SHARE = 40  # a loss is shown as the mean over a fortieth of the training
NAMES = {"miou": "mIoU", "mfn": "mFN", "mfp": "mFP"}
SCORES = {"miou": "mIoU, %", "mfn": "mFN (FN / TP)", "mfp": "mFP (FP / TP)"}
ALPHA = "background threshold alpha"
Series = Mapping[str, int]

TEMPLATES = Path(__file__).parent / "templates"
STYLE = TEMPLATES / "charts.mplstyle"
Theme = dict[str, str]  # colours by their use, of the page and of its charts
LIGHT, DARK = yaml.safe_load_all((TEMPLATES / "themes.yaml").read_text())
SERIES = sum(name.startswith("series-") for name in LIGHT)
DASHES = ((), (6, 2), (1.5, 2), (6, 2, 1.5, 2))  # lengths of line and gap, in the line's widths


@dataclass(frozen=True)
class Line:
    """A line through points; None is a gap."""

    x: Sequence[float]
    y: Sequence[float | None]
    series: int  # chooses colour and dashes
    dot: tuple[float, float] | None = None  # a point that is marked
    marker: str | None = None  # of every point, as matplotlib calls it
    width: float = 1.6

    @property
    def known(self) -> list[float]:
        """The values that are there."""
        return [value for value in self.y if value is not None]


@dataclass(frozen=True)
class Panel:
    """A pair of axes with lines."""

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    alt: str  # alternative text
    top: float | None = None  # of the vertical axis, which starts at 0; None fits the lines
    logarithmic: bool = False  # the vertical axis, where all values are above zero
    ticks: Sequence[float] = ()  # named places on the horizontal axis; empty: as matplotlib does


class Chart(NamedTuple):
    """Panels side by side, and their series: number and name."""

    panels: list[Panel]
    key: list[tuple[int, str]]


def variant_series(names: Sequence[str]) -> dict[str, int]:
    """The number of each variant's series; replicates of one variant share theirs."""
    bases = list(dict.fromkeys(base_variant(name) for name in names))
    return {name: bases.index(base_variant(name)) for name in names}


def read_table(path: str | Path, required: str, sep: str = ",") -> pd.DataFrame:
    """A table that has a certain column.

    Raises:
        SSENetError: the file is missing, or of another form.
    """
    try:
        table = pd.read_csv(path, sep=sep, index_col=False)
    except (OSError, ValueError) as error:
        raise SSENetError(f"{path}: expected a table, cannot read it ({error})") from error
    if required not in table.columns:
        raise SSENetError(f"{path}: expected a column '{required}', found {list(table.columns)}")
    return table


def read_metrics(path: str | Path) -> pd.DataFrame:
    """A training's loss parts by its steps; a cell that was left empty is NaN."""
    table = read_table(path, "step")
    try:
        numbers = table.astype(float).astype({"step": int}).set_index("step")
        return numbers.drop(columns=["epoch", "lr"], errors="ignore")
    except ValueError as error:
        raise SSENetError(f"{path}: expected numbers under step and losses ({error})") from error


def threshold_chart(entries: Sequence[Entry], series: Series) -> Chart | None:
    """Scores of each CAM over the background threshold; None without curves."""
    cams = [entry for entry in entries if "curve" in entry]
    if not cams:
        return None
    panels = [curve_panel(cams, score, name, series) for score, name in NAMES.items()]
    return Chart(panels, _key([entry["name"] for entry in cams], series))


def scale_chart(found: Sequence[Entry], series: Series) -> Chart | None:
    """Scores by the scale of the test image, then a threshold curve per scale; None without any."""
    if not found:
        return None
    panels = [scale_panel(found, score, series) for score in SCORES]
    panels = [panel for panel in panels if any(line.known for line in panel.lines)]
    panels += scale_curves(found, series)
    return Chart(panels, _key([content["name"] for content in found], series))


def equivariance_chart(measured: Sequence[Entry], series: Series) -> Chart | None:
    """Differences over the scale and over the angle of the transform; None without any."""
    panels = []
    for kind, title, label in (
        ("scale", "Rescaled", "scale of the image"),
        ("rotate", "Rotated", "rotation, degrees"),
    ):
        lines = []
        for entry in measured:
            points = _numbered(entry["differences"], kind)
            if len(points) > 1:
                x, y = [x for x, _ in points], [y for _, y in points]
                lines.append(Line(x, y, series[entry["name"]], marker="o"))
        if lines:
            highest = max(value for line in lines for value in line.known)
            alt = (
                f"Difference of class maps over the {label}: {len(lines)} of {len(measured)} "
                f"networks, the highest difference {highest:.3f}."
            )
            panels.append(Panel(title, label, "difference of maps", lines, alt, ticks=lines[0].x))
    return Chart(panels, _key([entry["name"] for entry in measured], series)) if panels else None


def training_chart(runs: Mapping[str, pd.DataFrame]) -> Chart | None:
    """Loss parts over the steps, smoothed, a panel per training; replicates are averaged."""
    groups: dict[str, list[pd.DataFrame]] = {}
    for name, run in runs.items():
        if len(run):
            groups.setdefault(base_variant(name), []).append(run)
    parts = list(dict.fromkeys(part for group in groups.values() for run in group for part in run))
    panels = []
    for name, group in groups.items():
        same = [run for run in group if run.index.equals(group[0].index)]
        mean = pd.concat(same).groupby(level="step", sort=False).mean()
        lines = [_loss(mean[part].dropna(), parts.index(part)) for part in group[0]]
        lines = [line for line in lines if line.y]
        ends = [f"{parts[line.series]} from {line.y[0]:.3g} to {line.y[-1]:.3g}" for line in lines]
        alt = f"Losses of {name} over {group[0].index[-1]} steps: {'; '.join(ends)}."
        panels.append(Panel(name, "step", "loss", lines, alt, logarithmic=True))
    return Chart(panels, list(enumerate(parts))) if panels else None


def curve_panel(entries: Sequence[Entry], score: str, title: str, series: Series) -> Panel:
    """One score over alpha, a line per entry, a dot at the configured alpha."""
    lines, words = [], []
    for entry in entries:
        curve, dot = entry["curve"], None
        phrase = f"{entry['name']} is judged at alpha {entry['alpha']:g}"
        if entry[score] is not None:
            dot = (entry["alpha"], entry[score])
            phrase += f" with {entry[score]:.3g}"
        if score == "miou" and curve["best_miou"] is not None:
            phrase += f", and is best at {curve['best_alpha']:g} with {curve['best_miou']:.3g}"
        lines.append(Line(curve["alpha"], curve[score], series[entry["name"]], dot))
        words.append(phrase)
    # Ratios grow without bound where almost nothing is foreground.
    top = None if score == "miou" else max([1.0, *(2 * line.dot[1] for line in lines if line.dot)])
    alt = f"{title}, {SCORES[score]} over the {ALPHA}: {'; '.join(words)}."
    return Panel(title, ALPHA, SCORES[score], lines, alt, top)


def scale_curves(found: Sequence[Entry], series: Series) -> list[Panel]:
    """mIoU over alpha, a panel per test scale, a line per network."""
    panels = []
    for key in dict.fromkeys(key for content in found for key in content["scales"]):
        title = "All scales together" if key == MULTI_SCALE else f"Scale {key}"
        curves = [content["scales"][key] for content in found if key in content["scales"]]
        panels.append(curve_panel(curves, "miou", title, series))
    return panels


def scale_panel(found: Sequence[Entry], score: str, series: Series) -> Panel:
    """One score over the single test scales, a line per network."""
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


def _loss(values: pd.Series, series: int) -> Line:
    """The line of a part of the loss, smoothed over whole windows, as padding would bend its ends.

    The sum is wider than its parts, so that both are seen where they are equal.
    """
    smooth = values.rolling(max(1, len(values) // SMOOTHED_SHARE)).mean().dropna()
    width = 2.6 if values.name == "loss" else 1.3
    return Line(smooth.index.tolist(), smooth.tolist(), series, width=width)


def _numbered(differences: Mapping[str, float | None], kind: str) -> list[tuple[float, float]]:
    """Differences of one kind of transform, by its number: "rotate -10°" at -10."""
    points = []
    for name, value in differences.items():
        match = re.fullmatch(rf"{kind} (-?[\d.]+)°?", name)
        if match and value is not None:
            points.append((float(match.group(1)), value))
    return sorted(points)


def _key(names: Sequence[str], series: Series) -> list[tuple[int, str]]:
    return list(dict.fromkeys((series[name], base_variant(name)) for name in names))


def svg(panel: Panel, theme: Theme) -> bytes:
    """A panel as SVG; the same panel gives the same bytes."""
    with matplotlib.style.context(style(theme)):
        figure = Figure(figsize=SIZE, layout="constrained")
        draw(figure.subplots(), panel, theme)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
        return buffer.getvalue()


def style(theme: Theme) -> list[Any]:
    """Matplotlib's style for a theme."""
    uses = {
        "card": ("figure.facecolor", "axes.facecolor", "savefig.facecolor"),
        "ink": ("text.color", "axes.labelcolor", "axes.titlecolor"),
        "faint": ("xtick.color", "ytick.color"),
        "edge": ("axes.edgecolor",),
        "line": ("grid.color",),
    }
    return [STYLE, {key: theme[name] for name, keys in uses.items() for key in keys}]


def draw(axes: Axes, panel: Panel, theme: Theme, names: Sequence[str] = ()) -> None:
    """Draw a panel within `style`; with the names of the series, a legend too."""
    for line in panel.lines:
        colour = theme[f"series-{line.series % SERIES}"]
        dashes = DASHES[line.series % len(DASHES)]
        axes.plot(
            line.x,
            [np.nan if value is None else value for value in line.y],
            color=colour,
            linestyle=(0, dashes) if dashes else "-",
            marker=line.marker,
            markersize=5,
            linewidth=line.width,
            label=names[line.series] if names else None,
        )
        if line.dot:
            axes.plot(*line.dot, "o", color=colour, markersize=7, clip_on=False, zorder=5)
    axes.set(title=panel.title, xlabel=panel.x_label, ylabel=panel.y_label)
    values = [value for line in panel.lines for value in line.known]
    if panel.logarithmic and all(value > 0 for value in values):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())
    elif max(values, default=0.0) > 0:
        axes.set_ylim(bottom=0, top=panel.top or HEADROOM * max(values))
    if panel.ticks:
        axes.set_xticks(panel.ticks, [f"{tick:g}" for tick in panel.ticks])
    elif all(isinstance(x, int) for line in panel.lines for x in line.x):
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 2.5, 5, 10]))
    if names:
        axes.legend()
