"""Corrected labels in the training datasets: where they are, and nowhere else."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from ramp import NO_JITTER, Ramp, places, write_ramps
from stage_settings import stage_settings
from torch import Tensor

from ssenet_core.affinity.training import ConfidentViews
from ssenet_core.data.corrections import gather_corrections
from ssenet_core.deeplab.training import LabelledViews
from ssenet_core.io.images import VOID, write_label_png
from ssenet_core.io.maps import RefinedScores, write_refined
from ssenet_core.training.batches import Draw
from ssenet_core.training.corrections import NO_CORRECTIONS, Corrections

RAMPS = (Ramp(24, 32, 7, 90, (1,)), Ramp(24, 32, 7, 200, (1,)))
STRIDE = 8
Labels = NDArray[np.uint8]


def correction() -> Labels:
    """Corrections of whole cells, unlike their mirror image; class 3 is no tag of the image."""
    cells = [[VOID, 3, 3, 0], [VOID, VOID, 1, 0], [1, VOID, VOID, VOID]]
    return np.array(cells, np.uint8).repeat(STRIDE, axis=0).repeat(STRIDE, axis=1)


def first_column(view: Tensor, ramp: Ramp, flip: float) -> int:
    """The photograph's column that a crop of its height begins with, mirrored or not."""
    # Colours are a few grey values off: even a change of hue by 0 is made in 8 bits.
    columns = places(view, ramp, "black").columns
    return round(float(np.median(columns[:, -1 if flip else 0])))


@pytest.fixture
def corrected(tmp_path: Path) -> Corrections:
    """The corrections of ramp_0, of which ramp_1 has none."""
    write_ramps(tmp_path, RAMPS)
    write_label_png(tmp_path / "mended" / "ramp_0.png", correction())
    gather_corrections(
        source=tmp_path / "mended",
        manifest=tmp_path / "manifest.json",
        record=tmp_path / "corrections.json",
    )
    return Corrections(tmp_path / "corrections.json")


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_deeplab_learns_corrected_pixels_and_pseudo_labels_elsewhere(
    tmp_path: Path, corrected: Corrections, flip: float
) -> None:
    pseudo = (np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) % 6).astype(np.uint8)
    for image in ("ramp_0", "ramp_1"):
        write_label_png(tmp_path / "labels" / f"{image}.png", pseudo)
    over = {"jitter": NO_JITTER, "scale": [1.0, 1.0], "crop": 24, "flip": flip}
    settings = stage_settings("deeplab", over)
    views = LabelledViews(write_ramps(tmp_path, RAMPS), tmp_path / "labels", settings, corrected)
    whole = (np.where(correction() == VOID, pseudo, correction()), pseudo)
    for image, (ramp, labels) in enumerate(zip(RAMPS, whole, strict=True)):
        for epoch in range(8):
            item = views[Draw(image, epoch)]
            left = first_column(item["image"], ramp, flip)
            shown = labels[:, left : left + 24][:, :: -1 if flip else 1]
            np.testing.assert_array_equal(item["labels"], shown)


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_affinitynet_is_sure_of_corrected_cells_alone(
    tmp_path: Path, corrected: Corrections, flip: float
) -> None:
    unsure = {"power-4": np.zeros((2, 24, 32)), "power-24": np.zeros((2, 24, 32))}
    unsure["power-4"][0], unsure["power-24"][1] = 1, 1  # background, then foreground: neither
    unsure["power-4"][:, :8, :8] = unsure["power-24"][:, :8, :8] = [[[0.1]], [[0.9]]]  # class 1
    for image in ("ramp_0", "ramp_1"):
        posteriors = {name: found.astype(np.float32) for name, found in unsure.items()}
        refined = RefinedScores(image, np.array([1]), posteriors)
        write_refined(tmp_path / "labels" / f"{image}.h5", refined)
    over = {"jitter": NO_JITTER, "crop": 24, "flip": flip, "padding": "black"}
    settings = stage_settings("affinity", over)
    photographs = write_ramps(tmp_path, RAMPS)
    views = ConfidentViews(photographs, tmp_path / "labels", (4, 24), settings, corrected)
    cells = correction()[::STRIDE, ::STRIDE].copy()
    alone = np.full_like(cells, VOID)
    cells[0, 0] = alone[0, 0] = 1  # of the posteriors
    for image, expected in enumerate((cells, alone)):
        seen = set()
        for epoch in range(40):
            item = views[Draw(image, epoch)]
            left = first_column(item["image"], RAMPS[image], flip)
            if left % STRIDE == 0:
                shown = expected[:, left // STRIDE :][:, :3]
                np.testing.assert_array_equal(item["labels"], shown[:, :: -1 if flip else 1])
                seen.add(left)
        assert len(seen) == 2


def test_a_training_of_other_corrections_does_not_resume(
    tmp_path: Path, corrected: Corrections
) -> None:
    write_label_png(tmp_path / "mended" / "ramp_1.png", correction())
    gather_corrections(
        source=tmp_path / "mended",
        manifest=tmp_path / "manifest.json",
        record=tmp_path / "more.json",
    )
    keys = {found.key for found in (NO_CORRECTIONS, corrected, Corrections(tmp_path / "more.json"))}
    assert len(keys) == 3
