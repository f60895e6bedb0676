"""Training metrics and benchmark tables, and what is said of broken ones."""

import math

import pytest

from ssenet_core.errors import SSENetError
from ssenet_core.report.figures import read_metrics
from ssenet_core.report.page import StageCost, duration, stage_costs


def test_metrics_keep_steps_and_loss_parts(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("step,epoch,lr,loss,ser\n1,0,0.1,2.5,\n2,0,0.09,2.0,0.5\n")
    found = read_metrics(path)
    assert list(found.index) == [1, 2]
    assert list(found) == ["loss", "ser"]
    assert list(found["loss"]) == [2.5, 2.0]
    assert math.isnan(found["ser"][1])


def test_benchmarks_are_summed_by_stage(tmp_path):
    (tmp_path / "a").write_text("s\th:m:s\tmax_rss\n10.0\t0:00:10\t500\n")
    (tmp_path / "b").write_text("s\th:m:s\tmax_rss\n70.0\t0:01:10\tNA\n")
    costs = stage_costs({"infer/x/0": tmp_path / "a", "infer/x/1": tmp_path / "b"})
    assert costs == [StageCost("infer", 2, 80.0, 70.0, 500.0)]
    (tmp_path / "short").write_text("s\tmax_rss\n2.0\t9.1\n")
    assert stage_costs({"score": tmp_path / "short"})[0].peak_mib is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.25, "4.2 s"), (80, "1 min 20 s"), (7790, "2 h 09 min")]
)
def test_durations_are_readable(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "step,loss\n1,much\n", "step,loss\n1\n"])
def test_broken_metrics_are_named_or_empty(tmp_path, content):
    path = tmp_path / "metrics.csv"
    path.write_text(content)
    if content.endswith("1\n"):  # a row that was cut off before its losses
        assert math.isnan(read_metrics(path)["loss"][1])
    else:
        with pytest.raises(SSENetError, match=r"metrics\.csv: expected"):
            read_metrics(path)
