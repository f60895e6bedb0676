"""The two per-image formats: class activation maps, and dense CRF posteriors.

In: stacks of arrays. Out: compressed HDF5 with a checksum. Readers raise `SSENetError` with the
file's name when it is missing, damaged or of another kind.

Files are compressed by LZ4, which is unpacked as fast as a disk delivers it. HDF5 itself does not
have it: other programs that read these files need the package hdf5plugin too.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssenet_core.storage.hdf5 import Arrays, read_arrays, write_arrays

MAPS_FORMAT = "ssenet class activation maps"
REFINED_FORMAT = "ssenet refined scores"
IMAGE_ID = "image_id"
# Steps of stored maps from 0 to 1. float16 has eight times as many, but LZ4 finds repetitions in
# coarse values alone, and what is decided with the maps is nearly the same (docs/benchmarks.md).
MAP_STEPS = 256
# Posteriors are probabilities: 1/255 is far below what decides an argmax after 8 x 8 averaging.
POSTERIOR_LEVELS = 255


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
    write_arrays(
        path, MAPS_FORMAT, arrays, {IMAGE_ID: maps.image_id, **maps.attributes, "size": size}
    )


def read_maps(path: str | Path, *attributes: str) -> ClassMaps:
    """Read class maps; `SSENetError` names a missing, damaged or foreign file.

    Args:
        attributes: names of attributes to read, where the file has them.
    """
    arrays, found = read_arrays(
        path, MAPS_FORMAT, (IMAGE_ID, *attributes), needed=(IMAGE_ID, "maps", "classes")
    )
    return ClassMaps(
        image_id=str(found.pop(IMAGE_ID)),
        maps=arrays["maps"],
        classes=arrays["classes"],
        attributes=found,
    )


def write_refined(path: str | Path, refined: RefinedScores) -> None:
    """Write CRF posteriors as compressed bytes (255 levels), atomically."""
    arrays: Arrays = {"classes": refined.classes.astype(np.int64)}
    for name, posterior in refined.posteriors.items():
        arrays[f"posteriors/{name}"] = np.rint(posterior * POSTERIOR_LEVELS).astype(np.uint8)
    if refined.labels is not None:
        arrays["labels"] = refined.labels
    write_arrays(path, REFINED_FORMAT, arrays, {IMAGE_ID: refined.image_id})


def read_refined(path: str | Path) -> RefinedScores:
    """Read CRF posteriors; `SSENetError` names a missing, damaged or foreign file."""
    arrays, found = read_arrays(path, REFINED_FORMAT, (IMAGE_ID,), needed=(IMAGE_ID, "classes"))
    return RefinedScores(
        image_id=str(found[IMAGE_ID]),
        classes=arrays["classes"],
        posteriors={
            name.removeprefix("posteriors/"): levels.astype(np.float32)
            / np.float32(POSTERIOR_LEVELS)
            for name, levels in arrays.items()
            if name.startswith("posteriors/")
        },
        labels=arrays.get("labels"),
    )
