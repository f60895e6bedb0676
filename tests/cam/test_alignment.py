"""Resampling of class maps: a ramp stays a ramp at its true place."""

from functools import partial

import numpy as np
import pytest
import torch

from ssenet_core.cam.alignment import maps_to_pixels, maps_to_view, stride_of

STRIDE = 8  # pixels between cells


def ramp(view: int, stride: int = STRIDE) -> torch.Tensor:
    """A map whose cells hold the pixel they look at."""
    cells = -(-view // stride)
    return (torch.arange(cells) * stride).float().expand(1, 1, cells, cells)


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("view", [96, 97, 104])
def test_cells_are_at_their_pixels(view: int, stride: int) -> None:
    pixels = maps_to_pixels(ramp(view, stride), (view, view), (view, view), "cells")
    last = (-(-view // stride) - 1) * stride
    expected = torch.arange(view).clamp(max=last).float()
    torch.testing.assert_close(pixels[0, 0, 5], expected)


def test_a_rescaled_view_gives_the_same_place() -> None:
    """A view at scale 2 sees pixel p of the image at 2 p + 0.5."""
    pixels = maps_to_pixels(ramp(96), (96, 96), (48, 48), "cells")
    expected = (2 * torch.arange(48) + 0.5).clamp(max=88).float()
    torch.testing.assert_close(pixels[0, 0, 0], expected)


@pytest.mark.parametrize("stride", [8, 16])
def test_view_to_view_agrees_with_going_through_pixels(stride: int) -> None:
    cells = 48 // stride
    warped = maps_to_view(ramp(96, stride), (96, 96), (cells, cells), (48, 48), "cells")
    expected = (2 * stride * torch.arange(cells) + 0.5).clamp(max=96 - stride).float()
    torch.testing.assert_close(warped[0, 0, 0], expected)


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("view", [(9, 9), (9, 3), (8, 17), (96, 97), (375, 500)])
def test_the_stride_follows_from_map_and_view(view: tuple[int, int], stride: int) -> None:
    cells = tuple(-(-edge // stride) for edge in view)
    assert stride_of(cells, view) == stride


def test_maps_of_no_backbones_stride_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3, 3\) cells.*\(96, 96\) pixels.*8 or 16"):
        maps_to_pixels(torch.zeros(1, 1, 3, 3), (96, 96), (96, 96), "cells")


def test_flip_and_resampling_commute_on_odd_views() -> None:
    """With 8 k + 1 pixels the cells are symmetric, so flips undo exactly."""
    torch.manual_seed(0)
    maps = torch.rand(1, 2, 13, 13)
    straight = maps_to_pixels(maps, (97, 97), (97, 97), "cells")
    flipped = maps_to_pixels(maps.flip(3), (97, 97), (97, 97), "cells").flip(3)
    torch.testing.assert_close(straight, flipped)


def test_plain_is_bilinear_resizing() -> None:
    maps = torch.rand(1, 2, 5, 7)
    expected = torch.nn.functional.interpolate(maps, (40, 56), mode="bilinear", align_corners=False)
    torch.testing.assert_close(maps_to_pixels(maps, (40, 56), (40, 56), "plain"), expected)


@pytest.mark.parametrize(("view", "size"), [((97, 8), (50, 16)), ((375, 500), (375, 500))])
def test_pixels_are_interpolated_between_their_two_cells(
    view: tuple[int, int], size: tuple[int, int]
) -> None:
    """Against NumPy's interpolation of each row and column; one cell alone is everywhere."""
    torch.manual_seed(0)
    maps = torch.rand(1, 2, *(-(-edge // STRIDE) for edge in view))
    expected = maps.double().numpy()
    for axis in (2, 3):
        pixels, length = size[axis - 2], view[axis - 2]
        places = ((np.arange(pixels) + 0.5) * length / pixels - 0.5) / STRIDE
        cells = np.arange(expected.shape[axis])
        expected = np.apply_along_axis(partial(np.interp, places, cells), axis, expected)
    found = maps_to_pixels(maps, view, size, "cells")
    torch.testing.assert_close(found.double(), torch.from_numpy(expected), atol=1e-6, rtol=0)
