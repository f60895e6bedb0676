"""Arrays and facts in one HDF5 file, with a checksum of all that is in it.

In: named arrays of numbers, attributes. Out: a file that is either whole or refused. Reading raises
`SSENetError` with the file's name when it is missing, damaged or of another kind.

A data set has thousands of such files, of some hundred kilobytes, and every stage reads them all:
what is read often goes by HDF5's own calls (`file.id`), as h5py's objects cost more than the bytes.
"""

import hashlib
import math
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5f, h5o, h5s, h5z
from numpy.typing import NDArray

from ssenet_core.errors import SSENetError
from ssenet_core.paths import is_file
from ssenet_core.storage.files import atomic_path

try:
    import hdf5plugin

    COMPRESSION: dict[str, Any] = dict(hdf5plugin.LZ4())
except ImportError:  # a machine that has little more than PyTorch: what HDF5 itself can do
    COMPRESSION = {"compression": "gzip", "shuffle": True}

FORMAT_VERSION = 3
# Bytes in front of the HDF5, which its readers skip. They hold the kind and a checksum of the rest:
# damaged HDF5 must not be opened, as it can keep the library busy for ever.
USER_BLOCK = 512

MOST_COMPRESSED = 1100  # gzip makes a byte of some thousand at the most, LZ4 of 255
MOST_ROWS = 256  # as many as label values
HDF5_RELEASE = "v110"  # half the bytes of a small file of the library's oldest format
ONE_AS_HALF = np.float16(1).view(np.uint16)

Arrays = dict[str, NDArray[Any]]


class MissingFilter(Exception):
    """An array is packed in a way that this machine's HDF5 cannot unpack."""


def write_arrays(
    path: str | Path, kind: str, arrays: Arrays, attributes: Mapping[str, Any]
) -> None:
    """Write arrays, those of two or three axes compressed (one chunk a row of three), atomically.

    Args:
        kind: the file's title, in letters and spaces, from "ssenet " on.
        arrays: by name; one in a group is "group/name".
        attributes: of the file.
    """
    # Made in memory: HDF5 does not recover from a disk that becomes full under it.
    release = (HDF5_RELEASE, HDF5_RELEASE)
    with h5py.File(path, "w", driver="core", backing_store=False, libver=release) as file:
        for name, array in arrays.items():
            layout: dict[str, Any] = {}
            if array.size and array.ndim > 1:
                chunks = (1, *array.shape[1:]) if array.ndim == 3 else array.shape
                layout = {"chunks": chunks, **COMPRESSION}
            file.create_dataset(name, data=array, **layout)
        file.attrs.update(attributes)
        file.flush()
        content = file.id.get_file_image()
    with atomic_path(path) as temporary:
        temporary.write_bytes(user_block(kind, content) + content)


def read_arrays(
    path: str | Path, kind: str, attributes: Iterable[str], needed: Iterable[str]
) -> tuple[Arrays, dict[str, Any]]:
    """All arrays of a file, of which float16 ones come as float32, and some of its attributes.

    Args:
        kind: as it was written.
        attributes: those to read, where the file has them.
        needed: arrays and attributes that must be there.

    Raises:
        SSENetError: missing, damaged, of another kind, without what is needed, or packed in a way
            that this machine cannot unpack.
    """
    if not is_file(Path(path)):
        raise SSENetError(f"{path}: no such file")
    try:
        size = _checked(Path(path).read_bytes(), kind)
        with closing(h5f.open(os.fsencode(path), h5f.ACC_RDONLY)) as file:
            found = _attributes(file, attributes)
            arrays = _arrays(file, size * MOST_COMPRESSED)
        if missing := {*needed} - arrays.keys() - found.keys():
            raise ValueError(f"it has no {', '.join(sorted(missing))}")
    except MissingFilter as error:
        raise SSENetError(f"{path}: reading it needs the package hdf5plugin") from error
    except Exception as error:  # h5py raises many kinds for a file that is none of ours
        raise SSENetError(
            f"{path}: expected '{kind}' version {FORMAT_VERSION}, but the file is damaged or "
            f"foreign ({error}); delete it and run the workflow again"
        ) from error
    return arrays, found


def _title(kind: str) -> bytes:
    return f"{kind} version {FORMAT_VERSION}\n".encode()


def user_block(kind: str, content: bytes | memoryview) -> bytes:
    """What lies in front of the HDF5 `content`: text, filled up with line ends."""
    digest = hashlib.sha256(content).hexdigest()
    return (_title(kind) + f"sha256 {digest}".encode()).ljust(USER_BLOCK, b"\n")


def _checked(content: bytes, kind: str) -> int:
    """Bytes of the HDF5 in a file; `ValueError` where the text in front does not fit it."""
    block, inside = content[:USER_BLOCK], memoryview(content)[USER_BLOCK:]
    if block != user_block(kind, inside):
        found = re.match(rb"(ssenet [a-z ]+) version (\d{1,9})\n", block)
        if found and not block.startswith(_title(kind)):
            raise ValueError(f"found {found[0]!r}")
        raise ValueError("its checksum is wrong")
    return len(inside)


def _attributes(file: h5f.FileID, names: Iterable[str]) -> dict[str, Any]:
    """Texts and arrays of those attributes that there are."""
    found: dict[str, Any] = {}
    for name in names:
        if h5a.exists(file, name.encode()):
            attribute = h5a.open(file, name.encode())
            value = np.empty(attribute.shape, attribute.dtype)
            attribute.read(value)
            alone = value[()]
            found[name] = alone.decode() if isinstance(alone, bytes) else alone
    return found


def _arrays(file: h5f.FileID, most: int) -> Arrays:
    """The arrays of numbers in a file; `ValueError` when they claim more than `most` bytes."""
    names: list[bytes] = []
    h5o.visit(file, names.append)
    opened = {name.decode(): h5o.open(file, name) for name in names}
    found = {name: item for name, item in opened.items() if isinstance(item, h5d.DatasetID)}
    if any(item.dtype.kind not in "iuf" or _is_null(item) for item in found.values()):
        raise ValueError("it holds something else than numbers")
    if not all(h5z.filter_avail(code) for item in found.values() for code in _filters(item)):
        raise MissingFilter
    if sum(math.prod(item.shape) * item.dtype.itemsize for item in found.values()) > most:
        raise ValueError("its arrays claim more than such a file can hold")
    if any(_pieces(item) > MOST_ROWS for item in found.values()):
        raise ValueError("its arrays are in more pieces than such a file's")
    return {
        name: _widened(item) if item.dtype.type is np.float16 else _read(item)
        for name, item in found.items()
    }


def _is_null(item: h5d.DatasetID) -> bool:
    return bool(item.get_space().get_simple_extent_type() == h5s.NULL)


def _pieces(item: h5d.DatasetID) -> int:
    """Chunks that an array is cut into: each takes time, even one that the file leaves out."""
    made = item.get_create_plist()
    if made.get_layout() != h5d.CHUNKED:
        return 1
    chunks = zip(item.shape, made.get_chunk(), strict=True)
    return math.prod(-(-length // chunk) for length, chunk in chunks)


def _filters(item: h5d.DatasetID) -> list[int]:
    """How an array is packed, by HDF5's numbers."""
    made = item.get_create_plist()
    return [made.get_filter(number)[0] for number in range(made.get_nfilters())]


def _read(item: h5d.DatasetID) -> NDArray[Any]:
    array = np.empty(item.shape, item.dtype)
    item.read(h5s.ALL, h5s.ALL, array)
    return array


def _widened(item: h5d.DatasetID) -> NDArray[np.float32]:
    """A float16 array as float32, by rows where it is packed so: one fits into a core's cache."""
    if not _has_rows(item):
        return _read(item).astype(np.float32)
    array = np.empty(item.shape, np.float32)
    row = np.empty(array.shape[1:], np.float16)
    inside, alone = item.get_space(), h5s.create_simple((1, *row.shape))
    for number, widened in enumerate(array):
        inside.select_hyperslab((number, 0, 0), (1, *row.shape))
        item.read(alone, inside, row)
        _widen(row, widened)
    return array


def _has_rows(item: h5d.DatasetID) -> bool:
    """Whether an array is packed as `write_arrays` does it; of others rows may take for ever."""
    made, shape = item.get_create_plist(), item.shape
    return (
        item.dtype.isnative
        and len(shape) == 3
        and made.get_layout() == h5d.CHUNKED
        and made.get_chunk() == (1, *shape[1:])
    )


def _widen(halves: NDArray[np.float16], into: NDArray[np.float32]) -> None:
    """The same as `into[...] = halves`, in a quarter of NumPy's time for float16 from 0 to 1.

    Their bits, moved to where float32 has them, are the value but for the exponents' bias.
    """
    bits = halves.view(np.uint16)
    if bits.max(initial=0) > ONE_AS_HALF:
        into[...] = halves
    else:
        np.left_shift(bits, 13, out=into.view(np.uint32), dtype=np.uint32)
        into *= np.float32(2.0**112)
