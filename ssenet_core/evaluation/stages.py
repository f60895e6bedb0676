"""Scores of the stages' per-image files against the masks of a split, as JSON.

The functions raise `SSENetError` that names every missing file, or the file that is damaged, of
another size than its mask, or holds labels that are none of the classes.
"""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssenet_core.data.manifest import ImageRecord, Manifest, load_manifest
from ssenet_core.errors import SSENetError
from ssenet_core.evaluation.confusion import LabelError, confusion_matrix, scores
from ssenet_core.evaluation.curve import ThresholdCurve, alpha_grid
from ssenet_core.io.files import write_json
from ssenet_core.io.images import read_label_png
from ssenet_core.io.maps import read_maps, read_refined
from ssenet_core.jobs import progress
from ssenet_core.scores import labels_at_threshold, labels_from_scores, power_of
from ssenet_core.settings import AlphaGrid

LOG = logging.getLogger("ssenet")
FORMAT = 1  # of every evaluation's JSON
EQUIVARIANCE = "equivariance"  # the stage that a measurement of equivariance names
MULTI_SCALE = "MS"  # the sum of the scales, among scores by test scale
TAGLESS_STAGES = frozenset({"deeplab"})  # every earlier stage is given the tags
# What `infer_cam` writes about each image's classes; files without it were masked by tags.
CLASSES_FROM = "classes_from"

Labels = NDArray[np.uint8]


def evaluate_cam(
    *,
    manifest: str | Path,
    maps_dir: str | Path,
    output: str | Path,
    name: str,
    alpha: float,
    alphas: AlphaGrid,
) -> None:
    """Score class activation maps at the background threshold `alpha`, and over `alphas`.

    Args:
        manifest: the split's manifest.
        maps_dir: folder of `{id}.h5` class maps.
        output: JSON to write.
        name: the CAM variant.
        alpha: background threshold of the scores.
        alphas: thresholds of the curve.

    Raises:
        SSENetError: a file is missing, damaged, or does not fit its mask.
    """
    split, grid = load_manifest(manifest), alpha_grid(alphas)
    curve = ThresholdCurve(grid, split.num_classes)
    total, tags_used = LabelTotal(split.num_classes), True
    for record, truth, path in _stage_files(split, maps_dir, ".h5", f"Scoring CAMs {name}"):
        found = read_maps(path, CLASSES_FROM)
        with naming_file(path, record):
            curve.add(truth, found.maps, found.classes)
            total.add(record, truth, labels_at_threshold(found.maps, found.classes, alpha))
        tags_used &= str(found.attributes.get(CLASSES_FROM, "tags")) == "tags"
    result = total.entry(split, "cam", name, tags_used=tags_used)
    write_json(output, result | {"alpha": alpha, "curve": curve.points(grid)})
    log_scores(output, result)


def evaluate_crf(
    *, manifest: str | Path, refined_dir: str | Path, output: str | Path, name: str
) -> None:
    """Score CAMs after the dense CRF.

    Scored are the labels of the CRF with the constant background; in files without them, the argmax
    of the lowest power. The mIoU of each background's argmax is under "backgrounds".

    Args:
        manifest: the split's manifest.
        refined_dir: folder of `{id}.h5` refined scores.
        output: JSON to write.
        name: the CAM variant.

    Raises:
        SSENetError: a file is missing, damaged, or does not fit its mask.
    """
    split = load_manifest(manifest)
    total = LabelTotal(split.num_classes)
    backgrounds: dict[str, LabelTotal] = {}
    for record, truth, path in _stage_files(
        split, refined_dir, ".h5", f"Scoring CAMs {name} + CRF"
    ):
        refined = read_refined(path)
        answers = {
            key: labels_from_scores(refined.posteriors[key], refined.classes)
            for key in sorted(refined.posteriors, key=power_of)
        }
        if refined.labels is None and not answers:
            raise SSENetError(
                f"{path}: expected CRF labels or posteriors, found neither; "
                "delete the file and run the workflow again"
            )
        labels = next(iter(answers.values())) if refined.labels is None else refined.labels
        with naming_file(path, record):
            total.add(record, truth, labels)
            for key, answer in answers.items():
                of_background = backgrounds.setdefault(key, LabelTotal(split.num_classes))
                of_background.add(record, truth, answer)
    result = total.entry(split, "crf", name, tags_used=True)
    result["backgrounds"] = {key: scores(each.confusion).miou for key, each in backgrounds.items()}
    write_json(output, result)
    log_scores(output, result)


def evaluate_labels(
    *,
    manifest: str | Path,
    labels_dir: str | Path,
    output: str | Path,
    stage: str,
    name: str,
) -> None:
    """Score label PNGs: pseudo labels after the random walk, or a network's predictions.

    Args:
        manifest: the split's manifest.
        labels_dir: folder of `{id}.png`.
        output: JSON to write.
        stage: "random_walk" or "deeplab".
        name: the variants that led here, e.g. "ssenet/default".

    Raises:
        SSENetError: a file is missing, damaged, or does not fit its mask.
    """
    split = load_manifest(manifest)
    total = LabelTotal(split.num_classes)
    for record, truth, path in _stage_files(split, labels_dir, ".png", f"Scoring {stage} {name}"):
        labels = read_label_png(path)
        with naming_file(path, record):
            total.add(record, truth, labels)
    result = total.entry(split, stage, name, tags_used=stage not in TAGLESS_STAGES)
    write_json(output, result)
    log_scores(output, result)


def evaluate_trivial(*, manifest: str | Path, output: str | Path, ellipse: float) -> None:
    """Score `tag_answer` and `ellipse_answer`, which need no network, under "answers".

    An image whose tags are unknown is all background in them.

    Args:
        manifest: the split's manifest.
        output: JSON to write: a list of entries, "tag" and "ellipse".
        ellipse: the ellipse's axes as shares of the image's sides.

    Raises:
        SSENetError: a mask is missing or damaged.
    """
    split = load_manifest(manifest)
    totals = {key: LabelTotal(split.num_classes) for key in ("tag", "ellipse")}
    for record, truth in images_with_masks(split, "Scoring trivial answers"):
        facts = record.height, record.width, record.tags or ()
        with naming_file(record.mask, record):
            totals["tag"].add(record, truth, tag_answer(*facts))
            totals["ellipse"].add(record, truth, ellipse_answer(*facts, ellipse))
    known = all(record.tags is not None for record in split.images)
    entries = [
        score_entry(split, "trivial", key, total.confusion, tags_used=known)
        for key, total in totals.items()
    ]
    content = {"format": FORMAT, "stage": "trivial", "split": split.split, "answers": entries}
    write_json(output, content)
    for result in entries:
        log_scores(output, result)


def tag_answer(height: int, width: int, tags: Sequence[int]) -> Labels:
    """Every pixel is the tag; several tags share the width in equal vertical bands, in tag order.

    Args:
        height, width: the image's size in pixels.
        tags: label values; none makes everything background.

    Returns:
        Labels (height, width) uint8.
    """
    if not tags:
        return np.zeros((height, width), dtype=np.uint8)
    bands = np.asarray(tags, dtype=np.uint8)[np.arange(width) * len(tags) // width]
    return np.tile(bands, (height, 1))


def ellipse_answer(height: int, width: int, tags: Sequence[int], axes: float = 0.7) -> Labels:
    """A centred ellipse of the tag on background; several tags are bands of it.

    Args:
        height, width: the image's size in pixels.
        tags: label values; none makes everything background.
        axes: the ellipse's axes as shares of the image's sides.

    Returns:
        Labels (height, width) uint8.
    """
    y = (np.arange(height) + 0.5) / height * 2 - 1
    x = (np.arange(width) + 0.5) / width * 2 - 1
    inside = y[:, None] ** 2 + x[None, :] ** 2 <= axes**2
    return np.where(inside, tag_answer(height, width, tags), 0).astype(np.uint8)


class LabelTotal:
    """Confusion matrix of a stage's labels over images, and false positives in empty images.

    An image is empty where its mask has background and no foreground (void aside), and no tag names
    a class. It has a false positive of a class where a pixel that is not void has the class's
    label. Of these images a count says more than pixels: an absent class should not be found at
    all.
    """

    def __init__(self, num_classes: int) -> None:
        """Count for `num_classes` with background."""
        self.confusion = np.zeros((num_classes, num_classes), dtype=np.int64)
        self._empty_images = self._with_false_positives = 0
        self._images_with_class = np.zeros(num_classes, dtype=np.int64)

    def add(self, record: ImageRecord, truth: Labels, labels: Labels) -> None:
        """Count one image.

        Args:
            record: its tags are used.
            truth: labels (H, W), 255 where void.
            labels: (H, W), a stage's.

        Raises:
            LabelError: the shapes differ, or a label is not one of the classes.
        """
        confusion = confusion_matrix(truth, labels, len(self.confusion))
        self.confusion += confusion
        if not record.tags and confusion[0].any() and not confusion[1:].any():
            found = confusion[0] > 0
            self._empty_images += 1
            self._with_false_positives += bool(found[1:].any())
            self._images_with_class += found

    def entry(self, split: Manifest, stage: str, name: str, *, tags_used: bool) -> dict[str, Any]:
        """The evaluation record, as `score_entry`, with the empty images' counts."""
        of_class = zip(split.classes, self._images_with_class[1:].tolist(), strict=True)
        empty_images = {
            "images": self._empty_images,
            "with_false_positives": self._with_false_positives,
            "of_class": dict(of_class),
        }
        entry = score_entry(split, stage, name, self.confusion, tags_used=tags_used)
        return entry | {"empty_images": empty_images}


def score_entry(
    split: Manifest, stage: str, name: str, confusion: NDArray[np.int64], *, tags_used: bool
) -> dict[str, Any]:
    """The evaluation record of a confusion matrix; infinite ratios are null, see `never_found`."""
    found = scores(confusion)
    classes = ["background", *split.classes]
    return {
        "format": FORMAT,
        "stage": stage,
        "name": name,
        "split": split.split,
        "images": len(split.images),
        "classes": classes,
        **found.to_json(),
        "never_found": [classes[label] for label in found.never_found],
        "confusion": confusion.tolist(),
        "tags_used": tags_used,
    }


def log_scores(output: str | Path, entry: Mapping[str, Any]) -> None:
    """Log an entry's mIoU, mFN and mFP."""
    ratios = ("∞" if entry[key] is None else f"{entry[key]:.2f}" for key in ("mfn", "mfp"))
    LOG.info(
        "%s: %s %s on %d images of %s: mIoU %.1f %%, mFN %s, mFP %s",
        output,
        entry["stage"],
        entry["name"],
        entry["images"],
        entry["split"],
        math.nan if entry["miou"] is None else entry["miou"],
        *ratios,
    )


def images_with_masks(split: Manifest, description: str) -> Iterator[tuple[ImageRecord, Labels]]:
    """Yield the split's images and their masks' labels (H, W), with progress.

    Raises:
        SSENetError: there are no images, or some without masks.
    """
    without = [record.id for record in split.images if record.mask is None]
    if without or not split.images:
        listed = ("; these have none:\n  " + "\n  ".join(without)) if without else ", found none"
        raise SSENetError(
            f"split {split.split} of {split.dataset}: expected images with masks to score{listed}"
        )
    for record in progress(split.images, total=len(split.images), description=description):
        assert record.mask is not None
        yield record, read_label_png(record.mask)


@contextmanager
def naming_file(path: str | Path | None, record: ImageRecord) -> Iterator[None]:
    """Turn a `LabelError` into an `SSENetError` that names the file and the mask."""
    try:
        yield
    except LabelError as error:
        raise SSENetError(
            f"{path}: {error} (mask: {record.mask}); regenerate the file, or fix the dataset and "
            "its manifest"
        ) from error


def _stage_files(
    split: Manifest, folder: str | Path, suffix: str, description: str
) -> Iterator[tuple[ImageRecord, Labels, Path]]:
    """Yield each image's record, mask and file, after making sure that all files are there."""
    paths = {record.id: Path(folder) / f"{record.id}{suffix}" for record in split.images}
    missing = [str(path) for path in paths.values() if not path.is_file()]
    if missing:
        raise SSENetError(
            f"{folder}: expected {len(paths)} files for split {split.split}, {len(missing)} are "
            "missing; run the workflow again to make them:\n  " + "\n  ".join(missing)
        )
    for record, truth in images_with_masks(split, description):
        yield record, truth, paths[record.id]
