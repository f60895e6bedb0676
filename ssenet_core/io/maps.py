"""The two per-image stacks, class activation maps and dense CRF posteriors, as HDF5 files.

A SHA-256 of the HDF5 lies in front of it, in a block of text that HDF5's readers skip. It is
checked before HDF5 opens the file, as damaged HDF5 can keep the library busy for ever. Reading
raises `SSENetError` with the file's name when it is missing, damaged or of another kind.

Arrays are packed by LZ4, which HDF5 itself does not have: other programs that read these files need
the package hdf5plugin too.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ssenet_core.errors import SSENetError
from ssenet_core.io.files import atomic_path, is_file

try:
    import hdf5plugin

    COMPRESSION: dict[str, Any] = dict(hdf5plugin.LZ4())
except ImportError:  # a machine that has little more than PyTorch: what HDF5 itself can do
    COMPRESSION = {"compression": "gzip", "shuffle": True}

LZ4 = 32004  # HDF5's number of it
MAPS_FORMAT = "ssenet class activation maps"
REFINED_FORMAT = "ssenet refined scores"
FORMAT_VERSION = 3
USER_BLOCK = 512  # bytes of text in front of the HDF5
HDF5_RELEASE = "v110"  # half the bytes of a small file of the library's oldest format
MOST_COMPRESSED = 1100  # gzip makes a byte of some thousand at the most, LZ4 of 255
# Steps of stored maps from 0 to 1. float16 has eight times as many, but LZ4 finds repetitions in
# coarse values alone, and what is decided with the maps is nearly the same (docs/benchmarks.md).
MAP_STEPS = 256
# Posteriors are probabilities: 1/255 is far below what decides an argmax after 8 x 8 averaging.
POSTERIOR_LEVELS = 255

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class ClassMaps:
    """Normalised class activation maps of one image.

    Attributes:
        image_id: the image's id.
        maps: one map a class, (K, H, W) float32 in [0, 1] at the image's size.
        classes: label values of the maps, (K,) int64; K may be 0.
        attributes: what made them (scales, checkpoint checksum, where the classes came from). All
            are written; read are those that are asked for.
    """

    image_id: str
    maps: NDArray[np.float32]
    classes: NDArray[np.int64]
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RefinedScores:
    """Dense CRF posteriors of one image, one set a background score.

    Attributes:
        image_id: the image's id.
        classes: label values of the foreground rows, (K,) int64.
        posteriors: background's name ("power-4") to probabilities, (K + 1, H, W) float32, row 0
            the background.
        labels: the CRF's answer with the constant background, (H, W) uint8, if it was asked for.
    """

    image_id: str
    classes: NDArray[np.int64]
    posteriors: dict[str, NDArray[np.float32]]
    labels: NDArray[np.uint8] | None = None


def write_maps(path: str | Path, maps: ClassMaps) -> None:
    """Write class maps, in [0, 1], as float16 in steps of 1/256, one chunk a class, atomically."""
    arrays: Arrays = {
        "maps": (np.rint(maps.maps * MAP_STEPS) / MAP_STEPS).astype(np.float16),
        "classes": maps.classes.astype(np.int64),
    }
    size = np.asarray(maps.maps.shape[1:], np.int64)
    attributes = {"image_id": maps.image_id, **maps.attributes, "size": size}
    _write(path, MAPS_FORMAT, arrays, attributes)


def read_maps(path: str | Path, *attributes: str) -> ClassMaps:
    """Read class maps; `SSENetError` names a missing, damaged or foreign file.

    Args:
        attributes: names of attributes to read, where the file has them.
    """
    with _opened(path, MAPS_FORMAT) as file:
        return ClassMaps(
            image_id=file.attrs["image_id"],
            maps=file["maps"][()].astype(np.float32),
            classes=file["classes"][()],
            attributes={name: file.attrs[name] for name in attributes if name in file.attrs},
        )


def write_refined(path: str | Path, refined: RefinedScores) -> None:
    """Write CRF posteriors as compressed bytes (255 levels), atomically."""
    arrays: Arrays = {"classes": refined.classes.astype(np.int64)}
    for name, posterior in refined.posteriors.items():
        arrays[f"posteriors/{name}"] = np.rint(posterior * POSTERIOR_LEVELS).astype(np.uint8)
    if refined.labels is not None:
        arrays["labels"] = refined.labels
    _write(path, REFINED_FORMAT, arrays, {"image_id": refined.image_id})


def read_refined(path: str | Path) -> RefinedScores:
    """Read CRF posteriors; `SSENetError` names a missing, damaged or foreign file."""
    with _opened(path, REFINED_FORMAT) as file:
        return RefinedScores(
            image_id=file.attrs["image_id"],
            classes=file["classes"][()],
            posteriors={
                name: levels[()].astype(np.float32) / np.float32(POSTERIOR_LEVELS)
                for name, levels in file.get("posteriors", {}).items()
            },
            labels=file["labels"][()] if "labels" in file else None,
        )


def user_block(kind: str, content: bytes | memoryview) -> bytes:
    """What lies in front of the HDF5 `content`: its kind and checksum, filled up with line ends."""
    digest = hashlib.sha256(content).hexdigest()
    return f"{_title(kind)}sha256 {digest}".encode().ljust(USER_BLOCK, b"\n")


def _title(kind: str) -> str:
    return f"{kind} version {FORMAT_VERSION}\n"


def _write(path: str | Path, kind: str, arrays: Arrays, attributes: Mapping[str, Any]) -> None:
    """Write arrays atomically; of two or three axes compressed, of three with one chunk a row."""
    # Made in memory: HDF5 does not recover from a disk that becomes full under it.
    made = BytesIO()
    with h5py.File(made, "w", libver=(HDF5_RELEASE, HDF5_RELEASE)) as file:
        for name, array in arrays.items():
            layout: dict[str, Any] = {}
            if array.size and array.ndim > 1:
                chunks = (1, *array.shape[1:]) if array.ndim == 3 else array.shape
                layout = {"chunks": chunks, **COMPRESSION}
            file.create_dataset(name, data=array, **layout)
        file.attrs.update(attributes)
    with atomic_path(path) as temporary:
        temporary.write_bytes(user_block(kind, made.getvalue()) + made.getvalue())


@contextmanager
def _opened(path: str | Path, kind: str) -> Iterator[h5py.File]:
    """Yield a file whose checksum is right; whatever fails with it is an `SSENetError`."""
    if not is_file(path):
        raise SSENetError(f"{path}: no such file")
    try:
        size = _checked(Path(path).read_bytes(), kind)
        with h5py.File(path, "r") as file:
            claimed: list[int] = []
            file.visititems(lambda _, item: claimed.append(getattr(item, "nbytes", 0)))
            if sum(claimed) > size * MOST_COMPRESSED:
                raise ValueError("its arrays claim more than such a file can hold")
            yield file
    except Exception as error:  # h5py raises many kinds for a file that is none of ours
        if "read data" in str(error) and not h5py.h5z.filter_avail(LZ4):
            raise SSENetError(f"{path}: reading it needs the package hdf5plugin") from error
        raise SSENetError(
            f"{path}: expected '{kind}' version {FORMAT_VERSION}, but the file is damaged or "
            f"foreign ({error}); delete it and run the workflow again"
        ) from error


def _checked(content: bytes, kind: str) -> int:
    """Bytes of the HDF5 in a file; `ValueError` where the text in front does not fit it."""
    block, inside = content[:USER_BLOCK], memoryview(content)[USER_BLOCK:]
    if block != user_block(kind, inside):
        found = re.match(rb"(ssenet [a-z ]+) version (\d{1,9})\n", block)
        if found and not block.startswith(_title(kind).encode()):
            raise ValueError(f"found {found[0]!r}")
        raise ValueError("its checksum is wrong")
    return len(inside)
