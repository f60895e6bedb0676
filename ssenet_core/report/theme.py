"""Colours of the report, light and dark: one source for its style sheet and for its figures.

Series are told apart by colour-blind readers too, and stand out from the paper at 3 to 1 or more;
text does so at 4.5 to 1 or more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ssenet_core.report.replicates import base_variant


@dataclass(frozen=True)
class Theme:
    """One theme; colours as "#rrggbb".

    Attributes:
        paper: of the page.
        card: of what lies on the page: figures, pictures, tables.
        band: of every second row of a table.
        ink, faint: of text.
        line: of borders and grids.
        edge: of what can be pressed.
        link: of links, bars, and of the outline of what has the focus.
        series: of the lines of a figure.
    """

    paper: str
    card: str
    band: str
    ink: str
    faint: str
    line: str
    edge: str
    link: str
    series: tuple[str, ...]

    def variables(self) -> str:
        """The colours as CSS custom properties."""
        names = ("paper", "card", "band", "ink", "faint", "line", "edge", "link")
        single = [f"--{name}: {getattr(self, name)};" for name in names]
        return " ".join(single + [f"--series-{i}: {c};" for i, c in enumerate(self.series)])

    def settings(self) -> dict[Any, Any]:
        """Matplotlib settings; the fixed salt makes the same figure the same bytes."""
        return {
            "figure.facecolor": self.card,
            "axes.facecolor": self.card,
            "savefig.facecolor": self.card,
            "text.color": self.ink,
            "axes.labelcolor": self.ink,
            "axes.edgecolor": self.edge,
            "axes.titlecolor": self.ink,
            "xtick.color": self.faint,
            "ytick.color": self.faint,
            "grid.color": self.line,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "font.size": 10,
            "axes.titlesize": 10.5,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "svg.fonttype": "none",  # text, not outlines of letters: half the bytes
            "svg.hashsalt": "ssenet",
        }


LIGHT = Theme(
    paper="#f6f7f9",
    card="#ffffff",
    band="#f3f5f8",
    ink="#1b2027",
    faint="#56606b",
    line="#dfe3e8",
    edge="#7d8791",
    link="#0a5c9e",
    series=("#0072b2", "#c84e00", "#00855f", "#a8478a", "#8a6100", "#6450b0", "#5f6770"),
)
DARK = Theme(
    paper="#14171b",
    card="#1c2127",
    band="#232931",
    ink="#e7eaed",
    faint="#a9b2bc",
    line="#343b44",
    edge="#7c8794",
    link="#7cc0f5",
    series=("#58b4ec", "#f58f4a", "#2cc596", "#e391c6", "#e0b43c", "#b3a2f2", "#a9b1ba"),
)
SERIES = len(LIGHT.series)
DASHES = ((), (6, 2), (1.5, 2), (6, 2, 1.5, 2))  # lengths of line and gap, in the line's widths


def variant_series(names: Sequence[str]) -> dict[str, int]:
    """The number of each variant's series; replicates of one variant share theirs."""
    bases = list(dict.fromkeys(base_variant(name) for name in names))
    return {name: bases.index(base_variant(name)) for name in names}
