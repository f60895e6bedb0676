"""What is seen of a training while it runs: pictures in TensorBoard, the rate in the log."""

import logging
from dataclasses import replace

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_engine import run, stop_at, training, weights
from torch import Tensor, nn


def pictures(network: nn.Module) -> dict[str, Tensor]:
    torch.rand(5)  # a drawing may use up random numbers
    return {"maps of one image": torch.full((3, 4, 6), 0.5)}


def test_pictures_are_shown_at_each_resume_point_and_change_nothing(tmp_path):
    plain = run(tmp_path / "plain", training(), save_every=2)
    watched = run(tmp_path / "watched", replace(training(), pictures=pictures), save_every=2)
    events = EventAccumulator(str(watched.parent / "tensorboard")).Reload()
    assert events.Tags()["images"] == ["maps of one image"]
    assert [event.step for event in events.Images("maps of one image")] == [2, 4, 6, 8]
    assert "loss/loss" in events.Tags()["scalars"]
    before, after = weights(plain), weights(watched)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_log_says_how_many_images_a_second(tmp_path, caplog):
    caplog.set_level(logging.INFO, "ssenet")
    run(tmp_path, training())
    rate, made = (record.getMessage() for record in caplog.records[-2:])
    assert rate.startswith("training cam, step: 9 of 9, ")
    assert " images a second, took " in rate
    assert "trained on 12 images in 9 steps; last loss " in made


def test_the_curve_of_a_resumed_run_is_complete(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, training(stop_at(5)), save_every=2)
    run(tmp_path, training(), save_every=2)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("loss/loss")] == list(range(1, 10))
