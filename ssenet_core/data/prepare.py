"""The working copy of a dataset: each photograph upright, in 8-bit sRGB and at most so large.

`prepare_images` raises one `SSENetError` that lists everything that is wrong with the photographs
and masks of the shard, and then writes no record.
"""

import logging
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssenet_core.data.dataset import dataset_root, mask_path
from ssenet_core.data.manifest import Original
from ssenet_core.data.originals import file_state, find_originals
from ssenet_core.errors import SSENetError, listing
from ssenet_core.io.files import atomic_path, read_json, write_json
from ssenet_core.io.images import read_label_png, write_label_png
from ssenet_core.io.photographs import Photograph, read_photograph, upright
from ssenet_core.jobs import progress
from ssenet_core.settings import DatasetSettings

LOG = logging.getLogger("ssenet")
JPEG_QUALITY = 95


def prepare_images(
    *,
    dataset: DatasetSettings,
    images: Sequence[Path],
    masks: Sequence[Path],
    record: str | Path,
) -> None:
    """Write the working copies of a shard's photographs and masks, then the shard's record.

    A JPEG that needs no change is copied byte by byte; others become JPEGs of quality 95.

    Args:
        dataset: of the originals, with the `working_size` of the copies.
        images: the copies, `{id}.jpg`.
        masks: ground truth at the copies' sizes, `{id}.png`, where there is any.
        record: JSON of what each photograph was.

    Raises:
        SSENetError: photographs or masks cannot be used; all are listed.
    """
    root = dataset_root(dataset)
    originals = find_originals(root / dataset.image_dir, [path.stem for path in images])
    truth = {path.stem: path for path in masks}
    facts, files, problems = {}, {}, []
    for copy in progress(images, total=len(images), description="photographs"):
        original = originals[copy.stem]
        try:
            photograph = read_photograph(original, dataset.working_size)
            _write_copy(copy, original, photograph)
            files[str(original)], turned = file_state(original), False
            if copy.stem in truth:
                mask = _existing_mask(dataset, copy.stem)
                labels, turned = fitting_mask(mask, photograph)
                write_label_png(truth[copy.stem], labels)
                files[str(mask)] = file_state(mask)
        except SSENetError as error:
            problems.append(str(error))
            continue
        facts[copy.stem] = original_of(original, photograph, mask_turned=turned)
    if problems:
        raise SSENetError(listing(f"{len(problems)} photograph(s) cannot be used", problems))
    content = {name: original.model_dump() for name, original in facts.items()}
    write_json(record, {"images": content, "files": files})
    _log(facts.values(), record)


def _existing_mask(dataset: DatasetSettings, image: str) -> Path:
    path = mask_path(dataset, image)
    if path is None or not path.is_file():
        raise SSENetError(
            f"{path}: no such file; dataset.mask_dir: null is for images without masks"
        )
    return path


def original_of(path: Path, photograph: Photograph, *, mask_turned: bool = False) -> Original:
    """What a photograph is stored as."""
    width, height = photograph.upright_size
    return Original(
        file=str(path),
        format=photograph.format,
        width=width,
        height=height,
        orientation=photograph.orientation,
        mask_turned=mask_turned,
    )


def read_originals(record: str | Path) -> dict[str, Original]:
    """What the photographs of a shard were, by id; `SSENetError` if the record is none."""
    try:
        return {name: Original(**facts) for name, facts in read_json(record)["images"].items()}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise SSENetError(f"{record}: not a record of prepared images ({error})") from error


def fitting_mask(path: Path, photograph: Photograph) -> tuple[NDArray[np.uint8], bool]:
    """A mask at the size of the working copy, by nearest neighbour, upright as the photograph is.

    Returns:
        Labels (H, W), and whether they were drawn on the stored pixels and turned.

    Raises:
        SSENetError: it cannot be read, or fits neither the upright nor the stored photograph.
    """
    original = original_of(path, photograph)
    return fitted_labels(path, read_label_png(path), original, photograph.image.size)


def fitted_labels(
    path: str | Path, labels: NDArray[np.uint8], original: Original, size: tuple[int, int]
) -> tuple[NDArray[np.uint8], bool]:
    """Labels (H, W) of a photograph at the size of its working copy, as `fitting_mask`.

    Args:
        path: of the labels, for messages.
        labels: label values, upright or drawn on the stored pixels.
        original: what the photograph is stored as.
        size: width and height of the working copy.
    """
    turned = drawn_as_stored(path, labels, original)
    if turned:
        labels = upright(labels, original.orientation)
    copy = Image.fromarray(labels).resize(size, Image.Resampling.NEAREST)
    return np.asarray(copy), turned


def drawn_as_stored(path: str | Path, labels: NDArray[np.uint8], original: Original) -> bool:
    """Whether a mask was drawn on the stored pixels of a photograph that is to be turned.

    Raises:
        SSENetError: it fits neither the upright nor the stored photograph.
    """
    size, shown = labels.shape[::-1], (original.width, original.height)
    stored = shown[::-1] if original.orientation >= 5 else shown
    if size not in {shown, stored}:
        both = f" upright, {stored[0]}x{stored[1]} as stored (EXIF turns it)"
        raise SSENetError(
            f"{path}: expected the image's size {shown[0]}x{shown[1]}"
            f"{both if original.orientation >= 5 else ''}, found {size[0]}x{size[1]}"
        )
    return size != shown


def _write_copy(copy: Path, original: Path, photograph: Photograph) -> None:
    with atomic_path(copy) as temporary:
        if photograph.plain:
            shutil.copyfile(original, temporary)
        else:
            photograph.image.save(
                temporary, format="JPEG", quality=JPEG_QUALITY, subsampling="4:4:4"
            )


def _log(originals: Collection[Original], record: str | Path) -> None:
    turned = sum(original.orientation != 1 for original in originals)
    masks = sum(original.mask_turned for original in originals)
    formats = ", ".join(sorted({original.format for original in originals}))
    LOG.info(
        "%s: %d photographs (%s), %d turned upright, %d masks turned with them",
        *(record, len(originals), formats, turned, masks),
    )


def enlarge_masks(
    *, labels_dir: str | Path, originals: str | Path, masks: Sequence[Path], record: str | Path
) -> None:
    """Write label PNGs of a shard at their originals' upright sizes, then the shard's record.

    Args:
        labels_dir: folder of the labels, `{id}.png`, at the working copies' sizes.
        originals: record of the shard's working copies.
        masks: files to write, `{id}.png`.
        record: JSON that names the images.

    Raises:
        SSENetError: labels are missing or damaged.
    """
    facts = read_originals(originals)
    for mask in masks:
        labels = read_label_png(Path(labels_dir) / mask.name)
        write_label_png(mask, at_original_size(labels, facts[mask.stem]))
    write_json(record, {"images": [mask.stem for mask in masks]})


def at_original_size(labels: NDArray[np.uint8], original: Original) -> NDArray[np.uint8]:
    """Labels (h, w) of the working copy at the upright photograph's size, by nearest neighbour."""
    size = (original.width, original.height)
    return np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST))
