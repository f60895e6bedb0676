"""What a training job runs on, and starts from; the GPUs here are pretended."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from stage_settings import SETTINGS, changed
from tiny_network import SETTINGS as TINY

from ssenet_core.compute import training_devices
from ssenet_core.errors import SSENetError
from ssenet_core.models.checkpoints import save_checkpoint
from ssenet_core.models.device import claim_gpu, lock_folder
from ssenet_core.models.networks import build_network
from ssenet_core.training.engine import new_training
from ssenet_core.training.run import Devices, TrainingRun

CLASSES = ("cat", "dog")


@pytest.fixture
def three_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """Make torch see three GPUs, with a temporary folder of their own."""
    found = [SimpleNamespace(uuid=name) for name in "abc"]
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(found))
    monkeypatch.setattr(torch.cuda, "get_device_properties", found.__getitem__)


@pytest.mark.parametrize(("gpus", "nodes"), [(4, 1), (4, 2)])
@pytest.mark.usefixtures("three_gpus")
def test_more_gpus_than_there_are(gpus: int, nodes: int) -> None:
    with pytest.raises(SSENetError, match=r"asks for 4 GPUs.*finds 3; set compute.train_gpus"):
        Devices(gpus, nodes).fabric("32-true")


def test_a_gpu_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SSENetError, match=r"asks for 1 GPUs.*finds 0.*compute.gpus to 0"):
        Devices(1).fabric("32-true")


@pytest.mark.usefixtures("three_gpus")
def test_several_gpus_are_different_ones_that_no_other_job_has() -> None:
    claim_gpu(["b"], lock_folder())
    assert Devices(2).claim() == [0, 2]


@pytest.mark.usefixtures("three_gpus")
def test_all_gpus_are_taken_once_though_another_job_has_some() -> None:
    claim_gpu(["a"], lock_folder())
    claim_gpu(["a"], lock_folder())
    assert Devices(3).claim() == [0, 1, 2]


def test_processes_of_all_nodes_count() -> None:
    assert [Devices(*asked).processes for asked in ((), (1,), (4,), (4, 2))] == [1, 1, 4, 8]


def test_networks_are_compiled_for_gpus_alone() -> None:
    asked = [Devices(compile=True), Devices()]
    places = [torch.device("cuda", 0), torch.device("cpu")]
    found = [[devices.compiler(place) for place in places] for devices in asked]
    assert found == [["inductor", None], [None, None]]


@pytest.mark.parametrize("gpus", ["auto", 0, 1])
def test_a_training_has_the_compiler_that_is_configured(gpus: object) -> None:
    compute = changed(SETTINGS.compute, {"gpus": gpus})
    assert not Devices(**training_devices(compute)).compile
    assert Devices(**training_devices(changed(compute, {"compile": True}))).compile


def write_network(path: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    network = build_network(TINY["cam"], CLASSES)
    save_checkpoint(path, network, settings=TINY["cam"], classes=CLASSES)
    return path


def test_a_resume_point_is_of_its_initial_weights(tmp_path: Path) -> None:
    keys = []
    (tmp_path / "manifest.json").write_text("{}")
    for seed in (None, 1, 1, 2):
        run = TrainingRun(
            manifest=tmp_path / "manifest.json",
            checkpoint=tmp_path / "model.pt",
            metrics=tmp_path / "metrics.csv",
            weights=None if seed is None else write_network(tmp_path / "first.pt", seed),
        )
        images = SimpleNamespace(classes=CLASSES, longest_edge=64)
        keys.append(new_training(run, TINY["cam"], images, None, None).data)  # type: ignore[arg-type]
    none, first, again, other = keys
    assert first == again
    assert len({none, first, other}) == 3
