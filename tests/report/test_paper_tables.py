"""The paper's tables: the right score in the right row, the published numbers only where asked."""

from pathlib import Path
from typing import Any

import pytest
from evaluation_files import SER, evaluation

from ssenet_core.io.files import read_json, write_json
from ssenet_core.report.paper_tables import branch_rates, model_labels, write_table


def evaluated(folder: Path, stage: str, name: str, miou: float, **more: Any) -> Path:
    """An evaluation file with one score that matters."""
    path = folder / f"{stage}-{name.replace('/', '-')}.json"
    write_json(path, evaluation(stage, name, miou, **more))
    return path


MODELS = {
    "baseline": {"ser": SER | {"weight": 0.0}, "resize": [448, 768]},
    "baseline-wide": {"ser": SER | {"weight": 0.0}, "resize": [224, 768]},
    "ssenet-0.5": {"ser": SER | {"rate": 0.5}, "resize": [448, 768]},
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
        name: {"ser": SER | change, "resize": [448, 768]}
        for name, change in {
            "ssenet": {},
            "raw": {"form": "raw"},
            "flip": {"transforms": ["flip"]},
            "plain": {"weight": 0},
        }.items()
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
