"""Reader of MXNet's `.params` files, without MXNet.

In: a file that `mx.nd.save` wrote, a list of named dense arrays. Out: arrays by name. The format
has no index: a list header, the arrays one after the other, then their names. Array headers came
in four forms; all of them are read. Fails with `SSENetError` on anything else, and on a file that
is cut short.
"""

import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ssenet_core.errors import SSENetError
from ssenet_core.io.files import is_file

LIST_MAGIC = 0x112
# What an array begins with. Before these marks were introduced it began with its number of axes.
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
DTYPES = {0: "<f4", 1: "<f8", 2: "<f2", 3: "u1", 4: "<i4", 5: "i1", 6: "<i8"}  # by type flag
DENSE = 0
MOST_AXES = 32


def read_params(path: str | Path) -> dict[str, NDArray[Any]]:
    """Every array of a `.params` file by its name, such as `arg:conv1a_weight`.

    Raises:
        SSENetError: the file is missing, cut short, or not of this format; says where it broke off.
    """
    path = Path(path)
    if not is_file(path):
        raise SSENetError(f"{path}: no such file of MXNet parameters")
    try:
        with path.open("rb") as file:
            return _read_list(_Reader(file, path.stat().st_size))
    except (_Malformed, OSError) as error:
        raise SSENetError(f"{path}: not a whole MXNet .params file: {error}") from error


class _Malformed(Exception):
    """What is wrong with the file's content."""


class _Reader:
    """Little-endian values from a file, each checked against what the file still has."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file = file
        self.size = size

    def take(self, count: int, what: str) -> bytes:
        place = self.file.tell()
        if count > self.size - place:
            raise _Malformed(
                f"byte {place}: {what} needs {count} bytes, {self.size - place} are left"
            )
        return self.file.read(count)

    def unpack(self, layout: str, what: str) -> tuple[Any, ...]:
        return struct.unpack(f"<{layout}", self.take(struct.calcsize(f"<{layout}"), what))

    def number(self, layout: str, what: str) -> int:
        return int(self.unpack(layout, what)[0])


def _read_list(reader: _Reader) -> dict[str, NDArray[Any]]:
    magic, _reserved = reader.unpack("QQ", "the header")
    if magic != LIST_MAGIC:
        raise _Malformed(f"it begins with {magic:#x}, expected {LIST_MAGIC:#x}")
    count = reader.number("Q", "the number of arrays")
    arrays = [_read_array(reader, index) for index in _counted(reader, count, "arrays")]
    names = reader.number("Q", "the number of names")
    if names != count:
        raise _Malformed(f"{count} arrays with {names} names; expected a name an array")
    return {_read_name(reader): array for array in arrays}


def _counted(reader: _Reader, count: int, what: str) -> range:
    """`range(count)`, unless so many things cannot fit into the file."""
    if count > reader.size:
        raise _Malformed(f"it claims {count} {what}, more than it has bytes ({reader.size})")
    return range(count)


def _read_name(reader: _Reader) -> str:
    name = reader.take(reader.number("Q", "the length of a name"), "a name")
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise _Malformed(f"a name is not text: {name[:40]!r}") from error


def _read_array(reader: _Reader, index: int) -> NDArray[Any]:
    what = f"array {index}"
    shape = _read_shape(reader, what)
    if shape is None:
        raise _Malformed(f"{what} is empty")
    reader.unpack("ii", f"the device of {what}")
    flag = reader.number("i", f"the type of {what}")
    if flag not in DTYPES:
        raise _Malformed(f"{what} has type flag {flag}, expected one of {sorted(DTYPES)}")
    dtype = np.dtype(DTYPES[flag])
    count = 1
    for edge in shape:
        count *= edge
    content = reader.take(count * dtype.itemsize, f"the content of {what}, shape {shape},")
    try:
        return np.frombuffer(content, dtype).reshape(shape)
    except ValueError as error:  # of no numbers at all, but with edges beyond any array's
        raise _Malformed(f"{what} has the shape {shape}") from error


def _read_shape(reader: _Reader, what: str) -> tuple[int, ...] | None:
    """The shape in an array's header; None for an array without content."""
    mark = reader.number("I", f"the header of {what}")
    if mark in (V2, V3):
        storage = reader.number("i", f"the storage type of {what}")
        if storage != DENSE:
            raise _Malformed(f"{what} is sparse (storage type {storage}); dense ones are read")
    if mark in (V1, V2, V3):
        axes, edge = reader.number("i", f"the number of axes of {what}"), "q"
    else:
        axes, edge = mark, "I"  # the first form had neither a mark nor 64-bit edges
    if axes == -1 or (axes == 0 and mark != V3):  # only the last form knows scalars
        return None
    if not 0 <= axes <= MOST_AXES:
        raise _Malformed(f"{what} begins with {mark:#x} and has {axes} axes: no form of an array")
    shape = reader.unpack(edge * axes, f"the shape of {what}")
    if any(length < 0 for length in shape):
        raise _Malformed(f"{what} has the shape {shape}")
    return shape
