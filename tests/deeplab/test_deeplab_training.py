"""DeepLab's training views: each pixel has the label of the place in the photograph it shows."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from ramp import NO_JITTER, Ramp, colours, places, write_ramps
from stage_settings import stage_settings

from ssenet_core.data.augment import resize_by
from ssenet_core.deeplab.training import LabelledViews
from ssenet_core.io.images import VOID, write_label_png
from ssenet_core.training.batches import Draw

RAMPS = (Ramp(12, 20, 10, 90, (1,)), Ramp(19, 13, 10, 130, (2,)))


def labelled_ramps(folder: Path, crop: int, **over: object) -> LabelledViews:
    """Ramps whose labels count the pixels of the photograph, row by row."""
    photographs = write_ramps(folder, RAMPS)
    for record, ramp in zip(photographs.images, RAMPS, strict=True):
        labels = np.arange(ramp.height * ramp.width, dtype=np.uint8)
        path = folder / "labels" / f"{record.id}.png"
        write_label_png(path, labels.reshape(ramp.height, ramp.width))
    settings = stage_settings("deeplab", {"jitter": NO_JITTER, **over})
    settings = settings.model_copy(update={"crop": crop})  # also smaller than a user's may be
    return LabelledViews(photographs, folder / "labels", settings)


@pytest.mark.parametrize("flip", [0.0, 1.0])
@pytest.mark.parametrize("crop", [9, 16, 48])  # within the photograph, beyond an edge, beyond it
def test_labels_are_those_of_the_places_that_the_image_shows(
    tmp_path: Path, flip: float, crop: int
) -> None:
    views = labelled_ramps(tmp_path, scale=[0.5, 2.0], crop=crop, flip=flip)
    for image, ramp in enumerate(RAMPS):
        off = []
        for epoch in range(25):
            item = views[Draw(image, epoch)]
            at, labels = places(item["image"], ramp), item["labels"].numpy()
            np.testing.assert_array_equal(labels != VOID, at.inside)
            rows, columns = np.divmod(labels[at.inside].astype(float), ramp.width)
            off.append([at.rows[at.inside] - rows, at.columns[at.inside] - columns])
        # A pixel's label is that of the pixel in which its centre lies, half a pixel off at most,
        # to either side. Colours are a few grey values off, as they have 8 bits.
        distances = np.concatenate(off, axis=1)
        assert np.abs(distances).max() < 1
        assert np.abs(distances.mean(axis=1)).max() < 0.1


def test_the_whole_range_of_scales_is_used(tmp_path: Path) -> None:
    views = labelled_ramps(tmp_path, scale=[0.5, 2.0], crop=48, flip=0.0)
    widths = []
    for epoch in range(300):
        inside = places(views[Draw(0, epoch)]["image"], RAMPS[0]).inside
        height, width = (int(inside.any(axis=axis).sum()) for axis in (1, 0))
        assert abs(height - width * 12 / 20) <= 0.8  # each edge is rounded
        widths.append(width)
    assert set(widths) == set(range(10, 41))


@pytest.mark.parametrize("antialias", [False, True])
def test_photographs_are_resized_with_or_without_antialiasing(
    tmp_path: Path, antialias: bool
) -> None:
    over = {"scale": [0.5, 0.5], "crop": 6, "flip": 0.0, "antialias": antialias}
    views = labelled_ramps(tmp_path, **over)
    noise = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "ramp_0.png")
    write_label_png(tmp_path / "labels" / "ramp_0.png", np.zeros((12, 20), np.uint8))
    found = colours(views[Draw(0, 0)]["image"]).permute(1, 2, 0).numpy()
    resized = np.array(resize_by(Image.fromarray(noise), 0.5, antialias))  # 6 x 10
    crops = [resized[:, left : left + 6] for left in range(5)]
    # The jitter goes by HSV, which costs a few grey values even where it changes nothing.
    assert min(np.abs(found - crop).max() for crop in crops) < 8
