"""The spatial linear maps A of the regularisation: scaling, flipping, rotating (paper, Eq. 2).

In: a view x, and its class maps M(x). Out: the view Ax; A M(x) at the cells of M(Ax), or at the
pixels of Ax; and about which of those M(x) tells. Each map is a matrix on positions, so that class
maps are resampled once, where the network looks, however many maps make up A.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from ssenet_core.cam.alignment import (
    cell_pixels,
    maps_to_view,
    maps_to_view_pixels,
    pixel_cells,
)
from ssenet_core.settings import SerSettings

Size = tuple[int, int]  # height and width

TOLERANCE = 1e-6  # of a cell: what rounding may add to a position


class Step(Protocol):
    """One spatial linear map of a view."""

    def size(self, view: Size) -> Size:
        """Height and width of the result, pixels, for a view of `view` pixels."""

    def view(self, images: Tensor) -> Tensor:
        """The map applied to images (batch, channels, H, W)."""

    def matrix(self, view: Size) -> Tensor:
        """From where it takes its pixels: (row, column, 1) in the result to that in the view.

        Returns:
            (3, 3) float64. Positions are in pixels, 0 is the middle of the first.
        """


@dataclass(frozen=True)
class Scale:
    """Bilinear resizing to floor(rate x size) pixels; sizes are given, not factors."""

    rate: float

    def size(self, view: Size) -> Size:
        height, width = (max(1, int(self.rate * edge)) for edge in view)
        return height, width

    def view(self, images: Tensor) -> Tensor:
        size = self.size(size_of(images))
        return functional.interpolate(images, size=size, mode="bilinear", align_corners=False)

    def matrix(self, view: Size) -> Tensor:
        down, right = (before / after for before, after in zip(view, self.size(view), strict=True))
        return _matrix([[down, 0, (down - 1) / 2], [0, right, (right - 1) / 2], [0, 0, 1]])


@dataclass(frozen=True)
class Flip:
    """The mirror image, left for right."""

    def size(self, view: Size) -> Size:
        return view

    def view(self, images: Tensor) -> Tensor:
        return images.flip(3)

    def matrix(self, view: Size) -> Tensor:
        return _matrix([[1, 0, 0], [0, -1, view[1] - 1], [0, 0, 1]])


@dataclass(frozen=True)
class Rotate:
    """Bilinear rotation about the centre, counter-clockwise by `angle` degrees.

    The result has the view's size; what comes from outside the view is zero, the mean colour.
    """

    angle: float

    def size(self, view: Size) -> Size:
        return view

    def view(self, images: Tensor) -> Tensor:
        size = size_of(images)
        positions = _transformed(_pixels(size), self.matrix(size))
        return _sampled(images, positions, outside="zeros")

    def matrix(self, view: Size) -> Tensor:
        cos, sin = (f(math.radians(self.angle)) for f in (math.cos, math.sin))
        row, column = ((edge - 1) / 2 for edge in view)
        return _matrix(
            [
                [cos, sin, row - cos * row - sin * column],
                [-sin, cos, column + sin * row - cos * column],
                [0, 0, 1],
            ]
        )


@dataclass(frozen=True)
class Warp:
    """A: its steps, applied one after the other; none is the identity."""

    steps: tuple[Step, ...] = ()

    @property
    def keeps_crop(self) -> bool:
        """Whether Ax shows all of x and nothing else, upright: A only scales."""
        return all(isinstance(step, Scale) for step in self.steps)

    def size(self, view: Size) -> Size:
        """Height and width of Ax, pixels, for a view of `view` pixels."""
        for step in self.steps:
            view = step.size(view)
        return view

    def view(self, images: Tensor) -> Tensor:
        """Ax, of images (batch, channels, H, W)."""
        for step in self.steps:
            images = step.view(images)
        return images

    def matrix(self, view: Size) -> Tensor:
        """Position in Ax to position in x, (3, 3) float64: the product of the steps' matrices."""
        product = torch.eye(3, dtype=torch.float64)
        for step in self.steps:
            product = product @ step.matrix(view)
            view = step.size(view)
        return product

    def maps(self, maps: Tensor, view: Size, cells: Size, alignment: str) -> tuple[Tensor, Tensor]:
        """A M(x), class maps of a view at the cells of the warped view's; and where it is known.

        Args:
            maps: M(x), (batch, classes, h, w).
            view: height and width of x, pixels.
            cells: height and width of M(Ax), cells.
            alignment: "cells" or "plain", see `cam.alignment`.

        Returns:
            (batch, classes, *cells), and (*cells) bool: whether a cell comes from between cells of
            M(x), and so from inside x. Past its last cell a map keeps that cell's value.
        """
        places = cell_pixels(cells, self.size(view), alignment)
        positions = self._sources(places, view, size_of(maps), alignment)
        known = _between_cells(positions, size_of(maps))
        if self.keeps_crop:  # separable
            return maps_to_view(maps, view, cells, self.size(view), alignment), known
        return _sampled(maps, positions, outside="border"), known

    def pixel_maps(
        self, maps: Tensor, warped: Tensor, view: Size, alignment: str
    ) -> tuple[Tensor, Tensor, Tensor]:
        """A M(x) and M(Ax), class maps of both views at the pixels of Ax; and where both are known.

        Args:
            maps: M(x), (batch, classes, h, w).
            warped: M(Ax), (batch, classes, h', w').
            view: height and width of x, pixels.
            alignment: "cells" or "plain".

        Returns:
            Twice (batch, classes, H, W), the size of Ax, and (H, W) bool: whether a pixel lies
            between cells of M(Ax) that all are known in the sense of `maps`.
        """
        size, cells = self.size(view), size_of(warped)
        sources = partial(self._sources, view=view, cells=size_of(maps), alignment=alignment)
        pixels = _pixels(size)
        known = _between_cells(sources(cell_pixels(cells, size, alignment)), size_of(maps))
        share = maps_to_view_pixels(known[None, None].double(), size, size, alignment)[0, 0]
        inside = _between_cells(pixel_cells(pixels, size, cells, alignment), cells)
        known = inside & (share > 1 - TOLERANCE)
        warped = maps_to_view_pixels(warped, size, size, alignment)
        if self.keeps_crop:  # separable
            return maps_to_view_pixels(maps, view, size, alignment), warped, known
        return _sampled(maps, sources(pixels), outside="border"), warped, known

    def _sources(self, places: Tensor, view: Size, cells: Size, alignment: str) -> Tensor:
        """Rows and columns (..., 2) of Ax, pixels, as fractional cells of M(x)."""
        return pixel_cells(_transformed(places, self.matrix(view)), view, cells, alignment)

    def maps_back(self, warped: Tensor, view: Size, alignment: str) -> tuple[Tensor, Tensor]:
        """Class maps of Ax at the pixels of x, as in the paper's Fig. 1.

        Args:
            warped: M(Ax), (batch, classes, h, w).
            view: height and width of x, pixels.
            alignment: "cells" or "plain".

        Returns:
            (batch, classes, *view), and (*view) bool: whether Ax shows the pixel.
        """
        size = self.size(view)
        pixels = _transformed(_pixels(view), torch.linalg.inv(self.matrix(view)))
        shown = ((pixels > -0.5) & (pixels < pixels.new_tensor(size) - 0.5)).all(dim=2)
        positions = pixel_cells(pixels, size, size_of(warped), alignment)
        return _sampled(warped, positions, outside="border"), shown


def draw_warp(ser: SerSettings) -> Warp:
    """The map A of one batch; its angle comes from torch's random numbers, as dropout does.

    The training loop seeds those at every step, so A is a function of seed and step.

    Args:
        ser: transforms (names, in order), rate, angle.
    """
    steps: list[Step] = []
    for name in ser.transforms:
        if name == "scale":
            steps.append(Scale(ser.rate))
        elif name == "flip":
            steps.append(Flip())
        elif name == "rotate":
            steps.append(Rotate(ser.angle * (2 * float(torch.rand(())) - 1)))
        else:
            raise ValueError(f"no transform {name!r}; there are scale, flip and rotate")
    return Warp(tuple(steps))


def _matrix(rows: Sequence[Sequence[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def size_of(images: Tensor) -> Size:
    """Height and width of (batch, channels, H, W)."""
    height, width = images.shape[2:]
    return height, width


def _pixels(view: Size) -> Tensor:
    """Row and column of every pixel, (*view, 2)."""
    edges = (torch.arange(edge, dtype=torch.float64) for edge in view)
    return torch.stack(torch.meshgrid(*edges, indexing="ij"), dim=2)


def _transformed(positions: Tensor, matrix: Tensor) -> Tensor:
    """A matrix (3, 3) applied to rows and columns (h, w, 2)."""
    return positions @ matrix[:2, :2].T + matrix[:2, 2]


def _between_cells(positions: Tensor, cells: Size) -> Tensor:
    last = positions.new_tensor(cells) - 1
    return ((positions >= -TOLERANCE) & (positions <= last + TOLERANCE)).all(dim=2)


def _sampled(stack: Tensor, positions: Tensor, *, outside: str) -> Tensor:
    """Bilinear values of (batch, channels, H, W) at rows and columns (h, w, 2) of its grid.

    Args:
        outside: "zeros" or "border", what lies around the stack.
    """
    edges = positions.new_tensor(stack.shape[2:])
    grid = ((2 * positions + 1) / edges - 1).flip(2)  # grid_sample: x first, sides at -1 and 1
    grid = grid.to(stack).expand(stack.shape[0], -1, -1, -1)
    return functional.grid_sample(
        stack, grid, mode="bilinear", padding_mode=outside, align_corners=False
    )
