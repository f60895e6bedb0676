"""MXNet's `.params` files, and the published ImageNet weights of ResNet-38 in one.

Every form of array is read, a damaged file is told where it broke, and every array finds its place.
The forms are written here byte by byte from the format's description; `mxnet_1_9.params` beside
this file was written by MXNet 1.9.1 itself.
"""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mxnet_files import array, listed
from safetensors.torch import load_file

from ssenet_core.cli import main
from ssenet_core.errors import SSENetError
from ssenet_core.models import mxnet
from ssenet_core.models.checkpoints import load_backbone_weights
from ssenet_core.models.mxnet import DTYPES, V1, V2, V3, read_params
from ssenet_core.models.resnet38 import ResNet38

REAL = Path(__file__).parent / "mxnet_1_9.params"
NARROW = 1 / 64
MATRIX = np.arange(6, dtype="<f4").reshape(2, 3)


def written(folder: Path, content: bytes) -> Path:
    path = folder / "weights.params"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("mark", [None, V1, V2, V3])
def test_every_form_is_read(tmp_path: Path, mark: int | None) -> None:
    found = read_params(written(tmp_path, listed(array(MATRIX, mark))))
    assert list(found) == ["arg:a"]
    np.testing.assert_array_equal(found["arg:a"], MATRIX)


@pytest.mark.parametrize("flag", DTYPES)
def test_every_type_is_read(tmp_path: Path, flag: int) -> None:
    content = np.arange(4).astype(DTYPES[flag])
    found = read_params(written(tmp_path, listed(array(content, V2, flag))))["arg:a"]
    assert found.dtype == np.dtype(DTYPES[flag])
    np.testing.assert_array_equal(found, content)


def test_only_the_last_form_has_scalars(tmp_path: Path) -> None:
    scalar = np.array(3.5, "<f4")
    assert read_params(written(tmp_path, listed(array(scalar, V3))))["arg:a"] == 3.5
    with pytest.raises(SSENetError, match="array 0 is empty"):
        read_params(written(tmp_path, listed(array(scalar, V2))))


def test_a_file_that_mxnet_wrote() -> None:
    found = read_params(REAL)
    assert {name: (value.dtype.str, value.shape) for name, value in found.items()} == {
        "arg:conv_weight": ("<f4", (2, 3, 1, 1)),
        "arg:half_weight": ("<f2", (3,)),
        "aux:bn_moving_mean": ("<f4", (2,)),
    }
    np.testing.assert_array_equal(found["arg:conv_weight"].ravel(), np.arange(6) / 4)
    np.testing.assert_array_equal(found["arg:half_weight"], [0.5, -1.5, 2.0])
    np.testing.assert_array_equal(found["aux:bn_moving_mean"], [7.0, -8.0])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "byte 0: expected 24 bytes, 0 are left"),
        (listed(array(MATRIX, V2), magic=0x113), "begins with 0x113, expected 0x112"),
        (listed(array(MATRIX, V2), names=("a", "b")), "1 arrays with 2 names"),
        (listed(array(MATRIX, V2, flag=99)), "type flag 99"),
        (listed(array(MATRIX, V2, storage=1)), "sparse"),
        (listed(array(MATRIX, 0xDEADBEEF)), "no form of an array"),
        (struct.pack("<QQQ", 0x112, 0, 2**60), "byte 24: expected 4 bytes, 0 are left"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(SSENetError, match=reason) as caught:
        read_params(written(tmp_path, content))
    assert "weights.params" in str(caught.value)


def test_every_truncation_is_an_error(tmp_path: Path) -> None:
    whole = REAL.read_bytes()
    for length in range(len(whole)):
        with pytest.raises(SSENetError, match="not a whole MXNet"):
            read_params(written(tmp_path, whole[:length]))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SSENetError, match="no such file"):
        read_params(tmp_path / "none.params")


@given(place=st.integers(0, 200), value=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    content = bytearray(REAL.read_bytes())
    content[place % len(content)] = value
    path = written(tmp_path_factory.mktemp("fuzz"), bytes(content))
    try:
        names = set(read_params(path))
    except SSENetError as refusal:
        told = str(refusal)
        names = set()
    else:
        told = str(path)
    assert str(path) in told
    assert all(isinstance(name, str) for name in names)


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
        mxnet.read_resnet38(tmp_path / "w.params")


def test_conversion_wants_the_full_width(tmp_path: Path) -> None:
    params_file(tmp_path / "w.params", published_names())
    with pytest.raises(SSENetError, match=r"conv1a\.weight: expected \(64, 3, 3, 3\)"):
        mxnet.convert_resnet38(tmp_path / "w.params", tmp_path / "w.safetensors")
    assert not (tmp_path / "w.safetensors").exists()


def test_conversion_keeps_every_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mxnet, "ResNet38", lambda width=NARROW: ResNet38(NARROW))
    params_file(tmp_path / "w.params", published_names())
    mxnet.convert_resnet38(tmp_path / "w.params", tmp_path / "w.safetensors")
    converted = load_file(tmp_path / "w.safetensors")
    direct = mxnet.read_resnet38(tmp_path / "w.params")
    assert converted.keys() == direct.keys()
    assert all(torch.equal(converted[name], direct[name]) for name in direct)


def test_the_command_names_a_damaged_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "w.params").write_bytes(b"\x12\x01")
    arguments = ["convert", str(tmp_path / "w.params"), str(tmp_path / "w.safetensors")]
    assert main(arguments) == 1
    assert "w.params: not a whole MXNet .params file" in capsys.readouterr().err
