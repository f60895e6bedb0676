"""Checkpoints: what is written comes back; what is not ours is refused and never run."""

import pickle
from pathlib import Path

import pytest
import torch
from stage_settings import TRAININGS, changed
from tiny_network import SETTINGS, write_network

from ssenet_core.errors import SSENetError
from ssenet_core.models.checkpoints import load_backbone_weights, load_checkpoint, save_checkpoint
from ssenet_core.models.networks import build_backbone, build_network
from ssenet_core.settings import CamTraining, DeepLabTraining

CLASSES = ("cat", "dog")


@pytest.mark.parametrize(("kind", "channels"), [("cam", 2), ("deeplab", 3), ("affinity", None)])
def test_round_trip(tmp_path: Path, kind: str, channels: int | None) -> None:
    network = build_network(SETTINGS[kind], CLASSES).eval()
    path = tmp_path / "model.pt"
    save_checkpoint(path, network, settings=SETTINGS[kind], classes=CLASSES)
    loaded, facts = load_checkpoint(path, TRAININGS[kind], torch.device("cpu"))
    image = torch.randn(1, 3, 32, 40)
    output = loaded(image)
    # Read for inference, its convolutions add up in another order.
    expected = network(image).detach()
    largest = float(expected.abs().max())
    torch.testing.assert_close(output.detach(), expected, rtol=0, atol=1e-4 * largest)
    assert all(value.equal(loaded.state_dict()[n]) for n, value in network.state_dict().items())
    assert channels is None or output.shape[1] == channels
    assert facts.classes == list(CLASSES)


def test_wrong_kind_is_named(tmp_path: Path) -> None:
    path = write_network(tmp_path / "model.pt", "cam", CLASSES)
    with pytest.raises(SSENetError, match=r"model\.pt: expected a deeplab checkpoint"):
        load_checkpoint(path, DeepLabTraining, torch.device("cpu"))


class Malicious:
    """Unpickling this would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path(self.path),)


def test_code_in_a_file_does_not_run(tmp_path: Path) -> None:
    path, trace = tmp_path / "evil.pth", tmp_path / "ran"
    path.write_bytes(pickle.dumps({"state": Malicious(trace)}))
    with pytest.raises(SSENetError, match=r"evil\.pth") as caught:
        load_checkpoint(path, CamTraining, torch.device("cpu"))
    assert not trace.exists()
    assert "weights_only" not in str(caught.value)  # PyTorch advises to load it all the same


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_file_is_named(tmp_path: Path, share: float) -> None:
    path = write_network(tmp_path / "model.pt", "cam", CLASSES)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(SSENetError, match=r"model\.pt"):
        load_checkpoint(path, CamTraining, torch.device("cpu"))


def test_backbone_takes_a_networks_weights(tmp_path: Path) -> None:
    cam = build_network(SETTINGS["cam"], CLASSES)
    path = tmp_path / "model.pt"
    save_checkpoint(path, cam, settings=SETTINGS["cam"], classes=CLASSES)
    backbone = build_backbone(SETTINGS["cam"].backbone)
    load_backbone_weights(backbone, path)
    for name, tensor in backbone.state_dict().items():
        torch.testing.assert_close(tensor, cam.backbone.state_dict()[name])


def test_weights_of_another_width_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "wide.safetensors"
    save_file(
        build_backbone(changed(SETTINGS["cam"].backbone, {"width": 1 / 16})).state_dict(), path
    )
    with pytest.raises(SSENetError, match=r"wide\.safetensors: these weights are not"):
        load_backbone_weights(build_backbone(SETTINGS["cam"].backbone), path)
