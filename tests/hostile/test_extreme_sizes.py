"""Photographs of one pixel and of 20,000 x 10 through every stage, at a tiny width of network."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from outcomes import tried
from PIL import Image
from samples import encoded
from tiny_network import SETTINGS, write_network

from ssenet_core.affinity.inference import random_walk
from ssenet_core.affinity.training import ConfidentViews
from ssenet_core.cam.inference import infer_cam
from ssenet_core.cam.training import TaggedViews
from ssenet_core.data.manifest import build_manifest, load_manifest
from ssenet_core.data.manifest_entries import to_json
from ssenet_core.deeplab.inference import predict
from ssenet_core.deeplab.training import LabelledViews
from ssenet_core.evaluation.stages import (
    evaluate_cam,
    evaluate_crf,
    evaluate_labels,
    evaluate_trivial,
)
from ssenet_core.refine import refine_cam
from ssenet_core.shard import Shard
from ssenet_core.storage import (
    read_json,
    read_label_png,
    read_maps,
    read_refined,
    write_json,
    write_label_png,
)
from ssenet_core.training.batches import Draw

SIZES = {"one": (1, 1), "wide": (20_000, 10), "high": (10, 20_000), "row": (40, 1), "odd": (33, 17)}
CLASSES = ["cat", "dog"]
CRF = {
    "iterations": 2,
    "gaussian": {"sxy": 3, "compat": 3},
    "bilateral": {"sxy": 80, "srgb": 13, "compat": 10},
}
INFERENCE = {"scales": [1.0, 0.5, 2.0], "flip": True, "precision": "32-true"}
REFINE = {"powers": [4, 24], "alpha": 0.2, **CRF}
WALK: dict[str, Any] = {
    "beta": 8,
    "steps_log2": 8,
    "radius": 5,
    "pairs": "all",
    "background": {"alpha": 0.3, "power": None},
    "crf": CRF,
    "precision": "32-true",
}
VIEWS = {
    **SETTINGS,
    "seed": 0,
    "crop": 48,
    "resize": [40, 56],
    "scale": [0.5, 1.5],
    "jitter": [0.2, 0.2, 0.2, 0.05],
    "padding": "mean",
    "antialias": True,
    "flip": 0.5,
}


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
    dataset = {"name": "d", "source": "voc", "root": str(root), "classes": CLASSES, "list_dir": "."}
    dataset |= {"tags": ["masks"], "lists": {"val": "list"}}
    made = Run(root)
    build_manifest(dataset=dataset, split="val", output=made.manifest, disjoint_from={})
    for kind in ("cam", "affinity", "deeplab"):
        write_network(root / f"{kind}.pt", kind, CLASSES)
    infer_cam(made.shard("maps", ".h5"), INFERENCE, checkpoint=root / "cam.pt")
    refine_cam(made.shard("refined", ".h5"), REFINE, maps_dir=root / "maps")
    random_walk(
        made.shard("walk", ".png"), WALK, checkpoint=root / "affinity.pt", maps_dir=root / "maps"
    )
    predict(made.shard("answer", ".png"), {**INFERENCE, "crf": CRF}, checkpoint=root / "deeplab.pt")
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
    evaluate_cam(**common, maps_dir=run.root / "maps", name="x", alpha=0.2, alphas=[0.1, 0.5])
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
    yield TaggedViews(images, VIEWS)
    yield ConfidentViews(images, run.root / "refined", (4, 24), VIEWS)
    yield LabelledViews(images, run.root / "walk", VIEWS)


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
    record = replace(load_manifest(run.manifest).record("odd"), image=tmp_path / "odd.jpg")
    record.image.write_bytes(encoded(Image.new("RGB", size), "JPEG"))
    manifest = read_json(run.manifest)
    manifest["images"] = [to_json(record)]
    write_json(tmp_path / "val.json", manifest)
    later = Run(tmp_path)
    paths = {"maps_dir": run.root / "maps"}
    shard = Shard(later.manifest, [tmp_path / "x" / "odd.h5"], tmp_path / "record.json", 0)
    images = load_manifest(later.manifest)
    steps: list[Callable[[], Any]] = [
        lambda: infer_cam(shard, INFERENCE, checkpoint=run.root / "cam.pt"),
        lambda: refine_cam(shard, REFINE, **paths),
        lambda: random_walk(shard, WALK, checkpoint=run.root / "affinity.pt", **paths),
        lambda: predict(shard, {**INFERENCE, "crf": None}, checkpoint=run.root / "deeplab.pt"),
        lambda: TaggedViews(images, VIEWS)[Draw(0, 0)],
        lambda: ConfidentViews(images, run.root / "refined", (4, 24), VIEWS)[Draw(0, 0)],
        lambda: LabelledViews(images, run.root / "walk", VIEWS)[Draw(0, 0)],
    ]
    for step in steps:
        assert tried("photographs that changed", step, record.image) is None
