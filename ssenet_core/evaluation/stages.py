"""Score one stage's per-image files against the masks of a split.

In: a manifest whose images have masks, and a folder of `{id}.h5` or `{id}.png`. Out: one JSON file
with the confusion matrix and all that follows from it, and under "empty_images" in how many of the
photographs with nothing in them something was found (`evaluation.empty`). Fails with `SSENetError`
that names every missing file, or the file that is damaged, of another size than its mask, or holds
unknown labels.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssenet_core.data.manifest import ImageRecord, Manifest, load_manifest
from ssenet_core.errors import SSENetError
from ssenet_core.evaluation.confusion import confusion_matrix, scores
from ssenet_core.evaluation.curve import ThresholdCurve, alpha_grid
from ssenet_core.evaluation.empty import EmptyImages
from ssenet_core.evaluation.entries import (
    FORMAT,
    Labels,
    curve_points,
    entry,
    naming,
    say,
    scored_images,
    true_labels,
)
from ssenet_core.evaluation.trivial import ellipse_answer, tag_answer
from ssenet_core.io.files import write_json
from ssenet_core.io.images import read_label_png
from ssenet_core.io.maps import ClassMaps, read_maps, read_refined
from ssenet_core.scores import constant_background, labels_from_scores, with_background
from ssenet_core.settings import AlphaGrid

TAGLESS_STAGES = frozenset({"deeplab"})  # the network's answer; every earlier stage is told tags
# What `infer_cam` writes about each image's classes; files that do not say were masked by tags.
CLASSES_FROM = "classes_from"
EMPTY_IMAGES = "empty_images"


def evaluate_cam(
    *,
    manifest: str | Path,
    maps_dir: str | Path,
    output: str | Path,
    name: str,
    alpha: float,
    alphas: AlphaGrid,
) -> None:
    """Score class activation maps at background score `alpha`, and over `alphas` as a curve.

    Args:
        manifest: the split's manifest.
        maps_dir: folder of `{id}.h5` class maps.
        output: JSON to write.
        name: the CAM variant.
        alpha: background score at which the maps are judged.
        alphas: thresholds of the curve.

    Raises:
        SSENetError: a file is missing, damaged, or does not fit its mask.
    """
    grid = alpha_grid(alphas)
    split = load_manifest(manifest)
    curve = ThresholdCurve([*grid, alpha], split.num_classes)
    empty, tags_used = EmptyImages(split.num_classes), True
    for record, truth, path in _judged(split, maps_dir, ".h5", f"Scoring CAMs {name}"):
        found = read_maps(path, CLASSES_FROM)
        with naming(path, record):
            curve.add(truth, found.maps, found.classes)
            if not record.tags:
                labels = _labels_at(alpha, found)
                empty.add(record, confusion_matrix(truth, labels, split.num_classes))
        tags_used &= str(found.attributes.get(CLASSES_FROM, "tags")) == "tags"
    result = entry(split, "cam", name, curve.confusion(alpha), tags_used=tags_used)
    result[EMPTY_IMAGES] = empty.counts(split.classes)
    write_json(output, result | {"alpha": alpha, "curve": curve_points(curve, grid)})
    say(output, result)


def evaluate_crf(
    *, manifest: str | Path, refined_dir: str | Path, output: str | Path, name: str
) -> None:
    """Score CAMs after the dense CRF.

    Judged are the labels of the CRF with the constant background; files without them are judged by
    the lowest power's argmax. Each background's argmax is scored too, under "backgrounds".

    Args:
        manifest: the split's manifest.
        refined_dir: folder of `{id}.h5` refined scores.
        output: JSON to write.
        name: the CAM variant.

    Raises:
        SSENetError: a file is missing, damaged, or does not fit its mask.
    """
    split = load_manifest(manifest)
    shape = (split.num_classes, split.num_classes)
    total, empty = np.zeros(shape, dtype=np.int64), EmptyImages(split.num_classes)
    backgrounds: dict[str, NDArray[np.int64]] = {}
    for record, truth, path in _judged(split, refined_dir, ".h5", f"Scoring CAMs {name} + CRF"):
        refined = read_refined(path)
        answers = {
            key: labels_from_scores(stack, refined.classes)
            for key, stack in _by_power(refined.posteriors)
        }
        if refined.labels is None and not answers:
            raise SSENetError(
                f"{path}: expected CRF labels or posteriors, found neither; "
                "delete the file and run the workflow again"
            )
        labels = next(iter(answers.values())) if refined.labels is None else refined.labels
        with naming(path, record):
            confusion = confusion_matrix(truth, labels, split.num_classes)
            total += confusion
            empty.add(record, confusion)
            for key, answer in answers.items():
                backgrounds.setdefault(key, np.zeros(shape, dtype=np.int64))
                backgrounds[key] += confusion_matrix(truth, answer, split.num_classes)
    result = entry(split, "crf", name, total, tags_used=True)
    result[EMPTY_IMAGES] = empty.counts(split.classes)
    result["backgrounds"] = {key: scores(matrix).miou for key, matrix in backgrounds.items()}
    write_json(output, result)
    say(output, result)


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
    total = np.zeros((split.num_classes, split.num_classes), dtype=np.int64)
    empty = EmptyImages(split.num_classes)
    for record, truth, path in _judged(split, labels_dir, ".png", f"Scoring {stage} {name}"):
        labels = read_label_png(path)
        with naming(path, record):
            confusion = confusion_matrix(truth, labels, split.num_classes)
        total += confusion
        empty.add(record, confusion)
    tags_used = stage not in TAGLESS_STAGES
    result = entry(split, stage, name, total, tags_used=tags_used)
    result[EMPTY_IMAGES] = empty.counts(split.classes)
    write_json(output, result)
    say(output, result)


def evaluate_trivial(*, manifest: str | Path, output: str | Path, ellipse: float) -> None:
    """Score the answers that need no network (`evaluation.trivial`), under "answers".

    Of an image whose tags are unknown they say that all is background.

    Args:
        manifest: the split's manifest.
        output: JSON to write: a list of entries, "tag" and "ellipse".
        ellipse: the ellipse's axes as shares of the image's sides.

    Raises:
        SSENetError: a mask is missing or damaged.
    """
    split = load_manifest(manifest)
    answers: dict[str, Callable[[ImageRecord], Labels]] = {
        "tag": lambda record: tag_answer(record.height, record.width, record.tags or ()),
        "ellipse": lambda record: ellipse_answer(
            record.height, record.width, record.tags or (), ellipse
        ),
    }
    totals = {key: np.zeros((split.num_classes,) * 2, dtype=np.int64) for key in answers}
    for record in scored_images(split, "Scoring trivial answers"):
        truth = true_labels(record)
        with naming(record.mask, record):
            for key, answer in answers.items():
                totals[key] += confusion_matrix(truth, answer(record), split.num_classes)
    known = all(record.tags is not None for record in split.images)
    entries = [
        entry(split, "trivial", key, total, tags_used=known) for key, total in totals.items()
    ]
    write_json(
        output, {"format": FORMAT, "stage": "trivial", "split": split.split, "answers": entries}
    )
    for result in entries:
        say(output, result)


def _labels_at(alpha: float, found: ClassMaps) -> Labels:
    """Labels (H, W) of class maps above the background score `alpha`."""
    background = constant_background(found.maps, alpha)
    return labels_from_scores(with_background(found.maps, background), found.classes)


def _by_power(posteriors: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Backgrounds' names and posteriors in the order of their powers ("power-4" before 24)."""
    return sorted(posteriors.items(), key=lambda item: float(item[0].rpartition("-")[2]))


def _judged(
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
    for record in scored_images(split, description):
        yield record, true_labels(record), paths[record.id]
