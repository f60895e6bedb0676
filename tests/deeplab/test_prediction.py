"""DeepLab's multi-scale scores lie where the photograph shows the thing; its loss ignores void."""

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_network import Normalised
from torch import Tensor, nn
from torch.nn import functional

from ssenet_core.data.views import views_at
from ssenet_core.deeplab.inference import mean_scores
from ssenet_core.deeplab.training import pixel_loss


class Averages(nn.Module):
    """A network whose scores are the red channel's mean over the 8 x 8 pixels of a cell."""

    backbone = Normalised

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
    """A network that answers the same scores to every image."""

    def __init__(self, scores: Tensor) -> None:
        super().__init__()
        self.scores = scores

    def forward(self, images: Tensor) -> Tensor:
        return self.scores.expand(images.shape[0], -1, 2, 2)


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
