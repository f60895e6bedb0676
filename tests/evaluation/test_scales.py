"""Scores a scale: each equals the evaluation of maps that were inferred at that scale alone."""

from pathlib import Path

import pytest
from synthetic_run import Split, make_split
from tiny_network import write_network

from ssenet_core.cam.inference import infer_cam
from ssenet_core.data.manifest import load_manifest
from ssenet_core.evaluation.scales import evaluate_scales
from ssenet_core.evaluation.stages import evaluate_cam
from ssenet_core.io.files import read_json
from ssenet_core.settings import AlphaGrid, CamInference
from ssenet_core.shard import Shard

INFERENCE = CamInference(scales=(0.5, 1.0), flip=True, precision="32-true")
ALPHAS = AlphaGrid(start=0.1, stop=0.9, count=9)


@pytest.fixture
def split(tmp_path: Path) -> Split:
    return make_split(tmp_path, "pseudo_eval")


@pytest.fixture
def checkpoint(split: Split, tmp_path: Path) -> Path:
    return write_network(tmp_path / "model.pt", "cam", load_manifest(split.manifest).classes)


def scored_alone(split: Split, checkpoint: Path, folder: Path, scales: list[float]) -> dict:
    """The evaluation of maps that the workflow's own inference made at `scales`."""
    files = [folder / f"{image}.h5" for image in split.ids]
    shard = Shard(split.manifest, files, folder / "record.json", 0)
    infer_cam(shard, INFERENCE.model_copy(update={"scales": scales}), checkpoint=checkpoint)
    evaluate_cam(
        manifest=split.manifest,
        maps_dir=folder,
        output=folder / "scores.json",
        name="net",
        alpha=0.5,
        alphas=ALPHAS,
    )
    return read_json(folder / "scores.json")


def test_each_scale_scores_as_its_maps_do(split: Split, checkpoint: Path, tmp_path: Path) -> None:
    evaluate_scales(
        manifest=split.manifest,
        checkpoint=checkpoint,
        output=tmp_path / "scales.json",
        name="net",
        settings=INFERENCE,
        scales=[0.5, 1.5],
        alpha=0.5,
        alphas=ALPHAS,
    )
    found = read_json(tmp_path / "scales.json")
    assert list(found["scales"]) == ["0.5", "1.5", "MS"]
    for key, scales in (("0.5", [0.5]), ("1.5", [1.5]), ("MS", [0.5, 1.0])):
        alone = scored_alone(split, checkpoint, tmp_path / key, scales)
        together = found["scales"][key]
        # Maps are stored as float16: a few pixels may cross the threshold.
        assert together["miou"] == pytest.approx(alone["miou"], abs=0.5)
        assert together["curve"]["miou"] == pytest.approx(alone["curve"]["miou"], abs=0.5)
