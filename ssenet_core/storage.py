"""Files of the pipeline: atomic writes, JSON, indexed PNGs, and the two per-image HDF5 formats.

In: arrays and paths. Out: files that are either whole or absent. Readers raise `SSENetError` with
the file's name when a file is missing, truncated or of another kind.
"""

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssenet_core.errors import SSENetError

MAPS_FORMAT = "ssenet class activation maps"
REFINED_FORMAT = "ssenet refined scores"
FORMAT_VERSION = 1
VOID = 255
# Posteriors are probabilities: 1/255 is far below what decides an argmax after 8 x 8 averaging.
POSTERIOR_LEVELS = 255


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it takes its name on success and goes on failure."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp's files are private
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: str | Path, text: str) -> None:
    """Write text as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` as indented JSON, atomically."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file; `SSENetError` when it is missing or is not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SSENetError(f"{path}: no such file") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SSENetError(f"{path}: expected JSON, found something else ({error})") from error


def write_record(path: str | Path, shard: int, images: Sequence[str]) -> None:
    """Write a shard's record: which images it holds. It comes last, so it vouches for the files."""
    write_json(path, {"shard": shard, "images": list(images)})


def sha256_file(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def voc_palette() -> bytes:
    """The 256 RGB colours of VOC: bit k of a label is bit 7 - k // 3 of channel k mod 3."""
    palette = bytearray()
    for label in range(256):
        channels = [0, 0, 0]
        for bit in range(8):
            channels[bit % 3] |= (label >> bit & 1) << (7 - bit // 3)
        palette.extend(channels)
    return bytes(palette)


def label_picture(labels: NDArray[np.uint8]) -> Image.Image:
    """Labels (H, W) uint8 as an indexed picture in VOC's colours; `ValueError` for other arrays."""
    if labels.dtype != np.uint8 or labels.ndim != 2:
        raise ValueError(f"labels must be uint8 (H, W), not {labels.dtype} {labels.shape}")
    picture = Image.fromarray(labels, mode="P")
    picture.putpalette(voc_palette())
    return picture


def write_png(path: str | Path, picture: Image.Image) -> None:
    """Write a picture as PNG, atomically."""
    with atomic_path(path) as temporary:
        picture.save(temporary, format="PNG")


def write_label_png(path: str | Path, labels: NDArray[np.uint8]) -> None:
    """Write labels (H, W) uint8 as an indexed PNG in VOC's colours, atomically."""
    write_png(path, label_picture(labels))


def read_label_png(path: str | Path) -> NDArray[np.uint8]:
    """Read an indexed or grey PNG as labels (H, W) uint8."""
    try:
        with Image.open(path) as image:
            image.load()
            mode, labels = image.mode, np.array(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise SSENetError(f"{path}: expected a label PNG, cannot read it ({error})") from error
    if mode not in {"P", "L"}:
        raise SSENetError(
            f"{path}: expected an indexed or 8-bit grey PNG of label values, found mode {mode}; "
            "convert the colours to label values"
        )
    return labels


def load_image(path: str | Path) -> Image.Image:
    """Read a photograph as RGB, in its stored orientation: masks are drawn on stored pixels."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise SSENetError(f"{path}: expected an image, cannot read it ({error})") from error


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
    with _writing(path, MAPS_FORMAT, maps.image_id) as file:
        _write_stack(file, "maps", maps.maps.astype(np.float16))
        file.create_dataset("classes", data=maps.classes.astype(np.int64))
        file.attrs.update(maps.attributes)
        file.attrs["size"] = maps.maps.shape[1:]


def read_maps(path: str | Path) -> ClassMaps:
    """Read class maps; `SSENetError` names a missing, truncated or foreign file."""
    with _reading(path, MAPS_FORMAT) as file:
        attributes = dict(file.attrs)
        return ClassMaps(
            image_id=str(attributes["image_id"]),
            maps=file["maps"][()].astype(np.float32),
            classes=file["classes"][()],
            attributes=attributes,
        )


def write_refined(path: str | Path, refined: RefinedScores) -> None:
    """Write CRF posteriors as compressed bytes (255 levels), atomically."""
    with _writing(path, REFINED_FORMAT, refined.image_id) as file:
        file.create_dataset("classes", data=refined.classes.astype(np.int64))
        for name, posterior in refined.posteriors.items():
            levels = np.rint(posterior * POSTERIOR_LEVELS).astype(np.uint8)
            _write_stack(file, f"posteriors/{name}", levels)
        if refined.labels is not None:
            file.create_dataset("labels", data=refined.labels, compression="gzip", shuffle=True)


def read_refined(path: str | Path) -> RefinedScores:
    """Read CRF posteriors; `SSENetError` names a missing, truncated or foreign file."""
    with _reading(path, REFINED_FORMAT) as file:
        stacks = file.get("posteriors", {})
        return RefinedScores(
            image_id=str(file.attrs["image_id"]),
            classes=file["classes"][()],
            posteriors={
                name: stack[()].astype(np.float32) / POSTERIOR_LEVELS
                for name, stack in stacks.items()
            },
            labels=file["labels"][()] if "labels" in file else None,
        )


def _write_stack(file: h5py.File, name: str, stack: NDArray[Any]) -> None:
    """Write a (K, H, W) stack compressed, chunked by its first axis; an empty one is left plain."""
    if stack.size:
        file.create_dataset(
            name, data=stack, chunks=(1, *stack.shape[1:]), compression="gzip", shuffle=True
        )
    else:
        file.create_dataset(name, data=stack)


@contextmanager
def _writing(path: str | Path, kind: str, image_id: str) -> Iterator[h5py.File]:
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update(format=kind, format_version=FORMAT_VERSION, image_id=image_id)
        yield file


@contextmanager
def _reading(path: str | Path, kind: str) -> Iterator[h5py.File]:
    if not Path(path).exists():
        raise SSENetError(f"{path}: no such file")
    try:
        with h5py.File(path, "r") as file:
            found = (file.attrs.get("format"), file.attrs.get("format_version"))
            if found != (kind, FORMAT_VERSION):
                raise SSENetError(
                    f"{path}: expected '{kind}' version {FORMAT_VERSION}, found {found[0]!r} "
                    f"version {found[1]}; delete the file and run the workflow again"
                )
            yield file
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise SSENetError(
            f"{path}: expected '{kind}', but the file is damaged or foreign ({error}); "
            "delete it and run the workflow again"
        ) from error
