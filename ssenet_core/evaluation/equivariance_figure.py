"""Class maps of transformed images, transformed back (paper, Fig. 1-2): images down, maps across.

In: photographs and their heat maps. Out: a PNG. An equivariant network's rows are even.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from ssenet_core.storage import atomic_path

CELL = 1.3  # inches
DOTS = 100  # an inch
PHOTO_SHARE = 0.35  # of the photograph under a map


@dataclass(frozen=True)
class HeatRow:
    """One image: heat maps (H, W) in [0, 1] by name, NaN where they are not known."""

    image_id: str
    label: str
    photo: Image.Image
    heat: Mapping[str, NDArray[np.float32]]


def draw_rows(path: str | Path, rows: Sequence[HeatRow], title: str) -> None:
    """Write the picture, atomically; all rows have the same names."""
    names = list(rows[0].heat)
    size = (CELL * (len(names) + 1), (CELL + 0.2) * len(rows) + 0.5)
    figure = Figure(figsize=size, dpi=DOTS, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=10)
    grid = figure.subplots(len(rows), len(names) + 1, squeeze=False)
    for line, row in zip(grid, rows, strict=True):
        photo = np.asarray(row.photo)
        _draw(line[0], photo, f"{row.image_id}\n{row.label}")
        for axes, name in zip(line[1:], names, strict=True):
            _draw(axes, np.asarray(row.photo.convert("L")), name, cmap="gray", vmin=0, vmax=255)
            heat = np.ma.masked_invalid(row.heat[name])
            axes.imshow(heat, cmap="inferno", vmin=0, vmax=1, alpha=1 - PHOTO_SHARE)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def _draw(axes: Any, picture: NDArray[np.uint8], title: str, **how: Any) -> None:
    axes.imshow(picture, **how)
    axes.set_title(title, fontsize=7)
    axes.set_axis_off()
