"""The published ImageNet weights of ResNet-38, which MXNet wrote: reader and conversion.

A `.params` file (`mx.nd.save`) is a header, dense arrays one after the other, then their names.
Array headers came in four forms; all of them are read. Raises `SSENetError` for a file that is
missing, truncated or of another format, and for arrays that are not ResNet-38's.
"""

import struct
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from ssenet_core.errors import SSENetError
from ssenet_core.io.files import atomic_path, is_file
from ssenet_core.models.resnet38 import ResNet38

LIST_MAGIC = 0x112
# An array begins with one of these marks; the oldest form begins with the number of axes.
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
DTYPES = {0: "<f4", 1: "<f8", 2: "<f2", 3: "u1", 4: "<i4", 5: "i1", 6: "<i8"}  # by type flag
DENSE = 0
MOST_AXES = 32
CLASSIFIER = "linear1000_"  # ImageNet's classifier, not used
NORM_ARRAYS = {
    "weight": "arg:{}_gamma",
    "bias": "arg:{}_beta",
    "running_mean": "aux:{}_moving_mean",
    "running_var": "aux:{}_moving_var",
}


def convert_resnet38(source: str | Path, target: str | Path) -> None:
    """Convert an MXNet `.params` file to `.safetensors`, atomically.

    Raises:
        SSENetError: the source is missing or damaged, or not ResNet-38 at full width.
    """
    state = read_resnet38(source)
    with torch.device("meta"):
        expected = ResNet38().state_dict()
    wrong = [
        f"{name}: expected {tuple(tensor.shape)}, found {tuple(state[name].shape)}"
        for name, tensor in expected.items()
        if state[name].shape != tensor.shape
    ]
    if wrong:
        raise SSENetError(f"{source}: not the published ResNet-38:\n" + "\n".join(wrong))
    with atomic_path(target) as path:
        save_file(state, path)


def read_resnet38(path: str | Path) -> dict[str, Tensor]:
    """The state dictionary of a `ResNet38` from an MXNet `.params` file, float32.

    Raises:
        SSENetError: the file is missing or damaged, or its arrays are another network's.
    """
    arrays = read_params(path)
    wanted = dict(_names())
    missing = sorted(set(wanted.values()) - set(arrays))
    unknown = sorted(
        name
        for name in set(arrays) - set(wanted.values())
        if not name.partition(":")[2].startswith(CLASSIFIER)
    )
    if missing or unknown:
        raise SSENetError(
            f"{path}: not ResNet-38's arrays; missing: {', '.join(missing) or 'none'}; "
            f"not its own: {', '.join(unknown) or 'none'}"
        )
    return _state(arrays, wanted)


def _state(arrays: Mapping[str, NDArray[Any]], wanted: Mapping[str, str]) -> dict[str, Tensor]:
    state = {ours: torch.tensor(arrays[theirs]).float() for ours, theirs in wanted.items()}
    steps = [name for name in state if name.endswith("running_mean")]
    counted = {name.replace("running_mean", "num_batches_tracked") for name in steps}
    return state | {name: torch.tensor(0) for name in sorted(counted)}


def _names() -> Iterator[tuple[str, str]]:
    """Pairs of a tensor's name in `ResNet38` and in MXNet."""
    with torch.device("meta"):
        state = ResNet38(1 / 64).state_dict()
    for name in state:
        module, _, kind = name.rpartition(".")
        if kind == "num_batches_tracked":
            continue
        layer = _layer(module)
        if module.rpartition(".")[2].startswith("bn"):
            yield name, NORM_ARRAYS[kind].format(layer)
        else:
            yield name, f"arg:{layer}_weight"


def _layer(module: str) -> str:
    """MXNet's name of a layer: `b4.2.conv2b1` is its res4b2_branch2b1, `b6.bn2a` bn6a_branch2a."""
    stage, _, rest = module.partition(".")
    if not rest:
        return stage  # conv1a and bn7
    block, _, layer = rest.rpartition(".")
    kind, branch = ("bn", layer[2:]) if layer.startswith("bn") else ("res", layer[4:])
    place = "a" if block in ("", "0") else f"b{block}"
    return f"{kind}{stage[1:]}{place}_branch{branch}"


def read_params(path: str | Path) -> dict[str, NDArray[Any]]:
    """All arrays of a `.params` file by name, such as `arg:conv1a_weight`.

    Raises:
        SSENetError: the file is missing, truncated, or of another format.
    """
    path = Path(path)
    if not is_file(path):
        raise SSENetError(f"{path}: no such file of MXNet parameters")
    try:
        with path.open("rb") as file:
            return _read_list(_Reader(file, path.stat().st_size))
    except (ValueError, OSError) as error:
        raise SSENetError(f"{path}: not a whole MXNet .params file: {error}") from error


class _Reader:
    """Little-endian values of a file; `ValueError` where the file ends before them."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file = file
        self.size = size

    def take(self, count: int) -> bytes:
        place = self.file.tell()
        if count > self.size - place:
            raise ValueError(f"byte {place}: expected {count} bytes, {self.size - place} are left")
        return self.file.read(count)

    def unpack(self, layout: str) -> tuple[int, ...]:
        return struct.unpack(f"<{layout}", self.take(struct.calcsize(f"<{layout}")))


def _read_list(reader: _Reader) -> dict[str, NDArray[Any]]:
    magic, _reserved, count = reader.unpack("QQQ")
    if magic != LIST_MAGIC:
        raise ValueError(f"it begins with {magic:#x}, expected {LIST_MAGIC:#x}")
    arrays = [_read_array(reader, index) for index in range(count)]
    (names,) = reader.unpack("Q")
    if names != count:
        raise ValueError(f"{count} arrays with {names} names; expected one name per array")
    return {reader.take(*reader.unpack("Q")).decode(): array for array in arrays}


def _read_array(reader: _Reader, index: int) -> NDArray[Any]:
    shape = _read_shape(reader, index)
    _device, _device_index, flag = reader.unpack("iii")
    if flag not in DTYPES:
        raise ValueError(f"array {index} has type flag {flag}, expected one of {sorted(DTYPES)}")
    dtype = np.dtype(DTYPES[flag])
    content = reader.take(prod(shape) * dtype.itemsize)
    return np.frombuffer(content, dtype).reshape(shape)


def _read_shape(reader: _Reader, index: int) -> tuple[int, ...]:
    (mark,) = reader.unpack("I")
    if mark in (V2, V3) and reader.unpack("i") != (DENSE,):
        raise ValueError(f"array {index} is sparse; expected dense ones")
    if mark in (V1, V2, V3):
        (axes,), edge = reader.unpack("i"), "q"
    else:
        axes, edge = mark, "I"
    if axes == -1 or (axes == 0 and mark != V3):  # only the last form has scalars
        raise ValueError(f"array {index} is empty")
    if not 0 <= axes <= MOST_AXES:
        raise ValueError(f"array {index} has {axes} axes (mark {mark:#x}): no form of an array")
    shape = reader.unpack(f"{axes}{edge}")
    if any(length < 0 for length in shape):
        raise ValueError(f"array {index} has the shape {shape}")
    return shape
