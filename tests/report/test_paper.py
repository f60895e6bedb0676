"""The paper's tables, with the published numbers only where asked, and VOC's archive."""

import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_files import SER, evaluation

from ssenet_core.errors import SSENetError
from ssenet_core.io.files import read_json, write_json
from ssenet_core.io.images import write_label_png
from ssenet_core.report.paper import (
    CamModel,
    branch_rates,
    model_labels,
    pack_predictions,
    paper_score,
    write_table,
)
from ssenet_core.report.results import make_rows
from ssenet_core.settings import SerSettings


def evaluated(folder: Path, stage: str, name: str, miou: float, **more: Any) -> Path:
    """An evaluation file with one score that matters."""
    path = folder / f"{stage}-{name.replace('/', '-')}.json"
    write_json(path, evaluation(stage, name, miou, **more))
    return path


def model(shortest: int = 448, **changes: Any) -> CamModel:
    """A CAM variant that differs from the published one."""
    return CamModel(ser=SerSettings(**SER | changes), resize=(shortest, 768))


MODELS = {
    "baseline": model(weight=0.0),
    "baseline-wide": model(224, weight=0.0),
    "ssenet-0.5": model(rate=0.5),
}


def table(folder: Path, number: int, files: list[Path], published: bool) -> dict[str, Any]:
    write_table(
        number=number,
        evaluations=files,
        models=MODELS,
        published=published,
        title="A table",
        markdown=folder / "table.md",
        json=folder / "table.json",
    )
    return read_json(folder / "table.json")


@pytest.fixture
def cams(tmp_path: Path) -> list[Path]:
    return [
        evaluated(tmp_path, "cam", "baseline", 40.0),
        evaluated(tmp_path, "cam", "baseline-wide", 39.0),
        evaluated(tmp_path, "cam", "ssenet-0.5", 42.0),
        evaluated(tmp_path, "cam", "ssenet-0.5@1", 44.0),
    ]


def test_rates_have_both_scores_and_their_spread(tmp_path: Path, cams: list[Path]) -> None:
    walks = [
        evaluated(tmp_path, "random_walk", "baseline/default", 50.0),
        evaluated(tmp_path, "random_walk", "ssenet-0.5/default", 55.0),
    ]
    found = table(tmp_path, 1, [*cams, *walks], published=True)
    assert found["rows"] == [
        ["Baseline, baseline", "40.0", "50.0", "47.3", "58.8"],
        ["Baseline, baseline-wide", "39.0", "–", "47.3", "58.8"],
        ["SSENet (0.5)", "43.0 ± 1.4", "55.0", "48.9", "61.7"],
    ]
    assert (tmp_path / "table.md").read_text().splitlines()[2:4] == [
        "| Model | CAM (mIoU %) | CAM + random walk (mIoU %) | paper: CAM "
        "| paper: CAM + random walk |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]


def test_ranges_stand_beside_the_published_ones(tmp_path: Path, cams: list[Path]) -> None:
    found = table(tmp_path, 2, cams, published=True)
    assert found["rows"] == [
        ["Baseline", "[448, 768]", "40.0", "47.3"],
        ["Baseline", "[224, 768]", "39.0", "46.6"],
        ["SSENet (0.5)", "[448, 768]", "43.0 ± 1.4", "48.9"],
    ]


def test_other_datasets_have_no_published_numbers(tmp_path: Path, cams: list[Path]) -> None:
    first = table(tmp_path, 1, cams, published=False)["rows"][0]
    assert first == ["Baseline, baseline", "40.0", "–"]
    assert len(table(tmp_path, 2, cams, published=False)["header"]) == 3


def test_a_variant_of_another_kind_stands_alone_under_its_own_name() -> None:
    models = {
        "ssenet": model(),
        "raw": model(form="raw"),
        "flip": model(transforms=("flip",)),
        "plain": model(weight=0),
    }
    labels = ["SSENet (0.3)", "SSENet, raw", "SSENet, flip", "Baseline"]
    assert model_labels(models) == labels
    assert [row[3:] for row in branch_rates([], models, True).body] == [
        ["49.8", "62.1"],
        ["–", "–"],
        ["–", "–"],
        ["47.3", "58.8"],
    ]


def test_the_run_stands_last_among_the_methods(tmp_path: Path) -> None:
    name = "ssenet/default/default"
    file = evaluated(tmp_path, "deeplab", name, 61.0, split="val", tags_used=False)
    found = table(tmp_path, 3, [file], published=True)
    assert found["rows"][-1] == [f"this run: {name}", "Image-level", "", "61.0", "–"]
    assert found["rows"][-2] == ["SSENet (paper)", "Image-level", "", "63.3", "64.9"]
    assert len(found["rows"]) == 16
    assert len(table(tmp_path, 3, [file], published=False)["rows"]) == 1


@pytest.mark.parametrize(
    ("stage", "variant", "split", "score"),
    [
        ("cam", "ssenet", "pseudo_eval", 49.8),
        ("cam", "baseline", "pseudo_eval", 47.3),
        ("random_walk", "half/default", "pseudo_eval", 61.7),
        ("deeplab", "ssenet/d/d", "val", 63.3),
        ("deeplab", "half/d/d", "val", None),
        ("crf", "ssenet", "pseudo_eval", None),
        ("cam", "ssenet", "val", None),
        ("cam", "turned", "pseudo_eval", None),
        ("cam", "unknown", "pseudo_eval", None),
    ],
)
def test_the_papers_number_is_of_the_same_stage_and_rate(stage, variant, split, score):
    cams = {
        "baseline": model(weight=0).ser,
        "ssenet@2": model().ser,
        "half": model(rate=0.5).ser,
        "turned": model(transforms=("rotate",)).ser,
    }
    row = make_rows([evaluation(stage, variant, 50.0, split=split)])[0]
    assert paper_score(row, cams) == score


def test_files_lie_where_the_server_looks(tmp_path: Path) -> None:
    labels = np.array([[0, 3], [255, 20]], np.uint8)
    for name in ("2008_000001", "2008_000002"):
        write_label_png(tmp_path / f"{name}.png", labels)
    pack_predictions(["2008_000001", "2008_000002"], tmp_path, tmp_path / "out.tgz")
    with tarfile.open(tmp_path / "out.tgz") as tar:
        names = tar.getnames()
        member = tar.extractfile(names[0])
        assert member is not None
        assert member.read() == (tmp_path / "2008_000001.png").read_bytes()
    folder = "results/VOC2012/Segmentation/comp6_test_cls"
    assert names == [f"{folder}/2008_000001.png", f"{folder}/2008_000002.png"]


def test_missing_predictions_leave_no_archive(tmp_path: Path) -> None:
    with pytest.raises(SSENetError, match=r"2 of 2 predictions are missing.*2008_000001\.png"):
        pack_predictions(["2008_000001", "2008_000002"], tmp_path, tmp_path / "out.tgz")
    assert list(tmp_path.iterdir()) == []
