"""The walk from class maps to pseudo labels, against its formula with dense matrices."""

from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from colour_network import bilinear, colour_maps, write_colour_network
from numpy.typing import NDArray
from PIL import Image
from ramp import CLASSES, write_pictures
from stage_settings import stage_settings
from torch import Tensor, nn

from ssenet_core.affinity.inference import random_walk, walked_scores
from ssenet_core.crf import dense_crf
from ssenet_core.io.images import read_label_png
from ssenet_core.io.maps import ClassMaps, write_maps
from ssenet_core.models.catalogue import Normalisation
from ssenet_core.models.checkpoints import load_checkpoint
from ssenet_core.settings import AffinityTraining, RandomWalk
from ssenet_core.shard import Shard

STRIDE = 8
SIZE = 37, 53  # cells at the lower and right edge are cut
LABELS = (2, 5)
STRENGTH = 24.0  # of the colours in the features
FEATURES = [[STRENGTH * (row == column) for column in range(4)] for row in range(3)]
VALUES = [
    {},
    {"beta": 4, "steps_log2": 3},
    {"beta": 4, "steps_log2": 2},
    {"radius": 3},
    {"radius": 3, "pairs": "inner"},
    {"background": {"alpha": 0.5}},
    {"background": {"alpha": None, "power": 4}},
    {"background": {"alpha": None, "power": 1}, "steps_log2": 5, "radius": 2},
]


def settings_with(over: dict[str, Any]) -> RandomWalk:
    return stage_settings("affinity", {"random_walk": {"crf": None} | over}).random_walk


def patches(seed: int, channels: int) -> NDArray[np.float64]:
    """Values in [0, 1] in patches that cut across the cells, (channels, *SIZE)."""
    coarse = np.random.default_rng(seed).random((channels, 4, 5))
    return coarse.repeat(11, axis=1).repeat(12, axis=2)[:, : SIZE[0], : SIZE[1]]


def picture(seed: int) -> NDArray[np.uint8]:
    return (255 * patches(seed, 3)).astype(np.uint8).transpose(1, 2, 0)


def class_maps(image_id: str, seed: int) -> ClassMaps:
    """Maps of two classes, at levels that their file keeps."""
    levels = np.rint(patches(seed, 2) * 256) / 256
    return ClassMaps(image_id, levels.astype(np.float32), np.array(LABELS), {})


def block_means(maps: NDArray[np.floating]) -> NDArray[np.float64]:
    """Means over the cells' pixels; those outside the picture are zero, as published."""
    rows, columns = (range(0, edge, STRIDE) for edge in SIZE)
    sums = [
        [maps[:, y : y + STRIDE, x : x + STRIDE].sum(axis=(1, 2), dtype=float) for x in columns]
        for y in rows
    ]
    return np.transpose(sums, (2, 0, 1)) / STRIDE**2


def dense_walk(
    picture: NDArray[np.uint8], maps: ClassMaps, settings: RandomWalk, features: int
) -> NDArray[np.float64]:
    """Scores after the walk, background first, (3, *SIZE), all by matrices of cells x cells."""
    alpha, power = settings.background.alpha, settings.background.power
    background = (1 - maps.maps.max(axis=0)) ** power if alpha is None else np.full(SIZE, alpha)
    cells = block_means(np.stack([background, *maps.maps]))
    seen = colour_maps(torch.from_numpy(picture), FEATURES).numpy()[:, ::STRIDE, ::STRIDE]
    matrix = np.eye(cells[0].size)
    for (i, p), (j, q) in combinations(enumerate(np.ndindex(cells[0].shape)), 2):
        if np.hypot(*np.subtract(p, q)) < settings.radius and (
            settings.pairs == "all" or begins_inside(p, cells[0].shape, settings.radius)
        ):
            difference = np.abs(seen[:, *p] - seen[:, *q]).sum() / features
            matrix[i, j] = matrix[j, i] = np.exp(-difference) ** settings.beta
    transition = matrix / matrix.sum(axis=0)
    walked = cells.reshape(3, -1) @ np.linalg.matrix_power(transition, 2**settings.steps_log2)
    # Bilinear between the middles of the blocks.
    middles = ((np.arange(edge) - (STRIDE - 1) / 2) / STRIDE for edge in SIZE)
    return bilinear(walked.reshape(cells.shape), *middles)


def begins_inside(first: tuple[int, ...], cells: tuple[int, ...], radius: int) -> bool:
    """Whether the upper, or in one row the left, cell of a pair is away from three borders."""
    (row, column), (height, width) = first, cells
    return row <= height - radius and radius - 1 <= column <= width - radius


def affinity_network(folder: Path) -> Any:
    write_colour_network(folder / "model.pt", "affinity", CLASSES, FEATURES)
    return load_checkpoint(folder / "model.pt", AffinityTraining, torch.device("cpu"))[0]


@pytest.mark.parametrize("over", VALUES, ids=str)
def test_scores_are_the_maps_after_the_steps_of_the_dense_walk(
    tmp_path: Path, over: dict[str, Any]
) -> None:
    network = affinity_network(tmp_path)
    settings, maps = settings_with(over), class_maps("0", 1)
    with torch.inference_mode():
        found = walked_scores(network, Image.fromarray(picture(0)), maps, settings)
    expected = dense_walk(picture(0), maps, settings, network.mix.out_channels)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert np.abs(expected[1:].max(axis=(1, 2)) - expected[1:].min(axis=(1, 2))).min() > 0.01


@torch.inference_mode()
def test_a_walk_that_would_lose_a_tag_is_halved_until_it_keeps_it(tmp_path: Path) -> None:
    network = affinity_network(tmp_path)
    small = np.zeros((2, *SIZE), np.float32)
    small[0, :, :20] = 1
    small[1, 10:28, 30:50] = 1
    maps = ClassMaps("0", small, np.array(LABELS), {})

    def walk(steps: int, keep: bool, maps: ClassMaps = maps) -> NDArray[np.float32]:
        over = {"background": {"alpha": 0.3}, "steps_log2": steps, "keep_tagged": keep}
        return walked_scores(network, Image.fromarray(picture(0)), maps, settings_with(over))

    plain = [walk(steps, keep=False) for steps in range(9)]
    keeping = [set(np.unique(scores.argmax(axis=0))) >= {1, 2} for scores in plain]
    longest = max(steps for steps in range(9) if keeping[steps])
    assert 0 < longest < 8
    for steps in (8, longest):
        np.testing.assert_array_equal(walk(steps, keep=True), plain[longest])
    faint = ClassMaps("0", small * np.float32([[[1]], [[0.01]]]), np.array(LABELS), {})
    np.testing.assert_array_equal(walk(8, True, faint), walk(8, False, faint))


class Kept(nn.Module):
    """AffinityNet with even features that keeps the images that it was shown."""

    backbone = SimpleNamespace(stride=STRIDE, normalisation=Normalisation((0.5,) * 3, (0.25,) * 3))

    def __init__(self) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(()))
        self.shown: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.shown.append(images)
        return self.anchor.expand(1, 1, *(-(-edge // STRIDE) for edge in images.shape[2:]))


@torch.no_grad()
def test_the_network_sees_whole_cells_with_zeros_beyond_the_picture() -> None:
    network = Kept()
    walked_scores(network, Image.fromarray(picture(0)), class_maps("0", 1), settings_with({}))
    ((image,),) = network.shown
    assert image.shape == (3, 40, 56)
    colours = torch.from_numpy(picture(0)).permute(2, 0, 1) / 255
    torch.testing.assert_close(image[:, : SIZE[0], : SIZE[1]], (colours - 0.5) / 0.25)
    assert not image[:, SIZE[0] :].any()
    assert not image[:, :, SIZE[1] :].any()


@pytest.mark.parametrize("crf", [False, True])
def test_pseudo_labels_are_the_values_of_the_highest_scores(tmp_path: Path, crf: bool) -> None:
    network = affinity_network(tmp_path)
    over = {"crf": stage_settings("affinity", {}).random_walk.crf.plain()} if crf else {}
    settings = settings_with({"background": {"alpha": 0.5}, "steps_log2": 3, **over})
    pictures = [picture(seed) for seed in (4, 5)]
    images = write_pictures(tmp_path, "picture", [(one, LABELS, None) for one in pictures]).images
    maps = [class_maps(image.id, seed) for image, seed in zip(images, (5, 6), strict=True)]
    for one in maps:
        write_maps(tmp_path / "maps" / f"{one.image_id}.h5", one)
    files = [tmp_path / "labels" / f"{image.id}.png" for image in images]
    random_walk(
        Shard(tmp_path / "manifest.json", files, tmp_path / "record.json", 0),
        settings,
        checkpoint=tmp_path / "model.pt",
        maps_dir=tmp_path / "maps",
    )
    for one, given, file in zip(pictures, maps, files, strict=True):
        scores = dense_walk(one, given, settings, network.mix.out_channels)
        if crf:
            shares = (scores / scores.sum(axis=0)).astype(np.float32)
            scores = dense_crf(one, shares, settings.crf)
        labels = np.array([0, *LABELS])[scores.argmax(axis=0)]
        # The CRF may turn a difference in the last digit into another label, without it all agree.
        assert (read_label_png(file) != labels).mean() <= (0.01 if crf else 0)
        assert set(np.unique(labels)) == {0, *LABELS}
