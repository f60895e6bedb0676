"""The whole chain, trained from tags on a few small pictures, beats what the tags alone are worth.

A stage that learns from the wrong places, or hands its answer on wrongly, ends near the answers
that need no network.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from ramp import write_pictures
from stage_settings import SETTINGS, stage_settings

from ssenet_core.affinity.inference import random_walk
from ssenet_core.affinity.training import train_affinity
from ssenet_core.cam.inference import infer_cam
from ssenet_core.cam.training import train_cam
from ssenet_core.data.manifest import Manifest
from ssenet_core.deeplab.inference import predict
from ssenet_core.deeplab.training import train_deeplab
from ssenet_core.evaluation.stages import evaluate_cam, evaluate_labels, evaluate_trivial
from ssenet_core.io.images import write_label_png
from ssenet_core.refine import refine_cam
from ssenet_core.shard import Shard
from ssenet_core.training.run import TrainingRun

CLASSES = ("red disc", "blue disc")
COLOURS = np.array([[200, 70, 60], [60, 80, 200]])
SIDE = 64
SMALL = {
    "backbone": {"width": 1 / 16},
    "crop": SIDE,
    "batch_size": 4,
    "optimizer": {"lr": 0.002, "head_lr": 1},
}


def draw(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A picture of one or two discs away from its middle, and its labels."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    ground = rng.normal(rng.uniform(80, 170), 25, (SIDE // 4, SIDE // 4)).repeat(4, 0).repeat(4, 1)
    picture, labels = np.stack([ground] * 3, axis=2), np.zeros((SIDE, SIDE), np.uint8)
    corners = rng.permutation(4)
    for corner, kind in zip(corners, rng.permutation(2)[: 1 + (seed % 3 == 0)], strict=False):
        row, column = (SIDE * (0.25 + 0.5 * half) for half in divmod(int(corner), 2))
        row, column = row + rng.uniform(-3, 3), column + rng.uniform(-3, 3)
        disc = np.hypot(y - row, x - column) < rng.uniform(10, 14)
        picture[disc], labels[disc] = COLOURS[kind] + 0.3 * (ground[disc][:, None] - 125), kind + 1
    picture += rng.normal(0, 8, picture.shape)
    return picture.clip(0, 255).astype(np.uint8), labels


def write_split(folder: Path, seeds: range) -> Manifest:
    """Pictures with their tags and masks; of the masks only evaluations read."""
    pictures = []
    for seed in seeds:
        picture, labels = draw(seed)
        mask = folder / "masks" / f"{seed}.png"
        write_label_png(mask, labels)
        pictures.append((picture, np.unique(labels[labels > 0]).tolist(), mask))
    return write_pictures(folder, "disc", pictures, CLASSES)


@dataclass(frozen=True)
class Chain:
    """The files of the chain, a folder a stage."""

    root: Path
    train: Manifest
    val: Manifest

    def run(self, stage: str, weights: str | None = None) -> TrainingRun:
        return TrainingRun(
            manifest=self.root / "train" / "manifest.json",
            checkpoint=self.root / stage / "model.pt",
            metrics=self.root / stage / "metrics.csv",
            weights=weights and self.root / weights / "model.pt",
        )

    def shard(self, folder: str, suffix: str, split: str = "train") -> Shard:
        images = (self.train if split == "train" else self.val).images
        files = [self.root / folder / f"{image.id}{suffix}" for image in images]
        return Shard(self.root / split / "manifest.json", files, self.root / f"{folder}.json", 0)


def train_all(chain: Chain) -> None:
    """CAM, dense CRF, AffinityNet, random walk and DeepLab, each from what the last one wrote."""
    root, refine = chain.root, SETTINGS.refine
    # The variant from random weights, without the second view: the shortest training that finds
    # the discs.
    cam = stage_settings("cam", SMALL | {"epochs": 20, "resize": [60, 72]}, "pretrained")
    affinity = stage_settings("affinity", SMALL | {"epochs": 6})
    deeplab = stage_settings("deeplab", SMALL | {"iterations": 150})
    maps = root / "maps"
    train_cam(chain.run("cam"), cam)
    infer_cam(chain.shard("maps", ".h5"), cam.inference, checkpoint=root / "cam" / "model.pt")
    refine_cam(chain.shard("refined", ".h5"), refine, maps_dir=maps)
    run = chain.run("affinity", "cam")
    train_affinity(run, affinity, labels_dir=root / "refined", powers=refine.powers)
    random_walk(
        chain.shard("walk", ".png"),
        affinity.random_walk,
        checkpoint=run.checkpoint,
        maps_dir=maps,
    )
    run = chain.run("deeplab", "cam")
    train_deeplab(run, deeplab, labels_dir=root / "walk")
    predict(chain.shard("predicted", ".png", "val"), deeplab.prediction, checkpoint=run.checkpoint)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    root = tmp_path_factory.mktemp("chain")
    made = Chain(
        root, write_split(root / "train", range(24)), write_split(root / "val", range(100, 116))
    )
    train_all(made)
    return made


def scored(chain: Chain, stage: str) -> tuple[float, list[float]]:
    """A stage's mIoU, and those of the two trivial answers on the same split.

    Maps are judged at the threshold of their curve that suits them, as their maxima are a matter of
    the training's length. DeepLab is judged on pictures that it has not seen.
    """
    output = chain.root / "score.json"
    split = "val" if stage == "predicted" else "train"
    places: dict[str, Any] = {"manifest": chain.root / split / "manifest.json", "output": output}
    answer = places | {"name": stage}
    if stage == "maps":
        how = SETTINGS.evaluation
        evaluate_cam(maps_dir=chain.root / stage, **answer, alpha=how.alpha, alphas=how.alphas)
    else:
        evaluate_labels(labels_dir=chain.root / stage, stage=stage, **answer)
    found = json.loads(output.read_text())
    miou = found["curve"]["best_miou"] if stage == "maps" else found["miou"]
    evaluate_trivial(ellipse=SETTINGS.evaluation.ellipse, **places)
    return miou, [entry["miou"] for entry in json.loads(output.read_text())["answers"]]


@pytest.mark.parametrize("stage", ["maps", "walk", "predicted"])
def test_each_stage_beats_the_answers_that_need_no_network(chain: Chain, stage: str) -> None:
    miou, trivial = scored(chain, stage)
    # Background alone would score 28 %, an ellipse, which misses the discs, 25 %.
    assert miou > 2 * max(trivial)
