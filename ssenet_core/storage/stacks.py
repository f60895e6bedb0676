"""The two per-image HDF5 formats: class activation maps, and dense CRF posteriors.

In: stacks of arrays. Out: compressed files with a checksum of all that is in them. Readers raise
`SSENetError` with the file's name when it is missing, damaged or of another kind.

Files are compressed by LZ4, which is unpacked as fast as a disk delivers it. HDF5 itself does not
have it: other programs that read these files need the package hdf5plugin too.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ssenet_core.errors import SSENetError
from ssenet_core.paths import is_file
from ssenet_core.storage.files import atomic_path

try:
    import hdf5plugin

    COMPRESSION: dict[str, Any] = {**hdf5plugin.LZ4(), "shuffle": True}
except ImportError:  # a machine that has little more than PyTorch: what HDF5 itself can do
    COMPRESSION = {"compression": "gzip", "shuffle": True}

MAPS_FORMAT = "ssenet class activation maps"
REFINED_FORMAT = "ssenet refined scores"
FORMAT_VERSION = 3
# Bytes in front of the HDF5, which its readers skip. They hold the kind and a checksum of the rest:
# damaged HDF5 must not be opened, as it can keep the library busy for ever.
USER_BLOCK = 512
# Posteriors are probabilities: 1/255 is far below what decides an argmax after 8 x 8 averaging.
POSTERIOR_LEVELS = 255

MOST_COMPRESSED = 1100  # gzip makes a byte of some thousand at the most, LZ4 of 255
HDF5_RELEASE = "v110"  # half the bytes of a small file of the library's oldest format
ONE_AS_HALF = np.float16(1).view(np.uint16)

Stacks = dict[str, NDArray[Any]]


class MissingFilter(Exception):
    """An array is packed in a way that this machine's HDF5 cannot unpack."""


@dataclass(frozen=True)
class ClassMaps:
    """Normalised class activation maps of one image.

    Attributes:
        image_id: the image's id.
        maps: one map a class, (K, H, W) float32 in [0, 1] at the image's size.
        classes: label values of the maps, (K,) int64; K may be 0.
        attributes: what made them (scales, checkpoint checksum, where the classes came from).
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
    """Write class maps, in [0, 1], as compressed float16 HDF5, one chunk a class, atomically."""
    attributes = {**maps.attributes, "size": np.asarray(maps.maps.shape[1:], np.int64)}
    stacks: Stacks = {
        "maps": maps.maps.astype(np.float16),
        "classes": maps.classes.astype(np.int64),
    }
    _write(path, MAPS_FORMAT, maps.image_id, stacks, attributes)


def read_maps(path: str | Path) -> ClassMaps:
    """Read class maps; `SSENetError` names a missing, damaged or foreign file."""
    stacks, attributes = _read(path, MAPS_FORMAT, ("maps", "classes"))
    return ClassMaps(
        image_id=str(attributes["image_id"]),
        maps=_float32(stacks["maps"]),
        classes=stacks["classes"],
        attributes=attributes,
    )


def write_refined(path: str | Path, refined: RefinedScores) -> None:
    """Write CRF posteriors as compressed bytes (255 levels), atomically."""
    stacks: Stacks = {"classes": refined.classes.astype(np.int64)}
    for name, posterior in refined.posteriors.items():
        stacks[f"posteriors/{name}"] = np.rint(posterior * POSTERIOR_LEVELS).astype(np.uint8)
    if refined.labels is not None:
        stacks["labels"] = refined.labels
    _write(path, REFINED_FORMAT, refined.image_id, stacks, {})


def read_refined(path: str | Path) -> RefinedScores:
    """Read CRF posteriors; `SSENetError` names a missing, damaged or foreign file."""
    stacks, attributes = _read(path, REFINED_FORMAT, ("classes",))
    return RefinedScores(
        image_id=str(attributes["image_id"]),
        classes=stacks["classes"],
        posteriors={
            name.removeprefix("posteriors/"): levels.astype(np.float32)
            / np.float32(POSTERIOR_LEVELS)
            for name, levels in stacks.items()
            if name.startswith("posteriors/")
        },
        labels=stacks.get("labels"),
    )


def _write(
    path: str | Path, kind: str, image_id: str, stacks: Stacks, attributes: Mapping[str, Any]
) -> None:
    # Made in memory: HDF5 does not recover from a disk that becomes full under it.
    release = (HDF5_RELEASE, HDF5_RELEASE)
    with h5py.File(path, "w", driver="core", backing_store=False, libver=release) as file:
        for name, stack in stacks.items():
            layout: dict[str, Any] = {}
            if stack.size and stack.ndim > 1:
                chunks = (1, *stack.shape[1:]) if stack.ndim == 3 else stack.shape
                layout = {"chunks": chunks, **COMPRESSION}
            file.create_dataset(name, data=stack, **layout)
        file.attrs.update({"image_id": image_id, **attributes})
        file.flush()
        content = file.id.get_file_image()
    with atomic_path(path) as temporary:
        temporary.write_bytes(_user_block(kind, content) + content)


def _read(path: str | Path, kind: str, needed: tuple[str, ...]) -> tuple[Stacks, dict[str, Any]]:
    """All arrays and attributes of a file that is whole and has those that are needed."""
    if not is_file(Path(path)):
        raise SSENetError(f"{path}: no such file")
    try:
        content = Path(path).read_bytes()
        block, inside = content[:USER_BLOCK], memoryview(content)[USER_BLOCK:]
        if block != _user_block(kind, inside):
            found = re.match(rb"(ssenet [a-z ]+) version (\d{1,9})\n", block)
            if found and not block.startswith(_title(kind)):
                raise ValueError(f"found {found[0]!r}")
            raise ValueError("its checksum is wrong")
        with h5py.File(path, "r") as file:
            attributes = dict(file.attrs)
            stacks = _arrays(file, len(inside) * MOST_COMPRESSED)
        if missing := {*needed} - stacks.keys() | {"image_id"} - attributes.keys():
            raise ValueError(f"it has no {', '.join(sorted(missing))}")
    except MissingFilter as error:
        raise SSENetError(f"{path}: reading it needs the package hdf5plugin") from error
    except Exception as error:  # h5py raises many kinds for a file that is none of ours
        raise SSENetError(
            f"{path}: expected '{kind}' version {FORMAT_VERSION}, but the file is damaged or "
            f"foreign ({error}); delete it and run the workflow again"
        ) from error
    return stacks, attributes


def _missing_filters(item: h5py.Dataset) -> bool:
    """Whether an array is packed in a way that this machine's HDF5 cannot unpack."""
    made = item.id.get_create_plist()
    codes = [made.get_filter(number)[0] for number in range(made.get_nfilters())]
    return not all(map(h5py.h5z.filter_avail, codes))


def _float32(halves: NDArray[Any]) -> NDArray[np.float32]:
    """The same as `halves.astype(float32)`, in a quarter of NumPy's time for float16 from 0 to 1.

    Their bits, moved to where float32 has them, are the value but for the exponents' bias.
    """
    if halves.dtype != np.float16 or halves.view(np.uint16).max(initial=0) > ONE_AS_HALF:
        return halves.astype(np.float32)
    bits = halves.view(np.uint16).astype(np.uint32)
    bits <<= 13
    wide = bits.view(np.float32)
    wide *= np.float32(2.0**112)
    return wide


def _title(kind: str) -> bytes:
    return f"{kind} version {FORMAT_VERSION}\n".encode()


def _user_block(kind: str, content: bytes | memoryview) -> bytes:
    """What lies in front of the HDF5 `content`: text, filled up with line ends."""
    digest = hashlib.sha256(content).hexdigest()
    return (_title(kind) + f"sha256 {digest}".encode()).ljust(USER_BLOCK, b"\n")


def _arrays(file: h5py.File, most: int) -> Stacks:
    """The arrays of numbers in a file; `ValueError` when they claim more than `most` bytes."""
    found: dict[str, h5py.Dataset] = {}
    file.visititems(
        lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None
    )
    if any(item.dtype.kind not in "iuf" or item.shape is None for item in found.values()):
        raise ValueError("it holds something else than numbers")
    if any(_missing_filters(item) for item in found.values()):
        raise MissingFilter
    if sum(item.nbytes for item in found.values()) > most:
        raise ValueError("its arrays claim more than such a file can hold")
    return {name: item[()] for name, item in found.items()}
