"""The CAM network's training views: the photograph's tags, and all sizes of `resize`."""

from pathlib import Path

import numpy as np
import pytest
from ramp import CLASSES, NO_JITTER, Ramp, places, write_ramps
from stage_settings import stage_settings

from ssenet_core.cam.training import TaggedViews
from ssenet_core.training.batches import Draw


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
