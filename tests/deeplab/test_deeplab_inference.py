"""DeepLab's probabilities against the formula: the mean over all views of what their cells see."""

from pathlib import Path

import numpy as np
import pytest
import torch
from colour_network import bilinear, cells_of_views, write_colour_network
from PIL import Image
from stage_settings import stage_settings

from ssenet_core.deeplab.inference import label_probabilities
from ssenet_core.models.checkpoints import load_checkpoint
from ssenet_core.settings import DeepLabTraining


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("scales", [[1.0], [0.75], [0.5, 1.0, 1.5]])
def test_probabilities_are_of_the_mean_score_over_all_views(
    tmp_path: Path, flip: bool, scales: list[float]
) -> None:
    rows = [[0.0, 0.0, 0.0, 1.0], [9.0, 0.0, 0.0, -4.0], [0.0, 9.0, 0.0, -4.0]]
    write_colour_network(tmp_path / "model.pt", "deeplab", ("red", "green"), rows)
    network, _ = load_checkpoint(tmp_path / "model.pt", DeepLabTraining, torch.device("cpu"))
    coarse = np.random.default_rng(1).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    picture = coarse.repeat(7, axis=0).repeat(7, axis=1)
    over = {"prediction": {"scales": scales, "flip": flip, "crf": None}}
    settings = stage_settings("deeplab", over).prediction
    found = label_probabilities(network, Image.fromarray(picture), settings)
    scores = []
    for cells, mirrored, _ in cells_of_views(picture, rows, scales, flip):
        places = (
            (np.arange(edge) + 0.5) * length / edge - 0.5
            for edge, length in zip(picture.shape[:2], cells.shape[1:], strict=True)
        )
        resized = bilinear(cells, *places)
        scores.append(resized[:, :, ::-1] if mirrored else resized)
    expected = np.exp(np.mean(scores, axis=0))
    np.testing.assert_allclose(found, expected / expected.sum(axis=0), atol=1e-4)
