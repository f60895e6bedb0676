"""Per-image stages: their files do not depend on the processes that write them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stage_settings import SETTINGS, changed, stage_settings
from synthetic_run import make_split
from tiny_network import write_network

from ssenet_core.affinity.inference import random_walk
from ssenet_core.cam.inference import infer_cam
from ssenet_core.compute import inference_needs
from ssenet_core.data.manifest import load_manifest
from ssenet_core.deeplab.inference import predict
from ssenet_core.io.files import read_json
from ssenet_core.shard import Shard

CRF = {"iterations": 2}
INFERENCE = stage_settings("cam", {"inference": {"scales": [1.0, 0.5]}}).inference
WALK = stage_settings(
    "affinity",
    {
        "random_walk": {
            "steps_log2": 3,
            "radius": 2,
            "background": {"power": 16, "alpha": None},
            "crf": CRF,
        }
    },
).random_walk
PREDICTION = stage_settings(
    "deeplab", {"prediction": {"scales": [1.0, 0.5], "crf": CRF}}
).prediction


@pytest.mark.parametrize("stage", ["infer_cam", "random_walk", "predict"])
def test_workers_do_not_change_the_files(tmp_path: Path, stage: str) -> None:
    split = make_split(tmp_path, "train", sizes=[(24, 30), (31, 17), (16, 16), (20, 22)])
    classes = load_manifest(split.manifest).classes
    kind, suffix = {
        "infer_cam": ("cam", ".h5"),
        "random_walk": ("affinity", ".png"),
        "predict": ("deeplab", ".png"),
    }[stage]
    checkpoint = write_network(tmp_path / "model.pt", kind, classes)
    stages: dict[str, Callable[..., None]] = {
        "infer_cam": lambda shard, **how: infer_cam(shard, INFERENCE, **how),
        "random_walk": lambda shard, **how: random_walk(shard, WALK, maps_dir=split.maps, **how),
        "predict": lambda shard, **how: predict(shard, PREDICTION, **how),
    }
    contents: list[Any] = []
    for workers in (0, 2):
        folder = tmp_path / str(workers)
        files = [folder / f"{image}{suffix}" for image in split.ids]
        record = folder / "record.json"
        stages[stage](
            Shard(split.manifest, files, record, 3), checkpoint=checkpoint, workers=workers
        )
        assert read_json(record)["images"] == split.ids
        contents.append([file.read_bytes() for file in files])
    assert contents[0] == contents[1]


def test_inference_has_workers_where_it_has_a_gpu() -> None:
    compute = changed(SETTINGS.compute, {"gpus": 0, "inference_threads": 4, "shard_mem_mb": 2000})
    assert inference_needs(compute) == (1, 2000)
    threads, memory = inference_needs(changed(compute, {"gpus": 1}))
    assert threads == 4
    assert memory > 2000
