"""The views of the three training datasets: which part of which photograph, mirrored, in colour."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ramp import NO_JITTER, Ramp, colours, places, write_ramps
from stage_settings import stage_settings
from torch.utils.data import Dataset

from ssenet_core.affinity.training import ConfidentViews
from ssenet_core.cam.training import TaggedViews
from ssenet_core.deeplab.training import LabelledViews
from ssenet_core.io.images import write_label_png
from ssenet_core.io.maps import RefinedScores, write_refined
from ssenet_core.training.batches import Draw

RAMPS = (Ramp(20, 28, 8, 90, (1, 2)), Ramp(28, 17, 8, 200, (3,)))
CROP = 24  # longer than one edge of each photograph, shorter than the other
DRAWS = 60
Make = Callable[..., Dataset[dict[str, Any]]]


@pytest.fixture(params=["cam", "affinity", "deeplab"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """A stage's dataset of the ramps at their own size, as a function of its settings."""
    photographs = write_ramps(tmp_path, RAMPS)
    for record in photographs.images:
        size = record.height, record.width
        posterior = np.full((len(record.tags) + 1, *size), 0.2, np.float32)
        posteriors = {"power-4": posterior, "power-24": posterior}
        refined = RefinedScores(record.id, np.array(record.tags), posteriors)
        write_refined(tmp_path / "labels" / f"{record.id}.h5", refined)
        write_label_png(tmp_path / "labels" / f"{record.id}.png", np.zeros(size, np.uint8))

    def dataset(**over: Any) -> Dataset[dict[str, Any]]:
        own_size = {"cam": {"resize": [28, 28]}, "affinity": {}, "deeplab": {"scale": [1.0, 1.0]}}
        plain = {"crop": CROP, "jitter": NO_JITTER, "flip": 0.0}
        settings = stage_settings(request.param, plain | own_size[request.param] | over)
        if request.param == "cam":
            return TaggedViews(photographs, settings)
        if request.param == "affinity":
            return ConfidentViews(photographs, tmp_path / "labels", (4, 24), settings)
        return LabelledViews(photographs, tmp_path / "labels", settings)

    return dataset


@pytest.mark.parametrize("flip", [0.0, 1.0, 0.5])
def test_a_view_is_a_crop_of_its_photograph_anywhere_mirrored_as_often_as_asked(
    make: Make, flip: float
) -> None:
    views = make(flip=flip)
    for image, ramp in enumerate(RAMPS):
        corners, directions = set(), []
        for epoch in range(DRAWS):
            item = views[Draw(image, epoch)]
            assert item["id"] == f"ramp_{image}"
            at = places(item["image"], ramp)
            box = [np.flatnonzero(at.inside.any(axis=axis)) for axis in (1, 0)]
            height, width = (len(lines) for lines in box)
            assert (height, width) == (min(ramp.height, CROP), min(ramp.width, CROP))
            rows, columns = (x[at.inside].reshape(height, width) for x in at[1:])
            blue = colours(item["image"])[2].numpy()[at.inside]
            directions.append(int(columns[0, 0] > columns[0, -1]))
            columns = columns[:, ::-1] if directions[-1] else columns
            top, left = round(np.median(rows[0])), round(np.median(columns[:, 0]))
            expected = np.mgrid[top : top + height, left : left + width]
            # Colours are a few grey values off: even a change of hue by 0 is made in 8 bits.
            assert np.abs([rows, columns] - expected).max() < 0.75
            assert np.abs(blue - ramp.blue).max() < 8
            left = ramp.width - left - width if directions[-1] else left
            corners.add((int(top - box[0][0]), int(left - box[1][0])))
        assert abs(np.mean(directions) - flip) < (0.2 if flip == 0.5 else 0.01)
        for edge, found in zip((ramp.height, ramp.width), zip(*corners, strict=True), strict=True):
            assert set(found) == set(range(min(0, edge - CROP), max(0, edge - CROP) + 1))


def test_jitter_changes_the_colours_alone(make: Make) -> None:
    plain, jittered = make(flip=0.5), make(flip=0.5, jitter=[0.3, 0.3, 0.3, 0.1])
    for epoch in range(5):
        before, after = plain[Draw(0, epoch)], jittered[Draw(0, epoch)]
        changed = (colours(before["image"]) - colours(after["image"])).abs().amax(dim=0)
        outside = (before["image"] == 0).all(dim=0)
        assert torch.equal(outside, (after["image"] == 0).all(dim=0))
        assert changed[~outside].median() > 5
        for key in {"tags", "labels"} & before.keys():
            assert torch.equal(before[key], after[key])


def test_a_view_is_a_function_of_seed_epoch_and_image(make: Make) -> None:
    varied: dict[str, Any] = {"flip": 0.5, "jitter": [0.3, 0.3, 0.3, 0.1]}
    first = make(**varied)[Draw(0, 3)]["image"]
    torch.manual_seed(77)
    np.random.seed(77)  # noqa: NPY002
    assert torch.equal(make(**varied)[Draw(0, 3)]["image"], first)
    assert not torch.equal(make(**varied)[Draw(0, 4)]["image"], first)
    assert not torch.equal(make(**varied, seed=1)[Draw(0, 3)]["image"], first)
