"""Small archives made as PASCAL VOC 2012 and the Semantic Boundaries Dataset make theirs."""

import io
import tarfile
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

HEIGHT, WIDTH = 10, 14
TRAIN, VAL, MORE = ["2007_000001", "2007_000002"], ["2007_000003"], ["2008_000004", "2008_000005"]


def packed(files: Mapping[str, bytes], mode: str = "w") -> bytes:
    """A tar of files by name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def labels_of(value: int, border: int | None = None) -> NDArray[np.uint8]:
    """A mask with a box of one class, with a border around it where one is given."""
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    if border is not None:
        labels[2:8, 2:12] = border
    labels[3:7, 3:11] = value
    return labels


def image_bytes(pixels: NDArray[np.uint8], kind: str) -> bytes:
    """An image file's bytes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=kind)
    return buffer.getvalue()


def annotation(*names: str) -> bytes:
    """A VOC annotation's bytes."""
    objects = "".join(f"<object><name>{name}</name></object>" for name in names)
    return f"<annotation>{objects}</annotation>".encode()


def mat_bytes(labels: NDArray[np.uint8]) -> bytes:
    """A class mask's MATLAB file, with the fields beside the mask that the real ones have."""
    boundaries = np.empty((20, 1), object)
    boundaries[:] = [[np.zeros((2, 2), np.uint8)]]
    present = np.zeros((20, 1), np.uint8)
    struct = {"Boundaries": boundaries, "Segmentation": labels, "CategoriesPresent": present}
    buffer = io.BytesIO()
    savemat(buffer, {"GTcls": struct})
    return buffer.getvalue()


def voc_archive() -> bytes:
    """Five photographs, of which train has two and val has one, with masks of class 1."""
    rng, top = np.random.default_rng(0), "VOCdevkit/VOC2012"
    files = {}
    for name in (*TRAIN, *VAL, *MORE):
        pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        files[f"{top}/JPEGImages/{name}.jpg"] = image_bytes(pixels, "JPEG")
        files[f"{top}/Annotations/{name}.xml"] = annotation("aeroplane")
    for name in (*TRAIN, *VAL):
        files[f"{top}/SegmentationClass/{name}.png"] = image_bytes(labels_of(1, 255), "PNG")
    for split, ids in (("train", TRAIN), ("val", VAL)):
        lines = "".join(f"{name}\n" for name in ids).encode()
        files[f"{top}/ImageSets/Segmentation/{split}.txt"] = lines
    return packed(files)


def sbd_archive(ids: Sequence[str] = (TRAIN[0], *VAL, *MORE)) -> bytes:
    """Masks of class 2, of some of VOC's images and of the others."""
    top = "benchmark_RELEASE/dataset"
    masks = {f"{top}/cls/{name}.mat": mat_bytes(labels_of(2)) for name in ids}
    others = {f"{top}/inst/{ids[0]}.mat": b"", f"{top}/train.txt": b"", f"{top}/val.txt": b""}
    return packed(others | masks, "w:gz")


def voc_overlay(address: str, files: Mapping[str, bytes]) -> dict[str, Any]:
    """A configuration's overlay for VOC 2012 and weights `net.pth` from a server.

    Args:
        address: of the server.
        files: what it has at /voc.tar, /sbd.tgz and /net.pth.
    """
    sources = {
        name: {"url": f"{address}{name}", "sha256": sha256(content).hexdigest()}
        for name, content in files.items()
    }
    return {
        "dataset": {
            "name": "tiny",
            "source": "voc",
            "root": "data/VOC2012",
            "classes": None,
            "tags": ["xml"],
            "mask_dir": "SegmentationClassAug",
            "lists": {"train": "train_aug", "pseudo_eval": "train", "val": "val", "test": None},
        },
        "cam": {"defaults": {"backbone": {"weights": "data/weights/net.pth"}}},
        "download": {
            "voc2012": sources["/voc.tar"],
            "sbd": sources["/sbd.tgz"],
            "weights": {"net.pth": sources["/net.pth"]},
        },
    }
