"""AffinityNet's training views: each cell has the label that the CRFs give to its pixels."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from ramp import NO_JITTER, Places, Ramp, places, write_ramps
from stage_settings import stage_settings

from ssenet_core.affinity.labels import affinity_loss, pair_labels
from ssenet_core.affinity.pairs import pair_affinities
from ssenet_core.affinity.training import ConfidentViews, train_affinity
from ssenet_core.io.images import VOID
from ssenet_core.io.maps import RefinedScores, read_refined, write_refined
from ssenet_core.models.networks import build_network
from ssenet_core.training.batches import Draw
from ssenet_core.training.run import TrainingRun

RAMP = Ramp(20, 28, 8, 90, (2, 5))
STRIDE = 8


def random_posteriors(ramp: Ramp, seed: int) -> NDArray[np.float32]:
    """Probabilities of background, class 2 and class 5 that differ from place to place.

    With the seeds used here no two rows of a cell of `RAMP` are equal.
    """
    generator = np.random.default_rng(seed)
    scores = generator.random((3, ramp.height // 4, ramp.width // 4)).repeat(4, 1).repeat(4, 2)
    return (scores / scores.sum(axis=0)).astype(np.float32)


def cell_labels(
    at: Places, strong: NDArray[np.float32], weak: NDArray[np.float32], cut: bool
) -> NDArray[np.uint8]:
    """Labels of a view's cells, from the posteriors at the places that its pixels show.

    Args:
        at: what the view shows.
        strong: posteriors with the strong background: what is of a class even so is foreground.
        weak: posteriors with the weak background: what is background even so is background.
        cut: whether cells partly outside the photograph have a label, that of their part inside.
    """
    rows, columns = (np.where(at.inside, x, 0).round().astype(int) for x in at[1:])
    labels = np.full([edge // STRIDE for edge in at.inside.shape], VOID, np.uint8)
    for cell in np.ndindex(labels.shape):
        pixels = tuple(slice(STRIDE * i, STRIDE * (i + 1)) for i in cell)
        inside = at.inside[pixels]
        if not (inside.any() if cut else inside.all()):
            continue
        shown = rows[pixels][inside], columns[pixels][inside]
        foreground = strong[:, *shown].mean(axis=1).argmax()
        if weak[:, *shown].mean(axis=1).argmax() == 0:
            labels[cell] = 0
        elif foreground:
            labels[cell] = RAMP.tags[foreground - 1]
    return labels


def write_posteriors(folder: Path, ramp: Ramp) -> None:
    """Write the ramp's posteriors, of a background that is strong at the low power.

    The background (1 - max) ** power falls as the power grows.
    """
    posteriors = {"power-4": random_posteriors(ramp, 2), "power-24": random_posteriors(ramp, 34)}
    write_refined(folder / "ramp_0.h5", RefinedScores("ramp_0", np.array(ramp.tags), posteriors))


@pytest.mark.parametrize("padding", ["mean", "black"])
@pytest.mark.parametrize("flip", [0.0, 1.0])
@pytest.mark.parametrize("crop", [16, 24, 40])  # within the photograph, beyond an edge, beyond it
def test_labels_are_those_of_the_places_that_the_image_shows(
    tmp_path: Path, flip: float, crop: int, padding: str
) -> None:
    photographs = write_ramps(tmp_path, [RAMP])
    write_posteriors(tmp_path, RAMP)
    stored = read_refined(tmp_path / "ramp_0.h5").posteriors
    over = {"crop": crop, "jitter": NO_JITTER, "flip": flip, "padding": padding}
    views = ConfidentViews(photographs, tmp_path, (4, 24), stage_settings("affinity", over))
    seen = set()
    for epoch in range(40):
        item = views[Draw(0, epoch)]
        at = places(item["image"], RAMP, padding)
        expected = cell_labels(at, stored["power-4"], stored["power-24"], padding == "black")
        np.testing.assert_array_equal(item["labels"].numpy(), expected)
        seen |= set(expected.ravel().tolist())
        assert crop == 16 or not at.inside.all()
    assert seen == {0, *RAMP.tags, VOID}


@pytest.mark.parametrize(("radius", "pairs"), [(2, "all"), (4, "all"), (4, "inner")])
def test_the_first_loss_is_that_of_the_pairs_within_the_radius(
    tmp_path: Path, radius: int, pairs: str
) -> None:
    ramp = Ramp(64, 96, 2, 90, RAMP.tags)
    photographs = write_ramps(tmp_path, [ramp])
    write_posteriors(tmp_path, ramp)
    over = {"backbone": {"width": 1 / 32}, "crop": 72, "epochs": 1}
    over |= {"radius": radius, "pairs": pairs}
    settings = stage_settings("affinity", over)
    metrics = tmp_path / "metrics.csv"
    run = TrainingRun(tmp_path / "manifest.json", tmp_path / "model.pt", metrics)
    train_affinity(run, settings, labels_dir=tmp_path, powers=(4, 24))
    torch.manual_seed(settings.seed)
    network = build_network(settings, photographs.classes).train()
    item = ConfidentViews(photographs, tmp_path, (4, 24), settings)[Draw(0, 0)]
    with torch.no_grad():
        affinities = pair_affinities(network(item["image"][None]), radius, pairs)
    expected = affinity_loss(affinities, pair_labels(item["labels"][None], radius, pairs))
    (row,) = csv.DictReader(metrics.read_text().splitlines())
    for name in ("background", "foreground", "different"):
        assert float(row[name]) == pytest.approx(float(expected[name]), rel=1e-3)
        assert float(row[name]) > 0
