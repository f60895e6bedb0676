"""Masks of the Semantic Boundaries Dataset as indexed PNGs, beside VOC's own: SegmentationClassAug.

In: the dataset's archive, with one MATLAB file an image, and VOC 2012. Out: a folder with a mask an
image, VOC's own where both have one: these have a void border and score CAMs and predictions; the
other's masks are kept as they are, without one. Fails with `SSENetError` that lists every mask that
is damaged, has unknown values, or has no image of its size.
"""

import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ssenet_core.data.archive import DAMAGE, is_filled, new_folder
from ssenet_core.data.dataset import VOC_CLASSES
from ssenet_core.data.download import fetch
from ssenet_core.data.layout import id_problem, read_list
from ssenet_core.data.matlab import LARGEST, read_field
from ssenet_core.data.voc2012 import LISTS, RECORD, refuse
from ssenet_core.errors import SSENetError
from ssenet_core.progress import progress
from ssenet_core.settings import Source
from ssenet_core.storage import VOID, write_json, write_label_png
from ssenet_core.storage.images import image_size

MASKS = PurePosixPath("benchmark_RELEASE/dataset/cls")
IMAGES = 11_355  # for the progress bar: an archive does not say how many members it has


def make_segmentation_class_aug(*, source: Source, archive: str | Path, root: str | Path) -> None:
    """Have the folder `SegmentationClassAug` in `root`, and a record that it is whole.

    Args:
        source: `download.sbd` of the configuration.
        archive: where the archive is kept, or lies already.
        root: VOC 2012. A folder of this name that is there is checked, and nothing is fetched.

    Raises:
        SSENetError: see the module, and `download`.
    """
    root = Path(root)
    target = root / "SegmentationClassAug"
    if is_filled(target):
        _check_masks(root, target)
        write_json(target / RECORD, {"from": "found here"})
        return
    fetch(source, archive, key="download.sbd")
    with new_folder(target) as part:
        for mask in sorted((root / "SegmentationClass").glob("*.png")):
            shutil.copyfile(mask, part / mask.name)
        _check_masks(root, part)
        count = convert_masks(archive, root / "JPEGImages", part)
        write_json(part / RECORD, {"from": str(archive), "converted": count})


def convert_masks(archive: str | Path, images: Path, target: Path) -> int:
    """Write the archive's masks into `target`, but for those that are there; returns how many.

    Args:
        archive: the dataset's .tgz; only the folder of class masks is read.
        images: VOC's photographs, whose sizes the masks must have.
        target: a folder, with VOC's own masks in it.
    """
    problems: list[str] = []
    seen = written = 0
    for name, content in progress(_mat_files(archive), total=IMAGES, description="masks of SBD"):
        seen += 1
        try:
            image_id = _image_id(name)
            if not (target / f"{image_id}.png").exists():
                labels = read_sbd_mask(content, name)
                _require_size(labels, images / f"{image_id}.jpg", name)
                write_label_png(target / f"{image_id}.png", labels)
                written += 1
        except SSENetError as error:
            problems.append(str(error))
    if not seen:
        problems.append(f"{MASKS}: expected .mat files there, found none")
    refuse(Path(archive), problems, "not the masks of the Semantic Boundaries Dataset")
    return written


def read_sbd_mask(content: bytes, name: str) -> NDArray[np.uint8]:
    """Label values (H, W) of a MATLAB file's `GTcls.Segmentation`.

    Raises:
        SSENetError: damaged, another content, or values that are no class.
    """
    try:
        labels = read_field(content, "GTcls", "Segmentation")
    except ValueError as error:
        raise SSENetError(
            f"{name}: expected a MATLAB file with GTcls.Segmentation, cannot read it ({error})"
        ) from error
    if labels.ndim != 2 or labels.dtype.kind not in "iuf" or not labels.size:
        raise SSENetError(f"{name}: expected labels (H, W), found {labels.dtype} {labels.shape}")
    values = np.unique(labels)
    unknown = values[~np.isin(values, [*range(len(VOC_CLASSES) + 1), VOID])]
    if unknown.size:
        raise SSENetError(f"{name}: label values {unknown.tolist()} are no classes of VOC")
    return labels.astype(np.uint8)


def _mat_files(archive: str | Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the archive's class masks, read in one go: nothing is unpacked."""
    try:
        with tarfile.open(archive, "r|*") as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                if path.parent == MASKS and path.suffix == ".mat":
                    file = tar.extractfile(member) if member.isreg() else None
                    if file is None or member.size > LARGEST:
                        raise SSENetError(
                            f"{archive}: {member.name} is no plain file of up to {LARGEST} bytes"
                        )
                    yield member.name, file.read()
    except DAMAGE as error:
        raise SSENetError(f"{archive}: damaged, cannot read it ({error})") from error


def _image_id(name: str) -> str:
    image_id = PurePosixPath(name).stem
    problem = id_problem(image_id)
    if problem:
        raise SSENetError(f"{name}: {problem}")
    return image_id


def _require_size(labels: NDArray[np.uint8], image: Path, name: str) -> None:
    try:
        width, height = image_size(image)
    except SSENetError as error:
        raise SSENetError(f"{name}: its image cannot be read ({error})") from error
    if labels.shape != (height, width):
        found = f"{labels.shape[1]}x{labels.shape[0]}"
        raise SSENetError(f"{name}: expected the size of {image}, {width}x{height}, found {found}")


def _check_masks(root: Path, folder: Path) -> None:
    """Refuse a folder that lacks the mask of an image in VOC's `train` or `val`."""
    problems = [
        f"{image_id}.png: missing"
        for split in ("train", "val")
        for image_id in read_list(root / LISTS / f"{split}.txt")
        if not (folder / f"{image_id}.png").is_file()
    ]
    refuse(folder, problems, "masks of VOC's images are missing; move it away to have it made")
