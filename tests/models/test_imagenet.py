"""The published ImageNet weights: every array finds its place, and none is taken for another."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mxnet_files import array, listed
from safetensors.torch import load_file

from ssenet_core.cli import main
from ssenet_core.errors import SSENetError
from ssenet_core.models import imagenet
from ssenet_core.models.backbones import load_backbone_weights
from ssenet_core.models.mxnet_params import V2
from ssenet_core.models.resnet38 import ResNet38

NARROW = 1 / 64


def published_names() -> dict[str, tuple[int, ...]]:
    """MXNet's names, written out from the file's scheme, with the shapes at a width of 1 / 64."""
    c = {n: max(4, round(n / 64)) for n in (64, 128, 256, 512, 1024, 2048, 4096)}
    names: dict[str, tuple[int, ...]] = {"conv1a_weight": (c[64], 3, 3, 3)}

    def norm(layer: str, channels: int) -> None:
        for kind in ("gamma", "beta", "moving_mean", "moving_var"):
            names[f"bn{layer}_{kind}"] = (channels,)

    stages = {"2": (64, 128, 128, 3), "3": (128, 256, 256, 3), "4": (256, 512, 512, 6)}
    stages["5"] = (512, 512, 1024, 3)
    for stage, (inputs, middle, outputs, blocks) in stages.items():
        for block in range(blocks):
            place = f"{stage}{'a' if block == 0 else f'b{block}'}"
            first = c[inputs if block == 0 else outputs]
            norm(f"{place}_branch2a", first)
            names[f"res{place}_branch2a_weight"] = (c[middle], first, 3, 3)
            norm(f"{place}_branch2b1", c[middle])
            names[f"res{place}_branch2b1_weight"] = (c[outputs], c[middle], 3, 3)
            if block == 0:
                names[f"res{place}_branch1_weight"] = (c[outputs], first, 1, 1)
    for stage, inputs, outputs in (("6", 1024, 2048), ("7", 2048, 4096)):
        quarter, half = c[outputs] // 4, c[outputs] // 2
        norm(f"{stage}a_branch2a", c[inputs])
        names[f"res{stage}a_branch1_weight"] = (c[outputs], c[inputs], 1, 1)
        names[f"res{stage}a_branch2a_weight"] = (quarter, c[inputs], 1, 1)
        norm(f"{stage}a_branch2b1", quarter)
        names[f"res{stage}a_branch2b1_weight"] = (half, quarter, 3, 3)
        norm(f"{stage}a_branch2b2", half)
        names[f"res{stage}a_branch2b2_weight"] = (c[outputs], half, 1, 1)
    norm("7", c[4096])
    names |= {"linear1000_weight": (10, c[4096]), "linear1000_bias": (10,)}
    return {f"{'aux' if 'moving' in name else 'arg'}:{name}": s for name, s in names.items()}


def params_file(path: Path, shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Write random arrays as a `.params` file; return them."""
    rng = np.random.default_rng(0)
    arrays = {name: rng.standard_normal(shape).astype("<f4") for name, shape in shapes.items()}
    content = [array(values, V2) for values in arrays.values()]
    path.write_bytes(listed(*content, names=tuple(arrays)))
    return arrays


def test_every_array_finds_its_place(tmp_path: Path) -> None:
    arrays = params_file(tmp_path / "w.params", published_names())
    network = ResNet38(NARROW)
    load_backbone_weights(network, tmp_path / "w.params")

    def same(tensor: torch.Tensor, name: str) -> bool:
        return torch.equal(tensor, torch.from_numpy(arrays[name]))

    assert same(network.conv1a.weight, "arg:conv1a_weight")
    assert same(network.b4[5].conv2b1.weight, "arg:res4b5_branch2b1_weight")
    assert same(network.b5[0].conv1.weight, "arg:res5a_branch1_weight")
    assert same(network.b6.conv2b2.weight, "arg:res6a_branch2b2_weight")
    assert same(network.b7.bn2b2.running_var, "aux:bn7a_branch2b2_moving_var")
    assert same(network.bn7.weight, "arg:bn7_gamma")
    used = {values.tobytes() for values in (t.numpy() for t in network.state_dict().values())}
    unused = {name for name, values in arrays.items() if values.tobytes() not in used}
    assert unused == {"arg:linear1000_weight", "arg:linear1000_bias"}


def test_missing_and_foreign_arrays_are_named(tmp_path: Path) -> None:
    shapes = published_names()
    del shapes["arg:res4b5_branch2a_weight"]
    shapes["arg:stray"] = (2,)
    params_file(tmp_path / "w.params", shapes)
    with pytest.raises(SSENetError, match=r"missing: arg:res4b5_branch2a_weight.*arg:stray"):
        imagenet.read_resnet38(tmp_path / "w.params")


def test_conversion_wants_the_full_width(tmp_path: Path) -> None:
    params_file(tmp_path / "w.params", published_names())
    with pytest.raises(SSENetError, match=r"conv1a\.weight: expected \(64, 3, 3, 3\)"):
        imagenet.convert_resnet38(tmp_path / "w.params", tmp_path / "w.safetensors")
    assert not (tmp_path / "w.safetensors").exists()


def test_conversion_keeps_every_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagenet, "ResNet38", lambda width=NARROW: ResNet38(NARROW))
    params_file(tmp_path / "w.params", published_names())
    imagenet.convert_resnet38(tmp_path / "w.params", tmp_path / "w.safetensors")
    converted = load_file(tmp_path / "w.safetensors")
    direct = imagenet.read_resnet38(tmp_path / "w.params")
    assert converted.keys() == direct.keys()
    assert all(torch.equal(converted[name], direct[name]) for name in direct)


def test_the_command_names_a_damaged_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "w.params").write_bytes(b"\x12\x01")
    arguments = ["convert", str(tmp_path / "w.params"), str(tmp_path / "w.safetensors")]
    assert main(arguments) == 1
    assert "w.params: not a whole MXNet .params file" in capsys.readouterr().err
