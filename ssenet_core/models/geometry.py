"""Where the cells of a class map lie, and how a map is resampled to pixels or to another view.

A stride-8 network's cell i looks at pixel 8 i of its view, not at the middle of pixels 8 i to
8 i + 7 (its stride-2 convolutions keep their first centre). Plain bilinear resizing assumes the
latter and shifts a map by 3.5 pixels of the view, which is 7 pixels of the photograph at scale 0.5.
`alignment="cells"` uses the true positions; `"plain"` resizes as the published method does.
"""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

STRIDE = 8


def maps_to_pixels(
    maps: Tensor, view: tuple[int, int], size: tuple[int, int], alignment: str
) -> Tensor:
    """Bilinear class maps at an image's pixels.

    Args:
        maps: (batch, classes, h, w), made from a view of the whole image.
        view: height and width of that view, pixels.
        size: height and width of the result, pixels.
        alignment: "cells" or "plain".

    Returns:
        (batch, classes, *size).
    """
    if alignment == "plain":
        return functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)
    matrices = [
        _interpolation(tuple(_pixels(pixels, length)), cells)
        for pixels, length, cells in zip(size, view, maps.shape[2:], strict=True)
    ]
    return _apply(maps, *matrices)


def maps_to_view(
    maps: Tensor,
    view: tuple[int, int],
    cells: tuple[int, int],
    other: tuple[int, int],
    alignment: str,
) -> Tensor:
    """Class maps of one view at the cells of another view of the same image.

    Args:
        maps: (batch, classes, h, w), made from a view of `view` pixels.
        cells: height and width of the other view's class maps.
        other: height and width of the other view, pixels.
        alignment: "cells" or "plain".

    Returns:
        (batch, classes, *cells).
    """
    if alignment == "plain":
        return functional.interpolate(maps, size=cells, mode="bilinear", align_corners=False)
    matrices = []
    for axis in (0, 1):
        pixels = [STRIDE * cell for cell in range(cells[axis])]
        ratio = view[axis] / other[axis]
        positions = tuple(((pixel + 0.5) * ratio - 0.5) / STRIDE for pixel in pixels)
        matrices.append(_interpolation(positions, maps.shape[2 + axis]))
    return _apply(maps, *matrices)


def _pixels(pixels: int, view: int) -> list[float]:
    """The cell position of every pixel of an image whose view has `view` pixels on that axis."""
    ratio = view / pixels
    return [((pixel + 0.5) * ratio - 0.5) / STRIDE for pixel in range(pixels)]


@lru_cache(maxsize=64)
def _interpolation(positions: tuple[float, ...], cells: int) -> Tensor:
    """Linear interpolation as a matrix (positions, cells); positions outside take the last cell."""
    clamped = torch.tensor(positions, dtype=torch.float64).clamp(0, cells - 1)
    distance = (clamped[:, None] - torch.arange(cells, dtype=torch.float64)).abs()
    return (1 - distance).clamp(min=0).float()


def _apply(maps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    rows, columns = rows.to(maps), columns.to(maps)
    return rows @ maps @ columns.T
