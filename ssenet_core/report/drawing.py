"""Panels of a figure: what is drawn, and how it is drawn, as SVG in a theme.

A panel is small enough to be read on a phone; the page lays several out side by side. What its
lines are called stands in the page, not in the picture.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from ssenet_core.report.theme import DASHES, Theme

SIZE = (3.8, 2.7)  # inches
HEADROOM = 1.08


@dataclass(frozen=True)
class Line:
    """A line through points; None is a gap. `series` chooses colour and dashes."""

    x: Sequence[float]
    y: Sequence[float | None]
    series: int
    marker: str | None = None
    width: float = 1.6

    @property
    def known(self) -> list[float]:
        """The values that are there."""
        return [value for value in self.y if value is not None]


@dataclass(frozen=True)
class Dot:
    """A single point that is marked."""

    x: float
    y: float
    series: int


@dataclass(frozen=True)
class Panel:
    """A pair of axes with lines, and the words that stand for it.

    Attributes:
        title, x_label, y_label: in the picture.
        alt: what a reader who cannot see it needs to know.
        top: upper end of the vertical axis, which starts at 0; None fits the lines.
        logarithmic: the vertical axis, where all values are above zero.
        ticks: places on the horizontal axis that are named; empty leaves it to the drawing.
    """

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    alt: str
    dots: Sequence[Dot] = ()
    top: float | None = None
    logarithmic: bool = False
    ticks: Sequence[float] = field(default=())


def draw(panel: Panel, theme: Theme) -> bytes:
    """The panel as SVG; the same panel gives the same bytes."""
    with matplotlib.rc_context(theme.settings()):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        for line in panel.lines:
            _draw_line(axes, line, theme)
        for dot in panel.dots:
            colour = theme.series[dot.series % len(theme.series)]
            axes.plot(dot.x, dot.y, "o", color=colour, markersize=7, clip_on=False, zorder=5)
        axes.set(title=panel.title, xlabel=panel.x_label, ylabel=panel.y_label)
        highest = max((value for line in panel.lines for value in line.known), default=0.0)
        if panel.logarithmic and all(value > 0 for line in panel.lines for value in line.known):
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_locator(NullLocator())
        elif highest > 0:
            axes.set_ylim(bottom=0, top=panel.top or HEADROOM * highest)
        if panel.ticks:
            axes.set_xticks(panel.ticks, [f"{tick:g}" for tick in panel.ticks])
        elif all(isinstance(x, int) for line in panel.lines for x in line.x):
            axes.xaxis.set_major_locator(
                MaxNLocator("auto", integer=True, steps=[1, 2, 2.5, 5, 10])
            )
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
        return buffer.getvalue()


def _draw_line(axes: Axes, line: Line, theme: Theme) -> None:
    values = np.array([np.nan if value is None else value for value in line.y], dtype=float)
    dashes = DASHES[line.series % len(DASHES)]
    axes.plot(
        line.x,
        values,
        color=theme.series[line.series % len(theme.series)],
        linestyle=(0, dashes) if dashes else "-",
        marker=line.marker,
        markersize=5,
        linewidth=line.width,
    )
