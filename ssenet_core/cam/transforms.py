"""The spatial transforms A of the regulariser: scaling, flipping, rotation (paper, Eq. 2).

For a view x with class maps M(x): the view Ax, and A M(x) at the cells of M(Ax) or at the pixels of
Ax, with a mask of those that lie between cells of M(x). Each transform is a matrix on positions, so
class maps are resampled once, however many transforms make up A.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, assert_never

import torch
from torch import Tensor
from torch.nn import functional

from ssenet_core.cam.alignment import (
    cell_centres,
    maps_to_view,
    maps_to_view_pixels,
    pixels_to_cells,
)
from ssenet_core.settings import Alignment, SerSettings

Size = tuple[int, int]  # height and width

TOLERANCE = 1e-6  # cells: rounding error of a position


class Step(Protocol):
    """One spatial transform of a view."""

    def size(self, view_size: Size) -> Size:
        """Height and width of the transformed view, pixels."""

    def view(self, images: Tensor) -> Tensor:
        """The transform of images (batch, channels, H, W)."""

    def matrix(self, view_size: Size) -> Tensor:
        """The inverse mapping: (row, column, 1) in the transformed view to that in the view.

        Returns:
            (3, 3) float64. Positions are in pixels; 0 is the centre of the first.
        """


@dataclass(frozen=True)
class Scale:
    """Bilinear resizing to floor(rate x size) pixels."""

    rate: float

    def size(self, view_size: Size) -> Size:
        height, width = (max(1, int(self.rate * edge)) for edge in view_size)
        return height, width

    def view(self, images: Tensor) -> Tensor:
        size = self.size(size_of(images))
        return functional.interpolate(images, size=size, mode="bilinear", align_corners=False)

    def matrix(self, view_size: Size) -> Tensor:
        down, right = (
            before / after for before, after in zip(view_size, self.size(view_size), strict=True)
        )
        return _matrix([[down, 0, (down - 1) / 2], [0, right, (right - 1) / 2], [0, 0, 1]])


@dataclass(frozen=True)
class Flip:
    """Horizontal flip."""

    def size(self, view_size: Size) -> Size:
        return view_size

    def view(self, images: Tensor) -> Tensor:
        return images.flip(3)

    def matrix(self, view_size: Size) -> Tensor:
        return _matrix([[1, 0, 0], [0, -1, view_size[1] - 1], [0, 0, 1]])


@dataclass(frozen=True)
class Rotate:
    """Bilinear rotation about the centre, counter-clockwise by `angle` degrees.

    The result has the view's size; pixels from outside the view are zero, the mean colour.
    """

    angle: float

    def size(self, view_size: Size) -> Size:
        return view_size

    def view(self, images: Tensor) -> Tensor:
        size = size_of(images)
        positions = _transformed(_pixels(size), self.matrix(size))
        return _sampled(images, positions, outside="zeros")

    def matrix(self, view_size: Size) -> Tensor:
        cos, sin = (f(math.radians(self.angle)) for f in (math.cos, math.sin))
        row, column = ((edge - 1) / 2 for edge in view_size)
        return _matrix(
            [
                [cos, sin, row - cos * row - sin * column],
                [-sin, cos, column + sin * row - cos * column],
                [0, 0, 1],
            ]
        )


@dataclass(frozen=True)
class Warp:
    """The transform A: steps applied in order; without steps the identity."""

    steps: tuple[Step, ...] = ()

    @property
    def keeps_crop(self) -> bool:
        """Whether A only scales, so that Ax shows exactly the crop x."""
        return all(isinstance(step, Scale) for step in self.steps)

    def size(self, view_size: Size) -> Size:
        """Height and width of Ax, pixels."""
        for step in self.steps:
            view_size = step.size(view_size)
        return view_size

    def view(self, images: Tensor) -> Tensor:
        """Ax, for images x (batch, channels, H, W)."""
        for step in self.steps:
            images = step.view(images)
        return images

    def matrix(self, view_size: Size) -> Tensor:
        """Matrix (3, 3) float64 from positions in Ax to positions in x: the steps' product."""
        product = torch.eye(3, dtype=torch.float64)
        for step in self.steps:
            product = product @ step.matrix(view_size)
            view_size = step.size(view_size)
        return product

    def maps(
        self, maps: Tensor, view_size: Size, cells: Size, alignment: Alignment
    ) -> tuple[Tensor, Tensor]:
        """A M(x): class maps of a view, resampled to the cells of the transformed view's maps.

        Args:
            maps: M(x), (batch, classes, h, w).
            view_size: height and width of x, pixels.
            cells: height and width of M(Ax), cells.
            alignment: "cells" or "plain", see `cam.alignment`.

        Returns:
            (batch, classes, *cells), and (*cells) bool: whether a cell lies between cells of M(x),
            and so inside x. Elsewhere the outermost cell's value is used.
        """
        places = cell_centres(cells, self.size(view_size), alignment)
        positions = self._sources(places, view_size, size_of(maps), alignment)
        known = _is_inside(positions, size_of(maps))
        if self.keeps_crop:  # separable
            return maps_to_view(maps, view_size, cells, self.size(view_size), alignment), known
        return _sampled(maps, positions, outside="border"), known

    def pixel_maps(
        self, maps: Tensor, warped: Tensor, view_size: Size, alignment: Alignment
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """A M(x) and M(Ax): class maps of both views, resampled to the pixels of Ax.

        Args:
            maps: M(x), (batch, classes, h, w).
            warped: M(Ax), (batch, classes, h', w').
            view_size: height and width of x, pixels.
            alignment: "cells" or "plain".

        Returns:
            Both maps, (batch, classes, H, W) with the size of Ax, and `known_pixels`, (H, W) bool;
            None instead if A keeps the crop, where all pixels count.
        """
        size = self.size(view_size)
        pixel_maps = maps_to_view_pixels(warped, size, size, alignment)
        if self.keeps_crop:  # separable
            return maps_to_view_pixels(maps, view_size, size, alignment), pixel_maps, None
        positions = self._sources(_pixels(size), view_size, size_of(maps), alignment)
        known = self.known_pixels(view_size, size_of(maps), size_of(warped), alignment)
        return _sampled(maps, positions, outside="border"), pixel_maps, known

    def known_pixels(
        self, view_size: Size, cells: Size, warped_cells: Size, alignment: Alignment
    ) -> Tensor:
        """The pixels of Ax that lie between cells of M(Ax) which all lie between cells of M(x).

        Args:
            view_size: height and width of x, pixels.
            cells: height and width of M(x), cells.
            warped_cells: height and width of M(Ax), cells.
            alignment: "cells" or "plain".

        Returns:
            (H, W) bool, the size of Ax.
        """
        size = self.size(view_size)
        places = cell_centres(warped_cells, size, alignment)
        known = _is_inside(self._sources(places, view_size, cells, alignment), cells)
        share = maps_to_view_pixels(known[None, None].double(), size, size, alignment)[0, 0]
        inside = _is_inside(
            pixels_to_cells(_pixels(size), size, warped_cells, alignment), warped_cells
        )
        return inside & (share > 1 - TOLERANCE)

    def _sources(
        self, places: Tensor, view_size: Size, cells: Size, alignment: Alignment
    ) -> Tensor:
        """Positions (..., 2) in Ax, pixels, as fractional cells of M(x)."""
        return pixels_to_cells(
            _transformed(places, self.matrix(view_size)), view_size, cells, alignment
        )

    def maps_back(
        self, warped: Tensor, view_size: Size, alignment: Alignment
    ) -> tuple[Tensor, Tensor]:
        """Class maps of Ax, warped back to the pixels of x (paper, Fig. 1).

        Args:
            warped: M(Ax), (batch, classes, h, w).
            view_size: height and width of x, pixels.
            alignment: "cells" or "plain".

        Returns:
            (batch, classes, *view_size), and (*view_size) bool: whether Ax shows the pixel.
        """
        size = self.size(view_size)
        pixels = _transformed(_pixels(view_size), torch.linalg.inv(self.matrix(view_size)))
        shown = ((pixels > -0.5) & (pixels < pixels.new_tensor(size) - 0.5)).all(dim=2)
        positions = pixels_to_cells(pixels, size, size_of(warped), alignment)
        return _sampled(warped, positions, outside="border"), shown


def draw_warp(ser: SerSettings) -> Warp:
    """The transform A of one batch, with an angle from torch's random number generator.

    The training loop seeds the generator at every step, so A is a function of seed and step.

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
            assert_never(name)
    return Warp(tuple(steps))


def _matrix(rows: Sequence[Sequence[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def size_of(images: Tensor) -> Size:
    """Height and width of (batch, channels, H, W)."""
    height, width = images.shape[2:]
    return height, width


def _pixels(view_size: Size) -> Tensor:
    """Row and column of every pixel, (*view_size, 2) float64."""
    edges = (torch.arange(edge, dtype=torch.float64) for edge in view_size)
    return torch.stack(torch.meshgrid(*edges, indexing="ij"), dim=2)


def _transformed(positions: Tensor, matrix: Tensor) -> Tensor:
    """Rows and columns (h, w, 2) mapped by a matrix (3, 3)."""
    return positions @ matrix[:2, :2].T + matrix[:2, 2]


def _is_inside(positions: Tensor, cells: Size) -> Tensor:
    """Whether rows and columns (h, w, 2), in cells, lie between cells of a map, (h, w) bool."""
    last = positions.new_tensor(cells) - 1
    return ((positions >= -TOLERANCE) & (positions <= last + TOLERANCE)).all(dim=2)


def _sampled(stack: Tensor, positions: Tensor, *, outside: Literal["zeros", "border"]) -> Tensor:
    """Bilinear values of (batch, channels, H, W) at rows and columns (h, w, 2) of its grid."""
    edges = positions.new_tensor(stack.shape[2:])
    grid = ((2 * positions + 1) / edges - 1).flip(2)  # grid_sample: x first, sides at -1 and 1
    grid = grid.to(stack).expand(stack.shape[0], -1, -1, -1)
    return functional.grid_sample(
        stack, grid, mode="bilinear", padding_mode=outside, align_corners=False
    )
