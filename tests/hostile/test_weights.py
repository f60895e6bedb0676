"""Weights and checkpoints: damage, code in pickles, bombs, and what is something else."""

import io
import os
import pickle
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mxnet_files import array, listed
from outcomes import damaged, damaged_one_of, many, tried, written
from safetensors.torch import save as safetensors
from tiny_network import SETTINGS, write_network

from ssenet_core.io.tensors import load_tensors
from ssenet_core.models.checkpoints import FORMAT_VERSION, load_backbone_weights, load_checkpoint
from ssenet_core.models.mxnet import V2, V3, read_params, read_resnet38
from ssenet_core.models.networks import build_backbone
from ssenet_core.segmenter import Segmenter
from ssenet_core.settings import CamTraining

Whole = Callable[[], dict[str, Any]]

CPU = torch.device("cpu")
BACKBONE = build_backbone(SETTINGS["cam"].backbone)
SMALL = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.zeros(3, dtype=torch.int64)}
PLAIN = SETTINGS["cam"].used_in_training()
CONTENT: dict[str, Any] = {
    "format_version": FORMAT_VERSION,
    "kind": "cam",
    "settings": PLAIN,
    "classes": ["cat", "dog"],
    "state": SMALL,
}


def saved(content: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


PARAMS = {
    "forms.params": listed(
        array(np.arange(6, dtype="<f4").reshape(2, 3), V2),
        array(np.zeros((0, 3), "<f4"), V3),
        array(np.ones(2, "<f4"), None),
        names=("arg:a", "arg:b", "aux:c"),
    ),
    "mxnet.params": (Path(__file__).parents[1] / "models" / "mxnet_1_9.params").read_bytes(),
}


@many
@given(damaged_one_of(PARAMS))
def test_params(folder: Path, sample: tuple[str, bytes]) -> None:
    path = written(folder / sample[0], sample[1])
    found = tried(".params", lambda: read_params(path), path)
    if found is not None:
        assert sum(values.nbytes for values in found.values()) <= len(sample[1])
    assert tried(".params", lambda: read_resnet38(path), path) is None


def test_params_that_claim_more_than_any_array(tmp_path: Path) -> None:
    for edges in ((0, 2**62), (0, 2**62, 2**62), (2**31, 2**31), (0,) * 32):
        head = struct.pack("<Iii", V2, 0, len(edges)) + struct.pack(f"<{len(edges)}q", *edges)
        path = tmp_path / "w.params"
        path.write_bytes(listed(head + struct.pack("<iii", 1, 0, 0)))
        found = tried(".params", lambda path=path: read_params(path), path)
        assert found is None or not found["arg:a"].size


SAFETENSORS = {
    "small.safetensors": safetensors(SMALL),
    "whole.safetensors": safetensors(BACKBONE.state_dict()),
}


@many
@given(damaged_one_of(SAFETENSORS))
def test_safetensors(folder: Path, sample: tuple[str, bytes]) -> None:
    path = written(folder / sample[0], sample[1])
    tried(".safetensors", lambda: load_backbone_weights(BACKBONE, path), path)


@many
@given(st.binary(max_size=120), st.integers(0, 2**64 - 1))
def test_safetensors_of_any_header(folder: Path, header: bytes, size: int) -> None:
    for claimed in (size, len(header)):
        path = written(folder / "w.safetensors", struct.pack("<Q", claimed) + header)
        tried(".safetensors", lambda path=path: load_backbone_weights(BACKBONE, path), path)


PYTORCH = {
    "zip.pth": saved(CONTENT),
    "legacy.pth": saved(CONTENT, _use_new_zipfile_serialization=False),
}


@many
@given(damaged_one_of(PYTORCH))
def test_damaged_pytorch_files(folder: Path, sample: tuple[str, bytes]) -> None:
    path = written(folder / sample[0], sample[1])
    tried(".pth, damaged", lambda: load_tensors(path), path)
    tried(".pth, damaged", lambda: load_backbone_weights(BACKBONE, path), path)


def repacked(whole: bytes, pickled: bytes, method: int = zipfile.ZIP_STORED) -> bytes:
    """A PyTorch file with another pickle in it, and right checksums."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(buffer, "w", method) as new:
        for part in old.namelist():
            new.writestr(part, pickled if part.endswith("data.pkl") else old.read(part))
    return buffer.getvalue()


def pickle_of(whole: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        (name,) = (part for part in archive.namelist() if part.endswith("data.pkl"))
        return archive.read(name)


@many
@given(damaged(pickle_of(PYTORCH["zip.pth"])))
def test_damaged_pickles_with_right_checksums(folder: Path, pickled: bytes) -> None:
    path = written(folder / "w.pth", repacked(PYTORCH["zip.pth"], pickled))
    tried(".pth, pickle forged", lambda: load_tensors(path), path)
    tried(".pth, pickle forged", lambda: load_checkpoint(path, CamTraining, CPU), path)


class Call:
    """Unpickling this calls a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.function, self.arguments


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("form", ["zip", "legacy", "bare", "in the settings"])
def test_code_never_runs(tmp_path: Path, form: str, protocol: int) -> None:
    trace = tmp_path / "ran"
    calls = [
        Call(os.system, f"touch {trace}"),
        Call(os.mkdir, str(trace)),
        Call(eval, f"open({str(trace)!r}, 'w')"),
        Call(exec, f"open({str(trace)!r}, 'w')"),
        Call(getattr(sys.modules["builtins"], "open"), str(trace), "w"),  # noqa: B009
        Call(torch.save, {}, str(trace)),
    ]
    for call in calls:
        content: Any = (
            {**CONTENT, "settings": call} if form == "in the settings" else {"state": call}
        )
        path = tmp_path / "evil.pth"
        if form == "bare":
            path.write_bytes(pickle.dumps(content, protocol))
        else:
            zipped = form != "legacy"
            path.write_bytes(
                saved(content, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
            )
        for read in (
            lambda path=path: load_tensors(path),
            lambda path=path: load_backbone_weights(BACKBONE, path),
            lambda path=path: load_checkpoint(path, CamTraining, CPU),
            lambda path=path: Segmenter.load(path, device="cpu"),
        ):
            assert tried(".pth with code", read, path) is None
    assert not trace.exists()


STRANGE: list[Any] = [
    [],
    {},
    {1: torch.zeros(2)},
    {"state": [1, 2]},
    {"state": {"a": 1}},
    {"state": {1: torch.zeros(1)}},
    {"a": "text"},
    torch.zeros(3),
    {"kind": "deeplab"},
]


@pytest.mark.parametrize("content", STRANGE, ids=str)
def test_other_contents_are_refused(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(saved(content))
    for read in (
        lambda: load_backbone_weights(BACKBONE, path),
        lambda: load_checkpoint(path, CamTraining, CPU),
        lambda: Segmenter.load(path, device="cpu"),
    ):
        assert tried(".pth of something else", read, path) is None


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(),
    st.text(max_size=5),
    st.just([]),
    st.just({}),
    st.just(torch.zeros(2)),
)
PLACES = [
    *((key,) for key in CONTENT),
    *(("settings", key) for key in PLAIN),
    *(("settings", "backbone", key) for key in PLAIN["backbone"]),
]


@many
@given(st.sampled_from(PLACES), VALUES)
def test_checkpoints_with_a_value_changed(
    folder: Path, whole: Whole, place: tuple[str, ...], value: Any
) -> None:
    content = {**whole(), "settings": {**PLAIN, "backbone": dict(PLAIN["backbone"])}}
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path = written(folder / "model.pt", saved(content))
    tried("checkpoints with a value changed", lambda: load_checkpoint(path, CamTraining, CPU), path)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The content of a checkpoint that loads; a function, as hypothesis would write out a value."""
    path = write_network(tmp_path_factory.mktemp("network") / "model.pt", "cam", ["cat", "dog"])
    load_checkpoint(path, CamTraining, CPU)
    content = load_tensors(path)
    return lambda: dict(content)


def test_a_network_that_is_larger_than_its_file_is_not_built(tmp_path: Path, whole: Whole) -> None:
    """At this width ResNet-38 has some 30 billion weights: 120 GB."""
    settings = {**PLAIN, "backbone": {**PLAIN["backbone"], "width": 4}}
    path = tmp_path / "model.pt"
    path.write_bytes(saved({**whole(), "settings": settings}))
    assert tried("bombs", lambda: load_checkpoint(path, CamTraining, CPU), path) is None


def test_compressed_parts_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    bomb = saved({"a": torch.zeros(10_000_000)})
    path.write_bytes(repacked(bomb, pickle_of(bomb), zipfile.ZIP_DEFLATED))
    assert path.stat().st_size < 100_000
    assert tried("bombs", lambda: load_tensors(path), path) is None


def test_pipes_devices_and_folders_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path, tmp_path / ("x" * 300)):
        for read in (load_tensors, read_params, lambda p: load_backbone_weights(BACKBONE, p)):
            kind = "places that hold no file"
            assert tried(kind, lambda path=path, read=read: read(path), path) is None
