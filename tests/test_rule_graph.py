"""The drawing in README.md has the stages of the default target, in their order."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAKER = runpy.run_path(str(ROOT / "docs" / "make_rule_graph.py"))

DOT = """
    0[label = "all", color = "red"];
    1[label = "infer_cam_train_000", color = "red"];
    2[label = "infer_cam_val_001", color = "red"];
    3[label = "train_cam", color = "red"];
    4[label = "report", color = "red"];
    3 -> 1
    3 -> 2
    3 -> 3
    1 -> 4
    2 -> 4
    3 -> 4
    4 -> 0
"""


@pytest.mark.workflow
def test_the_drawing_is_up_to_date() -> None:
    graph = MAKER["reduced"](MAKER["stages"](MAKER["printed_rules"]()))
    readme = (ROOT / "README.md").read_text()
    assert MAKER["drawn"](readme, MAKER["flowchart"](graph)) == readme, "run `make docs`"


@pytest.mark.parametrize(
    ("rule", "stage"),
    [
        ("infer_cam_train_000", "infer_cam"),
        ("manifest_pseudo_eval", "manifest"),
        ("evaluate_cam_val", "evaluate_cam"),
        ("train_cam", "train_cam"),
        ("predict_gallery", "predict_gallery"),
    ],
)
def test_splits_and_shards_are_one_stage(rule: str, stage: str) -> None:
    assert MAKER["stage"](rule) == stage


def test_stages_follow_each_other_without_loops() -> None:
    assert MAKER["stages"](DOT) == {
        "infer_cam": {"report"},
        "train_cam": {"infer_cam", "report"},
        "report": set(),
    }


def test_an_arrow_that_a_longer_way_says_is_left_out() -> None:
    chart = MAKER["flowchart"](MAKER["reduced"](MAKER["stages"](DOT)))
    assert "train_cam --> infer_cam\n    infer_cam --> report\n" in chart


def test_a_file_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="drawing"):
        MAKER["drawn"]("# Title\n", "")
