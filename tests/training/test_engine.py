"""The training loop: it learns, resumes to the same weights, and stops at a bad loss."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from stage_settings import changed, stage_settings
from torch import Tensor, nn
from torch.utils.data import Dataset

from ssenet_core.errors import SSENetError
from ssenet_core.models.checkpoints import load_checkpoint
from ssenet_core.models.networks import build_network
from ssenet_core.settings import CamTraining
from ssenet_core.training.batches import Draw, augmentation_rng
from ssenet_core.training.engine import Training, fit
from ssenet_core.training.run import Devices, TrainingRun

SETTINGS = stage_settings(
    "cam",
    {
        "seed": 3,
        "backbone": {"width": 1 / 32, "dilations": [2, 4, 4], "freeze_batch_norm": False},
        "dropout": 0.5,
        "batch_size": 4,
        "epochs": 3,
        "optimizer": {
            "name": "sgd",
            "lr": 0.02,
            "momentum": 0.9,
            "weight_decay": 0.0,
            "power": 0.9,
            "head_lr": 1,
        },
    },
)


class Colours(Dataset[dict[str, Any]]):
    """Twelve noisy images whose tag is their colour channel."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, draw: Draw) -> dict[str, Any]:
        rng = augmentation_rng(0, draw)
        tag = draw.image % 2
        image = torch.from_numpy(rng.normal(size=(3, 16, 16))).float()
        image[tag] += 3
        return {"image": image, "tags": torch.eye(2)[tag], "id": f"image{draw.image}"}


def loss(network: nn.Module, batch: dict[str, Any]) -> dict[str, Tensor]:
    maps = network(batch["image"]).mean(dim=(2, 3))
    return {"loss": nn.functional.multilabel_soft_margin_loss(maps, batch["tags"])}


def training(loss_function: Any = loss, **changes: Any) -> Training:
    torch.manual_seed(0)
    return Training(
        network=build_network(SETTINGS, ("red", "green")),
        dataset=Colours(),
        loss=loss_function,
        settings=changed(SETTINGS, changes),
        classes=("red", "green"),
        data="",
    )


def weights(path: Path) -> dict[str, Tensor]:
    network, _ = load_checkpoint(path, CamTraining, torch.device("cpu"))
    return network.state_dict()


def run(folder: Path, plan: Training, **options: Any) -> Path:
    fit(plan, TrainingRun("", folder / "model.pt", folder / "metrics.csv", **options))
    return folder / "model.pt"


def stop_at(step: int) -> Any:
    """A loss that raises at a step, as a kill would."""
    calls = iter(range(1000))

    def interrupted(network: nn.Module, batch: dict[str, Any]) -> dict[str, Tensor]:
        if next(calls) == step:
            raise KeyboardInterrupt
        return loss(network, batch)

    return interrupted


def test_it_learns(tmp_path: Path) -> None:
    run(tmp_path, training(epochs=10, dropout=0.0))
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    losses = [float(line.split(",")[lines[0].split(",").index("loss")]) for line in lines[1:]]
    assert len(losses) == 30
    assert sum(losses[-6:]) < 0.8 * sum(losses[:6])


@pytest.mark.parametrize("killed_at", [3, 4, 7])
def test_a_killed_run_ends_in_the_same_weights(tmp_path: Path, killed_at: int) -> None:
    whole = weights(run(tmp_path / "whole", training()))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", training(stop_at(killed_at)), save_every=2)
    assert not (tmp_path / "killed" / "model.pt").exists()
    assert (tmp_path / "killed" / "resume" / "state.pt").exists()
    resumed = weights(run(tmp_path / "killed", training(), save_every=2))
    assert resumed.keys() == whole.keys()
    for name in whole:
        torch.testing.assert_close(resumed[name], whole[name], rtol=0, atol=0)
    assert not (tmp_path / "killed" / "resume").exists()
    tables = [(tmp_path / name / "metrics.csv").read_text() for name in ("whole", "killed")]
    assert tables[0] == tables[1]


def test_workers_do_not_change_the_result(tmp_path: Path) -> None:
    alone = weights(run(tmp_path / "alone", training()))
    helped = weights(run(tmp_path / "helped", training(), workers=2))
    for name in alone:
        torch.testing.assert_close(helped[name], alone[name], rtol=0, atol=0)


def test_a_compiled_network_learns_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One step on each of two sizes, and none on the pictures' size."""
    compiled = []

    def counted(graph: Any, inputs: Any) -> Any:
        compiled.append(graph)
        return graph.forward

    def two_sizes(network: nn.Module, batch: dict[str, Any]) -> dict[str, Tensor]:
        half = {**batch, "image": batch["image"][..., ::2, ::2]}
        return {"loss": loss(network, batch)["loss"] + loss(network, half)["loss"]}

    def pictures(network: nn.Module) -> dict[str, Tensor]:
        with torch.no_grad():
            return {"maps": network(torch.ones(1, 3, 40, 40))[0, :1]}

    found = []
    for name, compiler in {"plain": None, "compiled": counted}.items():
        monkeypatch.setattr(Devices, "compiler", lambda *_, backend=compiler: backend)
        plan = replace(training(two_sizes, epochs=1), pictures=pictures)
        found.append(weights(run(tmp_path / name, plan, save_every=1)))
    plain, own = found
    assert len(compiled) == 2
    for name in plain:
        torch.testing.assert_close(own[name], plain[name])


@pytest.mark.parametrize("change", [{"settings": {"epochs": 4}}, {"code": "newer"}])
def test_another_runs_state_is_not_used(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, training(stop_at(5)), save_every=2)
    settings = change.get("settings", {})
    other = run(tmp_path, training(**settings), code=change.get("code", ""))
    fresh = run(tmp_path / "fresh", training(**settings))
    found, expected = weights(other), weights(fresh)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=0)


def test_damaged_resume_state_is_not_used(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, training(stop_at(5)), save_every=2)
    state = tmp_path / "resume" / "state.pt"
    state.write_bytes(state.read_bytes()[:500])
    assert run(tmp_path, training()).exists()


def test_an_infinite_loss_names_step_and_images(tmp_path: Path) -> None:
    def infinite(network: nn.Module, batch: dict[str, Any]) -> dict[str, Tensor]:
        return {"loss": loss(network, batch)["loss"] * float("inf")}

    with pytest.raises(SSENetError, match=r"step 1 of cam training.*image\d+, image\d+"):
        run(tmp_path, training(infinite))
    assert not (tmp_path / "model.pt").exists()


def test_gpu_memory_that_runs_out_names_the_batch_and_what_to_lower(tmp_path: Path) -> None:
    def greedy(network: nn.Module, batch: dict[str, Any]) -> dict[str, Tensor]:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.")

    with pytest.raises(SSENetError, match=r"step 1 .* 4 images .*lower batch_size.*9 GiB"):
        run(tmp_path, training(greedy))
    assert not (tmp_path / "model.pt").exists()
