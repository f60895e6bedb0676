"""The stages' answers to pictures without symmetry fit the pictures' own masks alone."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colour_network import write_colour_network
from numpy.typing import NDArray
from ramp import write_pictures
from scipy.ndimage import maximum_filter, minimum_filter
from stage_settings import SETTINGS, stage_settings

from ssenet_core.affinity.inference import random_walk
from ssenet_core.cam.inference import infer_cam
from ssenet_core.deeplab.inference import predict
from ssenet_core.evaluation.stages import evaluate_cam, evaluate_crf, evaluate_labels
from ssenet_core.io.files import write_json
from ssenet_core.io.images import VOID, write_label_png
from ssenet_core.refine import refine_cam
from ssenet_core.shard import Shard

CLASSES = ("red", "green")
GREY, RED, GREEN = (80, 80, 80), (230, 60, 60), (60, 230, 60)
BRIGHT = [[1.0, 0.0, 0.0, -0.5], [0.0, 1.0, 0.0, -0.5]]
RIM = 12  # pixels around an outline that cells of 8 pixels cannot tell


@dataclass(frozen=True)
class Run:
    """A split, its masks and where the stages' answers lie."""

    manifest: Path
    root: Path
    masks: dict[str, NDArray[np.uint8]]


def with_rim(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Labels whose outlines are void."""
    outline = maximum_filter(labels, 2 * RIM + 1) != minimum_filter(labels, 2 * RIM + 1)
    return np.where(outline, VOID, labels).astype(np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """All stages on two pictures: red in one corner, red and green in others."""
    root = tmp_path_factory.mktemp("run")
    labels = np.zeros((2, 80, 112), np.uint8)
    labels[0, :36, :40] = 1
    labels[1, 40:, :38] = 2
    labels[1, :36, 60:] = 1
    pictures, masks = [], {}
    for number, truth in enumerate(labels):
        masks[f"picture_{number}"] = with_rim(truth)
        mask = root / f"mask_{number}.png"
        write_label_png(mask, masks[f"picture_{number}"])
        tags = [int(label) for label in np.unique(truth) if label]
        pictures.append((np.array([GREY, RED, GREEN], np.uint8)[truth], tags, mask))
    images = write_pictures(root, "picture", pictures, CLASSES).images

    def shard(folder: str, suffix: str) -> Shard:
        files = [root / folder / f"{image.id}{suffix}" for image in images]
        return Shard(root / "manifest.json", files, root / f"{folder}.json", 0)

    rows = {
        "cam": BRIGHT,
        "affinity": [[80.0, 0.0, 0.0, 0.0], [0.0, 80.0, 0.0, 0.0]],
        "deeplab": [[0.0, 0.0, 0.0, 0.0], *BRIGHT],
    }
    for kind, table in rows.items():
        write_colour_network(root / f"{kind}.pt", kind, CLASSES, table)
    inference = stage_settings("cam", {}).inference
    walk = stage_settings("affinity", {}).random_walk
    prediction = stage_settings("deeplab", {}).prediction
    maps = root / "cam"
    infer_cam(shard("cam", ".h5"), inference, checkpoint=root / "cam.pt")
    refine_cam(shard("crf", ".h5"), SETTINGS.refine, maps_dir=maps)
    random_walk(shard("walk", ".png"), walk, checkpoint=root / "affinity.pt", maps_dir=maps)
    predict(shard("deeplab", ".png"), prediction, checkpoint=root / "deeplab.pt")
    return Run(root / "manifest.json", root, masks)


def miou(run: Run, stage: str, output: Path) -> float:
    places: dict[str, Any] = {"manifest": run.manifest, "output": output, "name": "colours"}
    if stage == "cam":
        evaluate_cam(
            maps_dir=run.root / "cam", alpha=0.2, alphas=SETTINGS.evaluation.alphas, **places
        )
    elif stage == "crf":
        evaluate_crf(refined_dir=run.root / "crf", **places)
    else:
        evaluate_labels(labels_dir=run.root / stage, stage=stage, **places)
    return float(json.loads(output.read_text())["miou"])


WRONG: dict[str, Callable[[dict[str, NDArray[np.uint8]]], list[NDArray[np.uint8]]]] = {
    "mirrored": lambda masks: [mask[:, ::-1] for mask in masks.values()],
    "upside down": lambda masks: [mask[::-1] for mask in masks.values()],
    "the other picture's": lambda masks: [*masks.values()][::-1],
    "classes exchanged": lambda masks: [
        np.array([0, 2, 1, *[VOID] * 253], np.uint8)[mask] for mask in masks.values()
    ],
}


@pytest.mark.parametrize("stage", ["cam", "crf", "walk", "deeplab"])
def test_an_answer_is_right_by_its_own_mask_alone(run: Run, stage: str, tmp_path: Path) -> None:
    assert miou(run, stage, tmp_path / "own.json") > 99
    manifest = json.loads(run.manifest.read_text())
    for name, wrong in WRONG.items():
        for entry, mask in zip(manifest["images"], wrong(run.masks), strict=True):
            entry["mask"] = str(tmp_path / name / f"{entry['id']}.png")
            write_label_png(entry["mask"], mask)
        write_json(tmp_path / name / "manifest.json", manifest)
        other = replace(run, manifest=tmp_path / name / "manifest.json")
        assert miou(other, stage, tmp_path / "other.json") < 60
