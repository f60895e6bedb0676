"""Many pictures on one sheet: headings above the columns, names beside the rows.

In: pictures. Out: a PNG file. Fails with `ValueError` where a column has not one picture a row.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from ssenet_core.io.files import atomic_path

CELL = 1.5  # inches a picture
DOTS_AN_INCH = 150


def write_grid(
    path: str | Path,
    columns: Mapping[str, Sequence[Image.Image]],
    rows: Sequence[str],
    title: str | None = None,
) -> None:
    """Write pictures in rows and columns as a PNG, atomically.

    Args:
        path: PNG to write.
        columns: pictures by their column's heading, from the top down.
        rows: the rows' names; a line break in one is kept.
        title: above all.
    """
    size = (CELL * len(columns) + 0.3, CELL * len(rows) + 0.5)
    figure = Figure(figsize=size, dpi=DOTS_AN_INCH, layout="constrained")
    bare = {"xticks": [], "yticks": [], "frame_on": False}
    grid = figure.subplots(len(rows), len(columns), squeeze=False, subplot_kw=bare)
    # Names may hold dollar signs: no formulas are meant (`parse_math`).
    for place, (heading, pictures) in enumerate(columns.items()):
        grid[0, place].set_title(heading, fontsize=8, parse_math=False)
        for axes, picture in zip(grid[:, place], pictures, strict=True):
            axes.imshow(picture.convert("RGB"))
    for axes, name in zip(grid[:, 0], rows, strict=True):
        axes.set_ylabel(name, fontsize=7, parse_math=False)
    if title:
        figure.suptitle(title, fontsize=10, parse_math=False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
