"""Photographs of one pixel and of 20,000 x 10 through every stage, at a tiny width of network."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from outcomes import tried
from PIL import Image
from samples import encoded
from stage_settings import SETTINGS as CONFIGURED
from stage_settings import changed
from tiny_network import SETTINGS, write_network

from ssenet_core.affinity.inference import random_walk
from ssenet_core.affinity.training import ConfidentViews
from ssenet_core.cam.inference import infer_cam
from ssenet_core.cam.training import TaggedViews
from ssenet_core.data.check import check_split
from ssenet_core.data.manifest import load_manifest
from ssenet_core.deeplab.inference import predict
from ssenet_core.deeplab.training import LabelledViews
from ssenet_core.evaluation.stages import (
    evaluate_cam,
    evaluate_crf,
    evaluate_labels,
    evaluate_trivial,
)
from ssenet_core.io.files import read_json, write_json
from ssenet_core.io.images import read_label_png, write_label_png
from ssenet_core.io.maps import read_maps, read_refined
from ssenet_core.refine import refine_cam
from ssenet_core.settings import AlphaGrid, DatasetSettings
from ssenet_core.shard import Shard
from ssenet_core.training.batches import Draw

SIZES = {"one": (1, 1), "wide": (20_000, 10), "high": (10, 20_000), "row": (40, 1), "odd": (33, 17)}
CLASSES = ["cat", "dog"]
VIEWS = {"crop": 48, "jitter": [0.2, 0.2, 0.2, 0.05], "flip": 0.5}
LARGEST = {"scales": [1.0, 0.5, 2.0]}
CAM = changed(SETTINGS["cam"], {**VIEWS, "resize": [40, 56], "inference": LARGEST})
AFFINITY = changed(SETTINGS["affinity"], VIEWS)
DEEPLAB = changed(SETTINGS["deeplab"], {**VIEWS, "scale": [0.5, 1.5], "prediction": LARGEST})
REFINE = CONFIGURED.refine


@dataclass(frozen=True)
class Run:
    """A folder with what the stages made of the photographs."""

    root: Path

    @property
    def manifest(self) -> Path:
        return self.root / "val.json"

    def shard(self, stage: str, suffix: str) -> Shard:
        files = [self.root / stage / f"{name}{suffix}" for name in SIZES]
        return Shard(self.manifest, files, self.root / f"{stage}.json", 0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Every per-image stage on every size."""
    root = tmp_path_factory.mktemp("extreme")
    rng = np.random.default_rng(0)
    for folder in ("JPEGImages", "SegmentationClass"):
        (root / folder).mkdir()
    for name, (width, height) in SIZES.items():
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        (root / "JPEGImages" / f"{name}.jpg").write_bytes(encoded(Image.fromarray(pixels), "JPEG"))
        labels = rng.integers(0, 3, (height, width), dtype=np.uint8)
        labels[0, 0] = 1  # a training image needs a tag
        write_label_png(root / "SegmentationClass" / f"{name}.png", labels)
    (root / "list.txt").write_text("\n".join(SIZES))
    section = {"name": "d", "source": "voc", "root": str(root), "classes": CLASSES, "list_dir": "."}
    dataset = DatasetSettings.model_validate(section | {"lists": {"val": "list"}})
    made = Run(root)
    check_split(dataset=dataset, split="val", output=made.manifest)
    for kind in ("cam", "affinity", "deeplab"):
        write_network(root / f"{kind}.pt", kind, CLASSES)
    infer_cam(made.shard("maps", ".h5"), CAM.inference, checkpoint=root / "cam.pt")
    refine_cam(made.shard("refined", ".h5"), REFINE, maps_dir=root / "maps")
    random_walk(
        made.shard("walk", ".png"),
        AFFINITY.random_walk,
        checkpoint=root / "affinity.pt",
        maps_dir=root / "maps",
    )
    predict(made.shard("answer", ".png"), DEEPLAB.prediction, checkpoint=root / "deeplab.pt")
    return made


@pytest.mark.parametrize("name", SIZES)
def test_every_stage_answers_at_the_photographs_size(run: Run, name: str) -> None:
    width, height = SIZES[name]
    maps = read_maps(run.root / "maps" / f"{name}.h5")
    assert maps.maps.shape == (len(maps.classes), height, width)
    assert np.isfinite(maps.maps).all()
    refined = read_refined(run.root / "refined" / f"{name}.h5")
    for posterior in refined.posteriors.values():
        assert posterior.shape == (len(maps.classes) + 1, height, width)
        np.testing.assert_allclose(posterior.sum(axis=0), 1, atol=0.02)
    for stage in ("walk", "answer"):
        labels = read_label_png(run.root / stage / f"{name}.png")
        assert labels.shape == (height, width)
        assert labels.max() <= len(CLASSES)


def test_every_answer_is_scored(run: Run) -> None:
    pixels = sum(width * height for width, height in SIZES.values())
    output = run.root / "scores.json"
    common = {"manifest": run.manifest, "output": output}
    evaluate_cam(
        **common,
        maps_dir=run.root / "maps",
        name="x",
        alpha=0.2,
        alphas=AlphaGrid(start=0.1, stop=0.5, count=2),
    )
    assert np.sum(read_json(output)["confusion"]) == pixels
    evaluate_crf(**common, refined_dir=run.root / "refined", name="x")
    assert np.sum(read_json(output)["confusion"]) == pixels
    for folder, stage in (("walk", "random_walk"), ("answer", "deeplab")):
        evaluate_labels(**common, labels_dir=run.root / folder, stage=stage, name="x/y")
        assert np.sum(read_json(output)["confusion"]) == pixels
    evaluate_trivial(**common, ellipse=0.7)
    assert len(read_json(output)["answers"]) == 2


def views(run: Run) -> Iterator[Any]:
    """The three trainings' views of the photographs."""
    images = load_manifest(run.manifest)
    yield TaggedViews(images, CAM)
    yield ConfidentViews(images, run.root / "refined", (4, 24), AFFINITY)
    yield LabelledViews(images, run.root / "walk", DEEPLAB)


def test_every_training_sees_crops_of_one_size(run: Run) -> None:
    for dataset in views(run):
        for image in range(len(SIZES)):
            for epoch in range(4):
                item = dataset[Draw(image=image, epoch=epoch)]
                assert item["image"].shape == (3, 48, 48)
                assert torch.isfinite(item["image"]).all()


@pytest.mark.parametrize("size", [(64, 56), (8, 8)])
def test_a_photograph_that_changed_its_size_is_named(run: Run, tmp_path: Path, size: Any) -> None:
    """Changed behind the back of a running workflow: no stage goes on with what does not fit."""
    image = tmp_path / "odd.jpg"
    image.write_bytes(encoded(Image.new("RGB", size), "JPEG"))
    manifest = read_json(run.manifest)
    (entry,) = (entry for entry in manifest["images"] if entry["id"] == "odd")
    manifest["images"] = [entry | {"image": str(image)}]
    write_json(tmp_path / "val.json", manifest)
    later = Run(tmp_path)
    paths = {"maps_dir": run.root / "maps"}
    shard = Shard(later.manifest, [tmp_path / "x" / "odd.h5"], tmp_path / "record.json", 0)
    images = load_manifest(later.manifest)
    steps: list[Callable[[], Any]] = [
        lambda: infer_cam(shard, CAM.inference, checkpoint=run.root / "cam.pt"),
        lambda: refine_cam(shard, REFINE, **paths),
        lambda: random_walk(
            shard, AFFINITY.random_walk, checkpoint=run.root / "affinity.pt", **paths
        ),
        lambda: predict(shard, DEEPLAB.prediction, checkpoint=run.root / "deeplab.pt"),
        lambda: TaggedViews(images, CAM)[Draw(0, 0)],
        lambda: ConfidentViews(images, run.root / "refined", (4, 24), AFFINITY)[Draw(0, 0)],
        lambda: LabelledViews(images, run.root / "walk", DEEPLAB)[Draw(0, 0)],
    ]
    for step in steps:
        assert tried("photographs that changed", step, image) is None
