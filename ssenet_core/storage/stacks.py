"""The two per-image HDF5 formats: class activation maps, and dense CRF posteriors.

In: stacks of arrays. Out: compressed files with a checksum of all that is in them. Readers raise
`SSENetError` with the file's name when it is missing, damaged or of another kind.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ssenet_core.errors import SSENetError
from ssenet_core.storage.files import atomic_path

MAPS_FORMAT = "ssenet class activation maps"
REFINED_FORMAT = "ssenet refined scores"
FORMAT_VERSION = 2
# Posteriors are probabilities: 1/255 is far below what decides an argmax after 8 x 8 averaging.
POSTERIOR_LEVELS = 255

Stacks = dict[str, NDArray[Any]]


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
    """Write class maps as compressed float16 HDF5, one chunk a class, atomically."""
    attributes = {**maps.attributes, "size": np.asarray(maps.maps.shape[1:], np.int64)}
    stacks: Stacks = {
        "maps": maps.maps.astype(np.float16),
        "classes": maps.classes.astype(np.int64),
    }
    _write(path, MAPS_FORMAT, maps.image_id, stacks, attributes)


def read_maps(path: str | Path) -> ClassMaps:
    """Read class maps; `SSENetError` names a missing, damaged or foreign file."""
    stacks, attributes = _read(path, MAPS_FORMAT)
    return ClassMaps(
        image_id=str(attributes["image_id"]),
        maps=stacks["maps"].astype(np.float32),
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
    stacks, attributes = _read(path, REFINED_FORMAT)
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
    facts = {"format": kind, "format_version": FORMAT_VERSION, "image_id": image_id, **attributes}
    # Made in memory: HDF5 does not recover from a disk that becomes full under it.
    with h5py.File(path, "w", driver="core", backing_store=False) as file:
        for name, stack in stacks.items():
            compression: dict[str, Any] = {}
            if stack.size and stack.ndim > 1:
                chunks = (1, *stack.shape[1:]) if stack.ndim == 3 else stack.shape
                compression = {"chunks": chunks, "compression": "gzip", "shuffle": True}
            file.create_dataset(name, data=stack, **compression)
        file.attrs.update(facts, sha256=_checksum(stacks, facts))
        file.flush()
        content = file.id.get_file_image()
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def _read(path: str | Path, kind: str) -> tuple[Stacks, dict[str, Any]]:
    """All arrays and attributes of a file that is whole."""
    if not Path(path).exists():
        raise SSENetError(f"{path}: no such file")
    try:
        with h5py.File(path, "r") as file:
            attributes = dict(file.attrs)
            found = (attributes.get("format"), attributes.get("format_version"))
            if found != (kind, FORMAT_VERSION):
                raise SSENetError(
                    f"{path}: expected '{kind}' version {FORMAT_VERSION}, found {found[0]!r} "
                    f"version {found[1]}; delete the file and run the workflow again"
                )
            checksum = attributes.pop("sha256", None)
            stacks: Stacks = {}
            file.visititems(lambda name, item: _collect(stacks, name, item))
        if checksum != _checksum(stacks, attributes):
            raise ValueError("its checksum is wrong")
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, MemoryError) as error:
        raise SSENetError(
            f"{path}: expected '{kind}', but the file is damaged or foreign ({error}); "
            "delete it and run the workflow again"
        ) from error
    return stacks, attributes


def _collect(stacks: Stacks, name: str, item: h5py.Group | h5py.Dataset) -> None:
    if isinstance(item, h5py.Dataset):
        stacks[name] = item[()]


def _checksum(stacks: Stacks, attributes: Mapping[str, Any]) -> str:
    """Of everything in a file: HDF5 itself notices little of what happens to its bytes."""
    digest = hashlib.sha256()
    facts = {name: np.asarray(value).tolist() for name, value in attributes.items()}
    digest.update(json.dumps(facts, sort_keys=True).encode())
    for name in sorted(stacks):
        stack = np.ascontiguousarray(stacks[name])
        digest.update(f"{name} {stack.dtype.str} {stack.shape}".encode())
        digest.update(stack.data)
    return digest.hexdigest()
