"""DeepLab's multi-scale scores lie where the photograph shows the thing; its loss ignores void."""

import numpy as np
import pytest
import torch
from colour_network import bilinear
from numpy.typing import NDArray
from PIL import Image
from tiny_network import Normalised
from torch import Tensor, nn
from torch.nn import functional

from ssenet_core.data.augment import views_at
from ssenet_core.deeplab.inference import mean_scores
from ssenet_core.deeplab.training import pixel_loss
from ssenet_core.export import ImageScores

SIZE = 29, 37  # pixels


class Averages(nn.Module):
    """A network whose scores are the red channel's mean over the 8 x 8 pixels of a cell."""

    backbone = Normalised
    align_corners = False

    def __init__(self) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        return functional.avg_pool2d(images[:, :1], 8) + self.anchor


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("scales", [[1.0], [0.5], [0.5, 1.0, 1.5]])
def test_scores_lie_on_the_photograph(flip: bool, scales: list[float]) -> None:
    grid = np.broadcast_to(np.linspace(40, 200, 96), (80, 96)).astype(np.uint8)
    image = Image.fromarray(np.stack([grid] * 3, axis=2))
    scores = mean_scores(Averages(), views_at(image, scales), grid.shape, flip)[0].detach()
    shown = (torch.from_numpy(grid / 255.0).float() - 0.485) / 0.229
    inner = (slice(None), slice(16, 80))
    torch.testing.assert_close(scores[inner], shown[inner], atol=0.03, rtol=0)


class Fixed(nn.Module):
    """A network that answers the same scores, at 2 x 2 cells or at those given, to every image."""

    backbone = Normalised

    def __init__(self, scores: Tensor, align_corners: bool = False) -> None:
        super().__init__()
        self.scores = nn.Parameter(scores)
        self.align_corners = align_corners

    def forward(self, images: Tensor) -> Tensor:
        cells = max(self.scores.shape[1], 2), max(self.scores.shape[2], 2)
        return self.scores.expand(images.shape[0], -1, *cells)


def between_cells(scores: NDArray[np.float64], align_corners: bool) -> NDArray[np.float64]:
    """Scores (K, h, w) at `SIZE` pixels, from each pixel's place among the cells."""
    places = [
        np.linspace(0, cells - 1, pixels)
        if align_corners
        else (np.arange(pixels) + 0.5) * cells / pixels - 0.5
        for cells, pixels in zip(scores.shape[1:], SIZE, strict=True)
    ]
    return bilinear(scores, *places)


@pytest.mark.parametrize("align_corners", [False, True])
def test_scores_are_up_sampled_alike_in_the_loss_in_prediction_and_in_export(
    align_corners: bool,
) -> None:
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(3, 4, 5))
    network = Fixed(torch.from_numpy(cells).float(), align_corners)
    expected = between_cells(cells, align_corners)
    picture = np.zeros((*SIZE, 3), np.uint8)
    images = torch.zeros(1, 3, *SIZE)
    with torch.no_grad():
        predicted = mean_scores(network, [picture], SIZE, flip=False)
        exported = ImageScores(network)(images)[0]
    for found in (predicted, exported):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    labels = rng.integers(0, 3, SIZE)
    batch = {"image": images, "labels": torch.from_numpy(labels)[None]}
    likelihoods = np.exp(expected) / np.exp(expected).sum(axis=0)
    entropy = -np.log(np.take_along_axis(likelihoods, labels[None], axis=0)).mean()
    assert pixel_loss(network, batch)["loss"].item() == pytest.approx(entropy, rel=1e-5)


def test_loss_is_cross_entropy_over_labelled_pixels() -> None:
    scores = torch.tensor([0.2, 1.5, -0.3])[:, None, None]
    labels = torch.full((2, 16, 16), 255, dtype=torch.uint8)
    labels[0, :4] = 1
    labels[1, 0, 0] = 2
    loss = pixel_loss(Fixed(scores), {"image": torch.zeros(2, 3, 16, 16), "labels": labels})
    log = scores.flatten().log_softmax(dim=0)
    expected = -(64 * log[1] + log[2]) / 65
    torch.testing.assert_close(loss["loss"], expected)


def test_loss_of_void_alone_is_zero() -> None:
    labels = torch.full((1, 16, 16), 255, dtype=torch.uint8)
    scores = torch.zeros(3, 1, 1)
    batch = {"image": torch.zeros(1, 3, 16, 16), "labels": labels}
    assert pixel_loss(Fixed(scores), batch)["loss"] == 0
