"""DeepLab's probabilities against the formula: the mean over all views of what their cells see."""

from pathlib import Path

import numpy as np
import pytest
import torch
from colour_network import bilinear, cells_of_views, write_colour_network
from PIL import Image
from ramp import write_pictures
from stage_settings import changed, stage_settings

from ssenet_core.data.augment import resize_by
from ssenet_core.deeplab.inference import label_probabilities, network_probabilities, predict
from ssenet_core.io.images import read_label_png
from ssenet_core.models.checkpoints import load_checkpoint, save_checkpoint
from ssenet_core.segmenter import Segmenter
from ssenet_core.settings import DeepLabTraining
from ssenet_core.shard import Shard


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


def test_views_are_resized_as_the_network_was_trained(tmp_path: Path) -> None:
    rows = [[0.0, 0.0, 0.0, 4.5], [9.0, 0.0, 0.0, 0.0]]
    settings = write_colour_network(tmp_path / "model.pt", "deeplab", ("red",), rows)
    network, _ = load_checkpoint(tmp_path / "model.pt", DeepLabTraining, torch.device("cpu"))
    noise = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    write_pictures(tmp_path, "noise", [(noise, None, None)], ("red",))
    photograph = Image.fromarray(noise)
    over = {"prediction": {"scales": [0.5], "flip": False, "crf": None}}
    prediction = stage_settings("deeplab", over).prediction
    answers = []
    for antialias in (False, True):
        path = tmp_path / f"{antialias}.pt"
        own = changed(settings, {"antialias": antialias})
        save_checkpoint(path, network, settings=own, classes=("red",))
        view = np.array(resize_by(photograph, 0.5, antialias))
        expected = network_probabilities(network, noise, [view], prediction).argmax(axis=0)
        labels = tmp_path / str(antialias) / "noise_0.png"
        shard = Shard(tmp_path / "manifest.json", [labels], tmp_path / "record.json", 0)
        predict(shard, prediction, checkpoint=path)
        np.testing.assert_array_equal(read_label_png(labels), expected)
        np.testing.assert_array_equal(Segmenter.load(path, scales=[0.5])(photograph), expected)
        answers.append(expected)
    assert (answers[0] != answers[1]).mean() > 0.1
