"""The measure of equivariance: zero where a network has it, a known number where it has not."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from stage_settings import changed
from synthetic_run import make_split
from tiny_network import SETTINGS as NETWORKS
from torch import Tensor, nn

from ssenet_core.cam.transforms import Flip, Rotate, Scale, Warp
from ssenet_core.data.manifest import load_manifest
from ssenet_core.errors import SSENetError
from ssenet_core.evaluation.equivariance import (
    Measured,
    evaluate_equivariance,
    map_difference,
    named_warps,
)
from ssenet_core.io.files import read_json, write_json
from ssenet_core.models.checkpoints import save_checkpoint
from ssenet_core.models.networks import build_network
from ssenet_core.settings import EquivarianceSettings

SETTINGS = EquivarianceSettings(images=50, scales=(0.5, 1.5), flip=True, angles=(-10, 10))
VIEW = (72, 64)
WARPS = named_warps(SETTINGS)
every_warp = pytest.mark.parametrize("name", WARPS)


class Sampler(nn.Module):
    """Class maps that are the image's channels at the pixels that the cells look at."""

    def forward(self, images: Tensor) -> Tensor:
        return images[:, :, ::8, ::8]


class Constant(nn.Module):
    """The same class maps whatever the image shows."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.ones(1, 3, -(-images.shape[2] // 8), -(-images.shape[3] // 8))


class Columns(Constant):
    """Class maps that count the columns of cells from 1, whatever the image shows."""

    def forward(self, images: Tensor) -> Tensor:
        ones = super().forward(images)
        return ones.cumsum(dim=3)


def ramp() -> Tensor:
    """An image of three ramps, all positive."""
    rows, columns = (torch.arange(edge).float() for edge in VIEW)
    bright = rows[:, None] + 2 * columns
    return torch.stack([bright + 1, 300 - bright, rows[:, None] - columns + 80])[None]


@every_warp
def test_networks_that_are_equivariant_by_construction_have_none(name: str) -> None:
    """Bilinear views of a ramp, and bilinear maps of it, are the ramp."""
    for network in (Sampler(), Constant()):
        measured = Measured(network, ramp(), (1, 2, 3), "cells")
        assert measured.difference(WARPS[name]) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("name", ["scale 0.5", "flip"])
def test_a_network_that_is_not_has_some(name: str) -> None:
    difference = Measured(Columns(), ramp(), (1, 2), "cells").difference(WARPS[name])
    assert difference is not None
    assert difference > 0.01 if name == "scale 0.5" else difference > 0.2


def test_a_known_number() -> None:
    """Columns 1 to n against n to 1, each divided by n: the mean of |n + 1 - 2 i| / n."""
    n = VIEW[1] // 8
    expected = sum(abs(n + 1 - 2 * i) for i in range(1, n + 1)) / n / n
    difference = Measured(Columns(), ramp(), (2,), "plain").difference(Warp((Flip(),)))
    assert difference == pytest.approx(expected, abs=1e-4)


def test_the_difference_is_its_formula() -> None:
    expected, found = torch.randn(1, 2, 4, 5), torch.randn(1, 2, 4, 5)
    known = torch.arange(20).view(4, 5) % 4 != 0
    total = 0.0
    for a, b in zip(expected[0], found[0], strict=True):
        a, b = a[known].clamp(min=0), b[known].clamp(min=0)
        total += float((a / (a.max() + 1e-5) - b / (b.max() + 1e-5)).abs().mean()) / 2
    assert map_difference(expected, found, known) == pytest.approx(total)
    assert map_difference(found, expected, known) == pytest.approx(total)
    assert map_difference(expected, found, torch.zeros(4, 5).bool()) is None


def test_only_tagged_classes_count() -> None:
    class Half(Columns):
        def forward(self, images: Tensor) -> Tensor:
            maps = super().forward(images)
            return torch.cat([torch.ones_like(maps[:, :1]), maps[:, 1:]], dim=1)

    flip = Warp((Flip(),))
    assert Measured(Half(), ramp(), (1,), "plain").difference(flip) == 0
    both = Measured(Half(), ramp(), (1, 2), "plain").difference(flip)
    other = Measured(Half(), ramp(), (2,), "plain").difference(flip)
    assert both is not None
    assert 2 * both == pytest.approx(other)


def test_each_view_passes_the_network_once() -> None:
    shapes = []

    class Counted(Sampler):
        def forward(self, images: Tensor) -> Tensor:
            shapes.append(images.shape)
            return super().forward(images)

    measured = Measured(Counted(), ramp(), (1,), "cells")
    for warp in (Warp(), *WARPS.values()):
        measured.difference(warp)
        measured.back(warp)
    assert len(shapes) == 1 + len(WARPS)


def test_a_map_comes_back_to_the_image() -> None:
    measured = Measured(Sampler(), ramp(), (1,), "cells")
    straight, turned = measured.back(Warp()), measured.back(Warp((Rotate(15),)))
    assert straight.shape == turned.shape == VIEW
    assert turned[0, 0].isnan()
    inner = (slice(20, 44), slice(16, 40))
    scale = straight[30, 30] / turned[30, 30]  # the maxima are over what each view shows
    torch.testing.assert_close(turned[inner] * scale, straight[inner], atol=1e-4, rtol=0)


def test_transforms_are_named() -> None:
    assert {
        "scale 0.5": Warp((Scale(0.5),)),
        "scale 1.5": Warp((Scale(1.5),)),
        "flip": Warp((Flip(),)),
        "rotate -10°": Warp((Rotate(-10),)),
        "rotate 10°": Warp((Rotate(10),)),
    } == WARPS
    assert list(named_warps(changed(SETTINGS, {"flip": False, "angles": []}))) == [
        "scale 0.5",
        "scale 1.5",
    ]


def evaluate(folder: Path, manifest: Path, settings: dict[str, Any], silent: bool) -> Any:
    """Measure a network with random weights, or one whose maps are zero."""
    torch.manual_seed(0)
    classes = load_manifest(manifest).classes
    network = build_network(NETWORKS["cam"], classes)
    if silent:
        nn.init.zeros_(network.classifier.weight)
    checkpoint = folder / "model.pt"
    save_checkpoint(checkpoint, network, settings=NETWORKS["cam"], classes=classes)
    evaluate_equivariance(
        manifest=manifest,
        checkpoint=checkpoint,
        settings=settings,
        output=folder / "equivariance.json",
        figure=folder / "equivariance.png",
        name="ssenet@1",
    )
    return read_json(folder / "equivariance.json")


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return make_split(tmp_path, "pseudo_eval", ((48, 64), (60, 40), (50, 50))).manifest


def test_a_checkpoint_is_measured(tmp_path: Path, manifest: Path) -> None:
    found = evaluate(tmp_path, manifest, SETTINGS, silent=False)
    assert (found["stage"], found["name"], found["split"]) == (
        "equivariance",
        "ssenet@1",
        "pseudo_eval",
    )
    assert found["images"] == 3
    assert list(found["differences"]) == list(WARPS)
    assert all(0 < value < 1 for value in found["differences"].values())
    assert found["mean"] == pytest.approx(sum(found["differences"].values()) / 5)
    with Image.open(tmp_path / "equivariance.png") as picture:
        assert picture.width > picture.height
    again = evaluate(tmp_path, manifest, SETTINGS, silent=False)
    assert again == found
    silent = evaluate(tmp_path, manifest, SETTINGS, silent=True)
    assert set(silent["differences"].values()) == {0.0}


def test_at_most_so_many_images_are_measured(tmp_path: Path, manifest: Path) -> None:
    settings = changed(SETTINGS, {"images": 2, "scales": [0.5], "flip": False, "angles": []})
    found = evaluate(tmp_path, manifest, settings, silent=False)
    assert found["images"] == 2
    assert found["mean"] == found["differences"]["scale 0.5"]


@pytest.mark.parametrize("tags", [[], None])
def test_images_without_tags_cannot_be_measured(
    tmp_path: Path, manifest: Path, tags: list[int] | None
) -> None:
    content = read_json(manifest)
    for image in content["images"]:
        image["tags"] = tags
    write_json(manifest, content)
    with pytest.raises(SSENetError, match="pseudo_eval of synthetic: expected images with tags"):
        evaluate(tmp_path, manifest, SETTINGS, silent=False)
