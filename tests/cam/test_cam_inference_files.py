"""What `infer_cam` writes of pictures that tell what a network must answer to them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from colour_network import bilinear, cells_of_views, colour_maps, write_colour_network
from numpy.typing import NDArray
from ramp import write_pictures
from stage_settings import stage_settings

from ssenet_core.cam.inference import infer_cam
from ssenet_core.io.maps import ClassMaps, read_maps
from ssenet_core.shard import Shard

CLASSES = ("red", "green", "blue")
BRIGHT = [[1.0, 0.0, 0.0, -0.5], [0.0, 1.0, 0.0, -0.5], [0.0, 0.0, 1.0, -0.5]]
STRIDE = 8


def written(folder: Path, rows: Any, pictures: list[Any], **inference: Any) -> list[ClassMaps]:
    """The maps of pictures, each with its tags, by a network of these `rows`."""
    images = write_pictures(folder, "picture", pictures, CLASSES).images
    write_colour_network(folder / "model.pt", "cam", CLASSES, rows)
    files = [folder / "maps" / f"{image.id}.h5" for image in images]
    infer_cam(
        Shard(folder / "manifest.json", files, folder / "record.json", 0),
        stage_settings("cam", {"inference": inference}).inference,
        checkpoint=folder / "model.pt",
    )
    return [read_maps(file, "classes_from") for file in files]


def patched() -> NDArray[np.uint8]:
    """A picture whose colours are bright: red mostly, green in a corner, blue in the lower part."""
    shares = np.full((40, 56, 3), 0.2)
    shares[:, :40, 0], shares[:9, 40:, 1], shares[16:, :, 2] = 0.9, 1.0, 0.8
    return (255 * shares).astype(np.uint8)


@pytest.mark.parametrize("tags", [None, (), (2,), (1, 2, 3), (2, 3)])
def test_maps_are_those_of_the_tags_or_if_unknown_of_the_classes_with_a_mean_above_zero(
    tmp_path: Path, tags: tuple[int, ...] | None
) -> None:
    picture = patched()
    dark = np.full_like(picture, 20)
    shown = colour_maps(torch.from_numpy(picture), BRIGHT).numpy()[:, ::STRIDE, ::STRIDE]
    assert (shown.mean(axis=(1, 2)) > 0).tolist() == [True, False, True]
    assert shown[1].max() > 0
    pictures = [(picture, tags, None), (dark, None, None)]
    found, nothing = written(tmp_path, BRIGHT, pictures, scales=[1.0], flip=False)
    labels = (1, 3) if tags is None else tags
    assert found.classes.tolist() == list(labels)
    assert found.attributes["classes_from"] == ("classifier" if tags is None else "tags")
    chosen = shown[[label - 1 for label in labels]].clip(min=0)
    expected = chosen / chosen.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(found.maps[:, ::STRIDE, ::STRIDE], expected, atol=1 / 256)
    assert (len(nothing.maps), nothing.attributes["classes_from"]) == (0, "classifier")


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("scales", [[1.0], [0.5], [1.0, 0.5, 1.5, 2.0]])
def test_maps_are_the_sum_of_what_the_cells_of_all_views_see(
    tmp_path: Path, flip: bool, scales: list[float]
) -> None:
    coarse = np.random.default_rng(1).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    picture = coarse.repeat(7, axis=0).repeat(7, axis=1)
    size = picture.shape[:2]
    (found,) = written(tmp_path, BRIGHT, [(picture, (1, 2), None)], scales=scales, flip=flip)
    total = np.zeros((3, *size))
    for cells, mirrored, view in cells_of_views(picture, BRIGHT, scales, flip):
        # Pixel p of the photograph lies on pixel (p + 1/2) * factor - 1/2 of the view, and cell i
        # on the view's pixel 8 i.
        places = (
            ((np.arange(edge) + 0.5) * length / edge - 0.5) / STRIDE
            for edge, length in zip(size, view, strict=True)
        )
        maps = bilinear(cells.clip(min=0), *places)
        total += maps[:, :, ::-1] if mirrored else maps
    expected = total[:2] / total[:2].max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(found.maps, expected, atol=1 / 256)
