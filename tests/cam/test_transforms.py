"""A of Eq. 2: what is equivariant by construction is warped to itself, where the cells look."""

import cmath
import math

import pytest
import torch
from stage_settings import stage_settings
from torch import Tensor, nn

from ssenet_core.cam.alignment import maps_to_view
from ssenet_core.cam.losses import raw_equivariance_loss, scale_equivariance_loss
from ssenet_core.cam.training import cam_loss
from ssenet_core.cam.transforms import Flip, Rotate, Scale, Step, Warp, draw_warp
from ssenet_core.settings import SerSettings

STRIDE = 8  # pixels between cells
VIEW = (88, 104)  # height, width
TAGS = torch.tensor([[1.0, 0.0], [1.0, 1.0]]).double()
STEPS: dict[str, tuple[Step, ...]] = {
    "scale": (Scale(0.6),),
    "enlarge": (Scale(1.7),),
    "flip": (Flip(),),
    "rotate": (Rotate(17),),
    "scale, flip": (Scale(0.6), Flip()),
    "flip, rotate": (Flip(), Rotate(-25)),
    "rotate, scale": (Rotate(40), Scale(0.5)),
    "all": (Scale(0.8), Flip(), Rotate(12)),
}
every_warp = pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS.keys())


def field(rows: Tensor, columns: Tensor) -> Tensor:
    """Two linear functions of a place, which bilinear interpolation keeps; (1, 2, h, w)."""
    return torch.stack([3 * rows - 2 * columns + 900, rows + columns + 5])[None]


def grid(size: tuple[int, int], step: int = 1) -> tuple[Tensor, Tensor]:
    """Rows and columns of every `step`-th pixel."""
    rows, columns = (torch.arange(0, edge, step).double() for edge in size)
    return rows[:, None].expand(-1, len(columns)), columns.expand(len(rows), -1)


def source(
    step: Step, view: tuple[int, int], rows: Tensor, columns: Tensor
) -> tuple[Tensor, Tensor]:
    """Where one step takes its pixels, written out once more."""
    height, width = view
    if isinstance(step, Scale):
        small = int(step.rate * height), int(step.rate * width)
        return (rows + 0.5) * height / small[0] - 0.5, (columns + 0.5) * width / small[1] - 0.5
    if isinstance(step, Flip):
        return rows, width - 1 - columns
    turn = cmath.exp(-1j * math.radians(step.angle))  # x + i y, y upwards
    places = turn * torch.complex(columns - (width - 1) / 2, (height - 1) / 2 - rows)
    return (height - 1) / 2 - places.imag, places.real + (width - 1) / 2


def sources(warp: Warp, view: tuple[int, int], stride: int) -> tuple[Tensor, Tensor]:
    """Where in x every `stride`-th pixel of Ax comes from, step by step."""
    sizes = [view]
    for step in warp.steps:
        sizes.append(step.size(sizes[-1]))
    rows, columns = grid(sizes[-1], stride)
    for step, size in zip(reversed(warp.steps), reversed(sizes[:-1]), strict=True):
        rows, columns = source(step, size, rows, columns)
    return rows, columns


def cells(view: tuple[int, int]) -> tuple[int, int]:
    return -(-view[0] // STRIDE), -(-view[1] // STRIDE)


def inside(rows: Tensor, columns: Tensor, last: tuple[float, float]) -> Tensor:
    return (
        (rows >= -1e-5)
        & (columns >= -1e-5)
        & (rows <= last[0] + 1e-5)
        & (columns <= last[1] + 1e-5)
    )


class Sampler(nn.Module):
    """Class maps that are the image's channels at the pixels that the cells look at."""

    def forward(self, images: Tensor) -> Tensor:
        return images[:, :2, ::STRIDE, ::STRIDE]


@every_warp
def test_a_view_shows_the_places_that_its_matrix_names(steps: tuple[Step, ...]) -> None:
    warp = Warp(steps)
    view = warp.view(field(*grid(VIEW)))
    assert tuple(view.shape[2:]) == warp.size(VIEW)
    rows, columns = sources(warp, VIEW, 1)
    height, width = warp.size(VIEW)
    whole = inside(rows - 2, columns - 2, (VIEW[0] - 5, VIEW[1] - 5))
    whole[[0, height - 1]] = whole[:, [0, width - 1]] = False  # steps on the way end here
    assert whole.double().mean() > 0.3
    torch.testing.assert_close(view[:, :, whole], field(rows, columns)[:, :, whole])


@every_warp
def test_maps_are_warped_at_the_true_places_of_their_cells(steps: tuple[Step, ...]) -> None:
    """M(x) of a field is A's M(Ax): cell i looks at pixel 8 i, before and after."""
    warp = Warp(steps)
    rows, columns = sources(warp, VIEW, STRIDE)
    maps, known = warp.maps(
        field(*grid(VIEW, STRIDE)), VIEW, cells(warp.size(VIEW)), alignment="cells"
    )
    last = (STRIDE * (cells(VIEW)[0] - 1), STRIDE * (cells(VIEW)[1] - 1))
    assert torch.equal(known, inside(rows, columns, last))
    assert known.double().mean() > 0.3
    expected = field(rows, columns)
    torch.testing.assert_close(maps[:, :, known], expected[:, :, known], atol=1e-9, rtol=0)


@every_warp
def test_both_views_maps_at_the_pixels_of_the_second(steps: tuple[Step, ...]) -> None:
    """Where both are known, both are the field at the place of x that the pixel shows."""
    warp = Warp(steps)
    maps, warped = field(*grid(VIEW, STRIDE)), field(*sources(warp, VIEW, STRIDE))
    expected, found, counted = warp.pixel_maps(maps, warped, VIEW, "cells")
    known = warp.known_pixels(VIEW, cells(VIEW), cells(warp.size(VIEW)), "cells")
    assert expected.shape[2:] == found.shape[2:] == known.shape == warp.size(VIEW)
    assert counted is None if warp.keeps_crop else torch.equal(counted, known)
    assert known.double().mean() > 0.3
    truth = field(*sources(warp, VIEW, 1))[:, :, known]
    torch.testing.assert_close(expected[:, :, known], truth, atol=1e-9, rtol=0)
    torch.testing.assert_close(found[:, :, known], truth, atol=1e-9, rtol=0)


def test_plain_maps_at_the_pixels_of_a_mirrored_view() -> None:
    maps, warped = torch.randn(2, 1, 2, *cells(VIEW)).double()
    expected, found, known = Warp((Flip(),)).pixel_maps(maps, warped, VIEW, "plain")
    for one, up in ((maps, expected.flip(3)), (warped, found)):
        plain = nn.functional.interpolate(one, VIEW, mode="bilinear", align_corners=False)
        torch.testing.assert_close(up, plain)
    assert known[4:-4, 4:-4].all()  # all but the outer halves of the cells at the border
    assert known.sum() == known[4:-4, 4:-4].numel()


def test_a_flipped_map_is_not_its_cells_in_reverse() -> None:
    """Cell 0 of the mirror image looks at the last pixel, which is 7 pixels past the last cell."""
    columns = torch.arange(13.0).expand(1, 1, 11, 13)
    flipped, known = Warp((Flip(),)).maps(columns, VIEW, cells(VIEW), "cells")
    torch.testing.assert_close(flipped[..., 1:], columns.flip(3)[..., 1:] + 7 / 8)
    assert not known[:, 0].any()
    assert known[:, 1:].all()
    plain, known = Warp((Flip(),)).maps(columns, VIEW, cells(VIEW), "plain")
    torch.testing.assert_close(plain, columns.flip(3))
    assert known.all()


@pytest.mark.parametrize("alignment", ["cells", "plain"])
@pytest.mark.parametrize("rate", [0.3, 0.5, 0.6, 0.9])
def test_scaling_alone_is_as_it_was(alignment: str, rate: float) -> None:
    maps, view = torch.randn(2, 3, 12, 12), (96, 96)
    small = (int(rate * 96), int(rate * 96))
    warped, _ = Warp((Scale(rate),)).maps(maps, view, cells(small), alignment)
    assert torch.equal(warped, maps_to_view(maps, view, cells(small), small, alignment))
    images = torch.randn(2, 3, 96, 96)
    expected = nn.functional.interpolate(images, small, mode="bilinear", align_corners=False)
    assert torch.equal(Warp((Scale(rate),)).view(images), expected)


@pytest.mark.parametrize("alignment", ["cells", "plain"])
def test_scaling_by_matrix_is_the_separable_scaling(alignment: str) -> None:
    """A flip there and back puts the scaling on the way of the other transforms."""
    maps, view = torch.randn(1, 2, 11, 13), VIEW
    size = Scale(0.6).size(VIEW)
    there_and_back = Warp((Flip(), Scale(0.6), Flip()))
    warped, _ = there_and_back.maps(maps, view, cells(size), alignment)
    expected = maps_to_view(maps, view, cells(size), size, alignment)
    torch.testing.assert_close(warped, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("alignment", ["cells", "plain"])
def test_flip_twice_is_the_identity(alignment: str) -> None:
    twice = Warp((Flip(), Flip()))
    images, maps = torch.randn(1, 3, *VIEW), torch.randn(1, 2, *cells(VIEW)).double()
    assert torch.equal(twice.view(images), images)
    assert torch.equal(twice.matrix(VIEW), torch.eye(3).double())
    warped, known = twice.maps(maps, VIEW, cells(VIEW), alignment)
    torch.testing.assert_close(warped, maps)
    assert known.all()


def test_a_composition_is_the_product_of_its_matrices() -> None:
    first, second = Scale(0.5), Rotate(30)
    product = first.matrix(VIEW) @ second.matrix(first.size(VIEW))
    assert torch.equal(Warp((first, second)).matrix(VIEW), product)
    images = torch.randn(1, 3, *VIEW)
    assert torch.equal(Warp((first, second)).view(images), second.view(first.view(images)))
    there_and_back = Rotate(30).matrix(VIEW) @ Rotate(-30).matrix(VIEW)
    torch.testing.assert_close(there_and_back, torch.eye(3).double())


def test_a_quarter_turn_is_rot90() -> None:
    images = torch.randn(1, 3, 40, 40)
    turned = Rotate(90).view(images)
    torch.testing.assert_close(turned, torch.rot90(images, 1, (2, 3)), atol=1e-4, rtol=0)
    maps = torch.randn(1, 2, 5, 5)
    warped, _ = Warp((Rotate(90),)).maps(maps, (40, 40), (5, 5), "plain")
    torch.testing.assert_close(warped, torch.rot90(maps, 1, (2, 3)), atol=1e-5, rtol=0)


def test_around_a_rotated_view_is_the_mean_colour() -> None:
    turned = Rotate(45).view(torch.ones(1, 3, *VIEW))
    assert turned[:, :, [0, -1], [0, -1]].eq(0).all()
    torch.testing.assert_close(turned[0, :, 44, 52], torch.ones(3))
    _, known = Warp((Rotate(45),)).maps(torch.ones(1, 1, 11, 13), VIEW, (11, 13), "cells")
    assert not known[[0, 0, -1, -1], [0, -1, 0, -1]].any()


@every_warp
def test_maps_come_back_to_the_pixels_of_the_view(steps: tuple[Step, ...]) -> None:
    warp = Warp(steps)
    back, shown = warp.maps_back(field(*sources(warp, VIEW, STRIDE)), VIEW, "cells")
    hidden = nn.functional.pad((~shown).double()[None], (24, 24, 24, 24), value=1.0)
    inner = nn.functional.max_pool2d(hidden, 49, 1)[0] == 0  # a cell of half a view is 16 pixels
    assert inner.double().mean() > 0.05
    torch.testing.assert_close(back[:, :, inner], field(*grid(VIEW))[:, :, inner])


def test_plain_maps_come_back_too() -> None:
    maps = torch.randn(1, 2, *cells(VIEW)).double()
    straight, _ = Warp().maps_back(maps, VIEW, "plain")
    expected = nn.functional.interpolate(maps, VIEW, mode="bilinear", align_corners=False)
    torch.testing.assert_close(straight, expected)
    mirrored, shown = Warp((Flip(),)).maps_back(maps.flip(3), VIEW, "plain")
    torch.testing.assert_close(mirrored, straight)
    assert shown.all()
    _, shown = Warp((Rotate(45),)).maps_back(maps, VIEW, "plain")
    assert not shown[[0, 0, -1, -1], [0, -1, 0, -1]].any()


@pytest.mark.parametrize("compared_at", ["cells", "pixels"])
@pytest.mark.parametrize("form", ["normalised", "raw"])
@pytest.mark.parametrize("transforms", [["flip"], ["rotate"], ["scale", "flip", "rotate"]])
def test_an_equivariant_network_has_no_equivariance_loss(
    form: str, transforms: list[str], compared_at: str
) -> None:
    """A network that shows the image's own colours; at the places that plain resizing assumes, it
    is not."""
    batch = {"image": field(*grid((160, 160))).expand(2, -1, -1, -1) / 900, "tags": TAGS}
    ser = {"weight": 1.0, "rate": 0.5, "angle": 20, "transforms": transforms, "form": form}
    ser["compared_at"] = compared_at
    for alignment, equal in (("cells", True), ("plain", False)):
        torch.manual_seed(4)
        parts = cam_loss(stage_settings("cam", {"ser": ser, "alignment": alignment}))(
            Sampler(), batch
        )
        assert (float(parts["equivariance"]) < 1e-8) == equal
        assert parts["loss"] == parts["classification"] + parts["equivariance"]


def test_the_angle_is_a_function_of_the_seed() -> None:
    ser = SerSettings(weight=1, transforms=("rotate",), angle=15)
    angles = []
    for seed in (*range(50), *range(50)):
        torch.manual_seed(seed)
        (step,) = draw_warp(ser).steps
        assert isinstance(step, Rotate)
        angles.append(step.angle)
    assert angles[:50] == angles[50:]
    assert len(set(angles)) == 50
    assert -15 < min(angles) < -10
    assert 10 < max(angles) < 15


def test_the_order_of_the_names_is_that_of_the_steps() -> None:
    ser = SerSettings(weight=1, transforms=("flip", "scale"), rate=0.25)
    before = torch.random.get_rng_state()
    assert draw_warp(ser) == Warp((Flip(), Scale(0.25)))
    assert torch.equal(before, torch.random.get_rng_state())  # nothing is drawn without need


def random_maps(seed: int) -> Tensor:
    return torch.randn(2, 2, 5, 4, generator=torch.Generator().manual_seed(seed)).double()


VALID = torch.arange(20).view(5, 4) % 3 != 0


def test_the_normalised_form_is_its_formula_over_the_valid_cells() -> None:
    large, small = random_maps(1), random_maps(2)
    total = 0.0
    for image in range(2):
        for label in range(2):
            if TAGS[image, label]:
                a, b = (maps[image, label][VALID].clamp(min=0) for maps in (large, small))
                total += float(((a / (a.max() + 1e-5) - b / (b.max() + 1e-5)) ** 2).sum())
    expected = total / (2 * 2 * int(VALID.sum()))
    assert float(scale_equivariance_loss(large, small, TAGS, VALID)) == pytest.approx(expected)
    small[:, :, ~VALID] = 1e6
    assert float(scale_equivariance_loss(large, small, TAGS, VALID)) == pytest.approx(expected)


def test_the_raw_form_is_equation_2() -> None:
    large, small = random_maps(1), random_maps(2)
    for valid, counted in ((None, torch.ones(5, 4).bool()), (VALID, VALID)):
        distances = [
            math.sqrt(sum(float(x) ** 2 for x in (b - a)[:, counted].flatten()))
            for a, b in zip(large, small, strict=True)
        ]
        expected = sum(distances) / 2
        assert float(raw_equivariance_loss(large, small, valid)) == pytest.approx(expected)


@pytest.mark.parametrize("steps", [STEPS["flip"], STEPS["all"]], ids=["flip", "all"])
def test_gradients_of_loss_and_warp(steps: tuple[Step, ...]) -> None:
    warp, view = Warp(steps), (48, 56)
    maps = torch.randn(2, 2, *cells(view)).double().requires_grad_()
    warped = torch.randn(2, 2, *cells(warp.size(view))).double().requires_grad_()

    def loss(a: Tensor, b: Tensor, form: str) -> Tensor:
        expected, known = warp.maps(a, view, cells(warp.size(view)), "cells")
        if form == "raw":
            return raw_equivariance_loss(expected, b, known)
        return scale_equivariance_loss(expected, b, TAGS, known)

    for form in ("raw", "normalised"):
        assert torch.autograd.gradcheck(lambda a, b, f=form: loss(a, b, f), (maps, warped))


def test_a_view_without_a_common_cell_is_told() -> None:
    with pytest.raises(ValueError, match="no cell"):
        raw_equivariance_loss(random_maps(1), random_maps(2), torch.zeros(5, 4).bool())
