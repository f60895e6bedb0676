"""Two processes train as one does: same losses, same weights; they resume, and fail, together."""

import csv
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from stage_settings import changed
from tiny_network import SETTINGS as TINY
from torch import Tensor, nn
from torch.utils.data import Dataset

from ssenet_core.affinity.training import pair_loss
from ssenet_core.cam.training import cam_loss
from ssenet_core.deeplab.training import pixel_loss
from ssenet_core.errors import SSENetError
from ssenet_core.io.images import VOID
from ssenet_core.io.tensors import load_tensors
from ssenet_core.models.backbone import batch_norms
from ssenet_core.models.networks import build_network
from ssenet_core.training.batches import Draw, augmentation_rng
from ssenet_core.training.distributed import process_rank
from ssenet_core.training.engine import Training, fit
from ssenet_core.training.launch import launch
from ssenet_core.training.run import Devices, TrainingRun

CLASSES = ("red", "green")
STEPS = 6
COMMON = {
    "seed": 3,
    "batch_size": 4,
    "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4, "head_lr": 10},
}
# Steps of two for each epoch of ten images.
TRAINED = {
    "cam": COMMON | {"epochs": STEPS // 2},
    "affinity": COMMON | {"epochs": STEPS // 2},
    "deeplab": COMMON | {"iterations": STEPS},
}
# So that what rounding adds is far below what a wrong mean would.
PRECISION = "64-true"
SETTINGS = {
    kind: changed(made, TRAINED[kind]).model_copy(update={"precision": PRECISION})
    for kind, made in TINY.items()
}
EQUIVARIANT = {"ser": {"transforms": ["scale", "rotate"]}}
LOSSES = {
    "cam": cam_loss(changed(TINY["cam"], EQUIVARIANT)),
    "affinity": pair_loss(changed(TINY["affinity"], {"radius": 3})),
    "deeplab": pixel_loss,
}
ONE, TWO = Devices(on_cpu=True), Devices(2, on_cpu=True)


class Views(Dataset[dict[str, Any]]):
    """Ten noisy images; the share of void labels is between none and almost all."""

    def __init__(self, cells: int) -> None:
        self.cells = cells

    def __len__(self) -> int:
        return 10

    def __getitem__(self, draw: Draw) -> dict[str, Any]:
        rng = augmentation_rng(0, draw)
        labels = rng.integers(0, 3, (self.cells, self.cells)).astype("uint8")
        labels[rng.random(labels.shape) < draw.image / 10] = VOID
        return {
            "image": torch.from_numpy(rng.normal(size=(3, 32, 32))).float(),
            "tags": torch.eye(2)[draw.image % 2],
            "labels": torch.from_numpy(labels),
            "id": f"image{draw.image}",
        }


def run_in(folder: Path, devices: Devices) -> TrainingRun:
    files = {"checkpoint": folder / "model.pt", "metrics": folder / "metrics.csv"}
    log = str(folder / "training.log")
    return TrainingRun(manifest="", **files, save_every=2, devices=devices, log=log)


def fit_kinds(run: TrainingRun, losses: dict[str, Any]) -> None:
    """Train a network of each kind into a folder of its own."""
    for kind, loss in losses.items():
        torch.manual_seed(0)
        training = Training(
            network=build_network(SETTINGS[kind], CLASSES),
            dataset=Views(32 if kind == "deeplab" else 4),
            loss=loss,
            settings=SETTINGS[kind],
            classes=CLASSES,
            data="",
        )
        fit(training, run_in(Path(run.checkpoint).parent / kind, run.devices))


def fit_all(run: TrainingRun) -> None:
    fit_kinds(run, {kind: Frozen(loss) for kind, loss in LOSSES.items()})


def fit_cam(run: TrainingRun, loss: Any) -> None:
    fit_kinds(run, {"cam": loss})


class Frozen:
    """A loss on batch normalisation that is frozen: its statistics are shared on GPUs alone."""

    def __init__(self, loss: Any) -> None:
        self.loss = loss

    def __call__(self, network: nn.Module, batch: dict[str, Any]) -> dict[str, Tensor]:
        for norm in batch_norms(network):
            norm.eval()
        return self.loss(network, batch)


def cam(network: nn.Module, batch: dict[str, Any]) -> dict[str, Tensor]:
    """Its loss, as something that pickles."""
    return Frozen(LOSSES["cam"])(network, batch)


class Failing:
    """The CAM loss, with an accident in the second process at a step."""

    def __init__(self, step: int, accident: str) -> None:
        self.left, self.accident = step, accident

    def __call__(self, network: nn.Module, batch: dict[str, Any]) -> dict[str, Tensor]:
        parts = cam(network, batch)
        self.left -= 1
        if self.left == 0 and process_rank() == 1:
            if self.accident == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.accident == "memory":
                raise torch.OutOfMemoryError("CUDA out of memory.")
            parts["loss"] = parts["loss"] * float("nan")
        return parts


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folders of the three networks, trained by one process and by two."""
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    launch(fit_all, run_in(one, ONE))
    launch(fit_all, run_in(two, TWO))
    return one, two


def weights(folder: Path, kind: str) -> dict[str, Tensor]:
    return load_tensors(folder / kind / "model.pt")["state"]


def curve(folder: Path, kind: str) -> list[dict[str, float]]:
    with (folder / kind / "metrics.csv").open() as file:
        return [{name: float(row[name]) for name in row} for row in csv.DictReader(file)]


@pytest.mark.parametrize("kind", list(LOSSES))
def test_two_processes_train_as_one_does(both: tuple[Path, Path], kind: str) -> None:
    """The counts of labels differ between the shares."""
    one, two = both
    alone, shared = curve(one, kind), curve(two, kind)
    assert len(alone) == STEPS
    for expected, found in zip(alone, shared, strict=True):
        assert found == pytest.approx(expected, rel=1e-5)
    expected_weights, found_weights = weights(one, kind), weights(two, kind)
    for name, tensor in expected_weights.items():
        torch.testing.assert_close(found_weights[name], tensor, rtol=1e-6, atol=1e-7)


def test_one_of_two_processes_writes(both: tuple[Path, Path]) -> None:
    assert len(list((both[1] / "cam" / "tensorboard").iterdir())) == 1


def test_killed_processes_go_on_together(both: tuple[Path, Path], tmp_path: Path) -> None:
    run = run_in(tmp_path, TWO)
    with pytest.raises(SSENetError, match=r"process 1 of the 2 .* SIGKILL.*train_mem_mb"):
        launch(fit_cam, run, Failing(4, "kill"))
    assert (tmp_path / "cam" / "resume" / "state.pt").exists()
    launch(fit_cam, run, cam)
    assert Path(str(run.log)).read_text().count("continuing after step 2") == 1
    whole = weights(both[1], "cam")
    for name, tensor in weights(tmp_path, "cam").items():
        torch.testing.assert_close(tensor, whole[name], rtol=0, atol=0)
    assert curve(tmp_path, "cam") == curve(both[1], "cam")


@pytest.mark.parametrize(
    ("accident", "message"),
    [
        ("nan", r"step 2 of cam training: the loss is .*nan.*; images image\d, image\d; last good"),
        ("memory", r"step 2 of cam training with 2 images.*out of GPU memory; lower batch_size"),
    ],
)
def test_what_ends_one_process_ends_both(tmp_path: Path, accident: str, message: str) -> None:
    with pytest.raises(SSENetError, match=message):
        launch(fit_cam, run_in(tmp_path, TWO), Failing(2, accident))
    assert not (tmp_path / "cam" / "model.pt").exists()
