"""What the report's figures show, their colours, and the training metrics behind them."""

import math

import numpy as np
import pandas as pd
import pytest
from evaluation_files import equivariance, evaluation

from ssenet_core.errors import SSENetError
from ssenet_core.io.files import write_json
from ssenet_core.report.figures import (
    DARK,
    LIGHT,
    SERIES,
    Line,
    Panel,
    equivariance_chart,
    read_metrics,
    scale_chart,
    svg,
    threshold_chart,
    training_chart,
    variant_series,
)
from ssenet_core.report.results import load_scales, scale_table

CURVE = {
    "alpha": [0.1, 0.2],
    "miou": [40.0, 50.0],
    "mfn": [1.0, None],
    "mfp": [2.0, 0.5],
    "best_alpha": 0.2,
    "best_miou": 50.0,
}
NUMBERS = {"ssenet": 0, "ssenet@1": 0, "baseline": 1}


def luminance(colour: str) -> float:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_figures_stand_out_from_their_paper(theme):
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert min(contrast(theme[name], theme["card"]) for name in ("ink", "faint")) >= 4.5
    lines = [f"series-{number}" for number in range(SERIES)]
    assert min(contrast(theme[name], theme["card"]) for name in (*lines, "edge")) >= 3
    assert theme.keys() == LIGHT.keys()


def test_replicates_share_their_colour():
    assert variant_series(["base", "ssenet@0", "ssenet@1"]) == {
        "base": 0,
        "ssenet@0": 1,
        "ssenet@1": 1,
    }


def test_a_curve_is_marked_where_it_is_judged():
    cam = evaluation("cam", "ssenet", 45.0, alpha=0.15, curve=CURVE, mfn=None)
    chart = threshold_chart([cam, evaluation("crf", "ssenet", 60.0)], NUMBERS)
    miou, mfn, _ = chart.panels
    assert [line.dot for line in miou.lines] == [(0.15, 45.0)]
    assert [line.dot for line in mfn.lines] == [None]  # infinite there
    assert mfn.lines[0].y == [1.0, None]
    assert "ssenet is judged at alpha 0.15 with 45, and is best at 0.2 with 50" in miou.alt
    assert chart.key == [(0, "ssenet")]
    assert threshold_chart([evaluation("crf", "ssenet", 60.0)], NUMBERS) is None


def test_scales_are_drawn_in_their_order_and_infinite_ones_left_out():
    judged = evaluation("cam", "ssenet", 45.0, alpha=0.15, curve=CURVE, mfn=None)
    found = [{"name": "ssenet", "scales": {"2": judged, "0.5": judged | {"miou": 3}, "MS": judged}}]
    chart = scale_chart(found, NUMBERS)
    assert chart.panels[0].lines[0].x == [0.5, 2.0]
    assert chart.panels[0].lines[0].y == [3, 45.0]
    titles = [panel.title for panel in chart.panels]
    assert titles == [
        "mIoU by scale",
        "mFP by scale",
        "Scale 2",
        "Scale 0.5",
        "All scales together",
    ]
    header, body, _ = scale_table(found)
    assert header == ["Test scale", "ssenet"]
    assert body == [["2", "45.0"], ["0.5", "3.0"], ["together", "45.0"]]


def test_other_files_are_no_scores_by_scale(tmp_path):
    write_json(tmp_path / "a.json", evaluation("cam", "ssenet", 1.0))
    with pytest.raises(SSENetError, match=r"a\.json: expected scores by scale"):
        load_scales([tmp_path / "a.json"])


def test_equivariance_is_drawn_over_the_transforms_number():
    entry = equivariance("ssenet", 0.1, 0.2)
    assert equivariance_chart([entry], NUMBERS) is None  # a flip has no number
    entry["differences"] |= {"rotate 20°": 0.4, "rotate -20°": 0.3, "scale 2": None}
    chart = equivariance_chart([entry], NUMBERS)
    assert [panel.title for panel in chart.panels] == ["Rotated"]
    assert chart.panels[0].lines[0].x == [-20, 20]
    assert chart.panels[0].lines[0].y == [0.3, 0.4]


def losses(steps: list[int], **parts: list[float]) -> pd.DataFrame:
    return pd.DataFrame(parts, index=pd.Index(steps, name="step"))


def test_losses_of_replicates_are_averaged():
    runs = {
        "cam/a": losses([1, 2], loss=[1.0, 3.0], part=[1.0, 1.0]),
        "cam/a@1": losses([1, 2], loss=[3.0, 5.0], part=[2.0, 2.0]),
        "cam/a@2": losses([1], loss=[9.0], part=[9.0]),  # another number of steps
        "cam/b": losses([]),
    }
    chart = training_chart(runs)
    assert [panel.title for panel in chart.panels] == ["cam/a"]
    assert [line.y for line in chart.panels[0].lines] == [[2.0, 4.0], [1.5, 1.5]]
    assert chart.key == [(0, "loss"), (1, "part")]


def test_the_same_panel_gives_the_same_picture():
    panel = Panel("Title", "x", "y", [Line([1, 2], [3, None], 0)], "words", logarithmic=True)
    assert svg(panel, LIGHT) == svg(panel, LIGHT)
    assert svg(panel, LIGHT) != svg(panel, DARK)


def test_metrics_keep_steps_and_loss_parts(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("step,epoch,lr,loss,ser\n1,0,0.1,2.5,\n2,0,0.09,2.0,0.5\n")
    found = read_metrics(path)
    assert list(found.index) == [1, 2]
    assert list(found) == ["loss", "ser"]
    assert list(found["loss"]) == [2.5, 2.0]
    assert math.isnan(found["ser"][1])


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "step,loss\n1,much\n", "step,loss\n1\n"])
def test_broken_metrics_are_named_or_empty(tmp_path, content):
    path = tmp_path / "metrics.csv"
    path.write_text(content)
    if content.endswith("1\n"):  # a row that was cut off before its losses
        assert math.isnan(read_metrics(path)["loss"][1])
    else:
        with pytest.raises(SSENetError, match=r"metrics\.csv: expected"):
            read_metrics(path)
