"""The CAM network's training views: the photograph's tags, and all sizes of `resize`."""

from pathlib import Path

import numpy as np
import pytest
from ramp import CLASSES, NO_JITTER, Ramp, places, write_pictures, write_ramps
from stage_settings import stage_settings

from ssenet_core.cam import training
from ssenet_core.cam.training import TaggedViews, label_entropy, last_loss, train_cam
from ssenet_core.data.manifest import load_manifest
from ssenet_core.training.batches import Draw
from ssenet_core.training.run import TrainingRun


def test_tags_are_the_photograph_s(tmp_path: Path) -> None:
    ramps = [Ramp(9, 12, 8, 90, tags) for tags in [(1,), (2, 6), (3, 4, 5), ()]]
    views = TaggedViews(write_ramps(tmp_path, ramps), stage_settings("cam", {}))
    assert len(views) == len(ramps)
    for image, ramp in enumerate(ramps):
        tags = views[Draw(image, 5)]["tags"].tolist()
        assert tags == [float(label in ramp.tags) for label in range(1, len(CLASSES) + 1)]


@pytest.mark.parametrize("ramp", [Ramp(12, 20, 10, 90, (1,)), Ramp(20, 13, 10, 90, (1,))])
def test_the_longest_edge_has_every_length_of_the_range(tmp_path: Path, ramp: Ramp) -> None:
    over = {"resize": [16, 30], "crop": 40, "jitter": NO_JITTER, "flip": 0.0}
    views = TaggedViews(write_ramps(tmp_path, [ramp]), stage_settings("cam", over))
    lengths = set()
    for epoch in range(100):
        at = places(views[Draw(0, epoch)]["image"], ramp)
        height, width = (at.inside.any(axis=axis).sum() for axis in (1, 0))
        lengths.add(max(height, width))
        factor = max(height, width) / 20
        assert (height, width) == (round(ramp.height * factor), round(ramp.width * factor))
        edges = (at.rows, ramp.height, height, 1), (at.columns, ramp.width, width, 0)
        for found, edge, length, along in edges:
            shown = found[at.inside].reshape(height, width).mean(axis=along)
            centres = (np.arange(length) + 0.5) * edge / length - 0.5
            # A photograph's outermost pixels are the last that interpolation can use.
            np.testing.assert_allclose(shown, centres.clip(0, edge - 1), atol=0.25)
    assert lengths == set(range(16, 31))


def test_a_classifier_that_has_not_learnt_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    grey = np.full((8, 8, 3), 128, np.uint8)
    # One class of half of the images, one of none: ln 2 and 0.
    write_pictures(tmp_path, "grey", [(grey, tags, None) for tags in ((1,), (), (1,), ())], "ab")
    metrics = tmp_path / "metrics.csv"
    run = TrainingRun(tmp_path / "manifest.json", tmp_path / "model.pt", metrics)
    assert label_entropy(load_manifest(run.manifest)) == pytest.approx(np.log(2) / 2)
    for name in ("new_training", "fit"):
        monkeypatch.setattr(training, name, lambda *_, **__: None)
    told = []
    for loss in (0.1, 0.2):  # of the last epoch; below and above half of the entropy, 0.17
        rows = [(1, 0.5, 9.0), (2, 1.0, 9.0), (3, 1.5, 0.5 * loss), (4, 2.0, 1.5 * loss)]
        lines = [",".join(map(str, row)) for row in rows]
        metrics.write_text("\n".join(["step,epoch,classification", *lines]))
        assert last_loss(metrics) == pytest.approx(loss)
        caplog.clear()
        train_cam(run, stage_settings("cam", {}))
        told.append("has not learnt" in caplog.text)
    assert told == [False, True]
