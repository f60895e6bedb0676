"""What tells a training job's resume points from those of other jobs."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tiny_network import SETTINGS

from ssenet_core.models.checkpoints import save_checkpoint
from ssenet_core.models.networks import build_network
from ssenet_core.training import run as run_module
from ssenet_core.training.devices import ANY_DEVICE
from ssenet_core.training.run import TrainingRun, train

CLASSES = ("cat", "dog")


def write_network(path: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    network = build_network(SETTINGS["cam"], CLASSES)
    save_checkpoint(path, network, settings=SETTINGS["cam"], classes=CLASSES)
    return path


def test_a_resume_point_is_of_its_first_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = []
    monkeypatch.setattr(run_module, "fit", lambda job, *_, **__: keys.append(job.data))
    (tmp_path / "manifest.json").write_text("{}")
    for seed in (None, 1, 1, 2):
        run = TrainingRun(
            manifest=tmp_path / "manifest.json",
            checkpoint=tmp_path / "model.pt",
            metrics=tmp_path / "metrics.csv",
            weights=None if seed is None else write_network(tmp_path / "first.pt", seed),
        )
        images = SimpleNamespace(classes=CLASSES)
        train(ANY_DEVICE.fabric("32-true"), run, SETTINGS["cam"], images, None, None)  # type: ignore[arg-type]
    none, first, again, other = keys
    assert first == again
    assert len({none, first, other}) == 3
