"""Positions of a class map's cells, and resampling of class maps to pixels or to another view.

Cell i of a stride-8 network is centred on pixel 8 i of its view, not on the middle of pixels 8 i to
8 i + 7, as its stride-2 convolutions are centred on their first pixel. Plain bilinear resizing
assumes the latter and shifts a map by 3.5 pixels of the view, 7 pixels of the image at scale 0.5.
`alignment="cells"` uses the true positions; `"plain"` resizes as the published method does. The
stride follows from the sizes of map and view. Raises `ValueError` if they fit no backbone.
"""

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ssenet_core.models.catalogue import OUTPUT_STRIDES
from ssenet_core.settings import Alignment


def stride_of(cells: tuple[int, ...], view_size: tuple[int, int]) -> int:
    """Output stride: pixels between neighbouring cells of the class maps of a view.

    Args:
        cells: height and width of the class maps.
        view_size: height and width of the view, pixels.

    Raises:
        ValueError: the sizes fit no output stride.
    """
    for stride in OUTPUT_STRIDES:
        # A single cell fits both strides: it is centred on pixel 0 with either.
        if tuple(-(-edge // stride) for edge in view_size) == tuple(cells):
            return stride
    raise ValueError(
        f"class maps of {tuple(cells)} cells from a view of {tuple(view_size)} pixels: "
        f"expected a stride of {' or '.join(map(str, OUTPUT_STRIDES))}"
    )


def maps_to_pixels(
    maps: Tensor, view_size: tuple[int, int], size: tuple[int, int], alignment: Alignment
) -> Tensor:
    """Class maps resampled bilinearly to an image's pixels.

    Args:
        maps: (batch, classes, h, w), made from a view of the whole image.
        view_size: height and width of that view, pixels.
        size: height and width of the result, pixels.
        alignment: "cells" or "plain".

    Returns:
        (batch, classes, *size).
    """
    if alignment == "plain":
        return functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)
    stride = stride_of(maps.shape[2:], view_size)
    for axis in (3, 2):  # rows last: they are contiguous
        pixels, length = size[axis - 2], view_size[axis - 2]
        places = torch.arange(pixels, dtype=torch.float64, device=maps.device)
        maps = _interpolate_axis(maps, axis, ((places + 0.5) * (length / pixels) - 0.5) / stride)
    return maps


def maps_to_view(
    maps: Tensor,
    view_size: tuple[int, int],
    cells: tuple[int, int],
    other_size: tuple[int, int],
    alignment: Alignment,
) -> Tensor:
    """Class maps of one view resampled to the cells of another view of the same image.

    Args:
        maps: (batch, classes, h, w), made from a view of `view_size` pixels.
        cells: height and width of the other view's class maps.
        other_size: height and width of the other view, pixels.
        alignment: "cells" or "plain".

    Returns:
        (batch, classes, *cells).
    """
    if alignment == "plain":
        return functional.interpolate(maps, size=cells, mode="bilinear", align_corners=False)
    stride, other_stride = stride_of(maps.shape[2:], view_size), stride_of(cells, other_size)
    matrices = []
    for axis in (0, 1):
        pixels = [other_stride * cell for cell in range(cells[axis])]
        ratio = view_size[axis] / other_size[axis]
        positions = tuple(((pixel + 0.5) * ratio - 0.5) / stride for pixel in pixels)
        matrices.append(_interpolation_matrix(positions, maps.shape[2 + axis]))
    return _apply(maps, *matrices)


def maps_to_view_pixels(
    maps: Tensor, view_size: tuple[int, int], other_size: tuple[int, int], alignment: Alignment
) -> Tensor:
    """Class maps of one view resampled to the pixels of another view of the same image.

    As published, they are up-sampled to their own view's pixels, and those are resized to the
    other's, both bilinearly. One small matrix per axis does both at once.

    Args:
        maps: (batch, classes, h, w), made from a view of `view_size` pixels.
        view_size: height and width of that view, pixels.
        other_size: height and width of the other view, pixels; it may be the same.
        alignment: "cells" or "plain".

    Returns:
        (batch, classes, *other_size).
    """
    stride = None if alignment == "plain" else stride_of(maps.shape[2:], view_size)
    edges = zip(maps.shape[2:], view_size, other_size, strict=True)
    return _apply(maps, *(_through_pixels(*lengths, stride) for lengths in edges))


def pixel_mean(maps: Tensor, view_size: tuple[int, int]) -> Tensor:
    """Global average pooling of class maps up-sampled to their view's pixels, as published.

    Args:
        maps: (batch, classes, h, w), made from a view of `view_size` pixels.
        view_size: height and width of that view, pixels.

    Returns:
        (batch, classes).
    """
    edges = list(zip(maps.shape[2:], view_size, strict=True))
    if all(pixels % cells == 0 for cells, pixels in edges):
        return maps.mean(dim=(2, 3))  # an integer factor weights all cells equally
    weights = [
        _through_pixels(cells, pixels, pixels, None).mean(axis=0, keepdims=True)
        for cells, pixels in edges
    ]
    return _apply(maps, *weights).flatten(1)


def cell_centres(
    cells: tuple[int, int], view_size: tuple[int, int], alignment: Alignment
) -> Tensor:
    """Rows and columns, in pixels of a view, of the centres of its class maps' cells.

    Args:
        cells: height and width of the class maps.
        view_size: height and width of the view, pixels.
        alignment: "cells" or "plain", see the module.

    Returns:
        (*cells, 2) float64.
    """
    rows, columns = (torch.arange(edge, dtype=torch.float64) for edge in cells)
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=2)
    if alignment == "plain":
        return (grid + 0.5) * grid.new_tensor(view_size) / grid.new_tensor(cells) - 0.5
    return grid * stride_of(cells, view_size)


def pixels_to_cells(
    pixels: Tensor, view_size: tuple[int, int], cells: tuple[int, int], alignment: Alignment
) -> Tensor:
    """Rows and columns in pixels of a view as fractional cells: the inverse of `cell_centres`.

    Args:
        pixels: (..., 2) float64.
        view_size: height and width of the view, pixels.
        cells: height and width of the class maps.
        alignment: "cells" or "plain".

    Returns:
        (..., 2) float64.
    """
    if alignment == "plain":
        return (pixels + 0.5) * pixels.new_tensor(cells) / pixels.new_tensor(view_size) - 0.5
    return pixels / stride_of(cells, view_size)


def _interpolate_axis(maps: Tensor, axis: int, positions: Tensor) -> Tensor:
    """Linear interpolation along one axis; positions outside take the outermost cell's value.

    It gathers two cells per position, so memory is linear in the image's pixels.
    """
    last = maps.shape[axis] - 1
    clamped = positions.clamp(0, last)
    low = clamped.long()
    weights = (clamped - low).to(maps).unflatten(0, (-1, *(1,) * (3 - axis)))
    high = (low + 1).clamp(max=last)
    return torch.lerp(maps.index_select(axis, low), maps.index_select(axis, high), weights)


@lru_cache(maxsize=64)
def _interpolation_matrix(positions: tuple[float, ...], cells: int) -> NDArray[np.float64]:
    """`_interpolate_axis` as a matrix (positions, cells), whose gradient is deterministic on GPUs.

    The cache holds an array, as a tensor made in inference mode could not be used in training.
    """
    clamped = np.clip(positions, 0, cells - 1)
    distance = np.abs(clamped[:, None] - np.arange(cells))
    return np.clip(1 - distance, 0, None)


@lru_cache(maxsize=64)
def _through_pixels(
    cells: int, view_length: int, other_length: int, stride: int | None
) -> NDArray[np.float64]:
    """Matrix (other, cells) of one axis: from cells to their view's pixels to another view's.

    Args:
        stride: pixels between cells; None for plain resizing.
    """
    if stride is None:
        places = _resized_places(cells, view_length)
    else:
        places = tuple(pixel / stride for pixel in range(view_length))
    resized = _resized_places(view_length, other_length)
    return _interpolation_matrix(resized, view_length) @ _interpolation_matrix(places, cells)


def _resized_places(before: int, after: int) -> tuple[float, ...]:
    """Positions in an axis of `before` pixels that plain resizing to `after` samples."""
    return tuple((place + 0.5) * before / after - 0.5 for place in range(after))


def _apply(maps: Tensor, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> Tensor:
    down, right = (torch.from_numpy(matrix).to(maps) for matrix in (rows, columns))
    return down @ maps @ right.T
