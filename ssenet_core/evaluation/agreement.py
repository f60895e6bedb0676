"""How far an image's labels of several stages agree: an order of doubtful labels without masks.

Raises `SSENetError` for a file that is missing or damaged.
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from ssenet_core.data.manifest import load_manifest
from ssenet_core.io.files import write_json
from ssenet_core.io.images import read_label_png
from ssenet_core.io.maps import RefinedScores, read_refined
from ssenet_core.jobs import progress
from ssenet_core.scores import labels_from_scores, power_of

FORMAT = 1

Labels = NDArray[np.uint8]


def measure_agreement(
    *,
    manifest: str | Path,
    refined_dir: str | Path,
    pseudo_dir: str | Path,
    prediction_dir: str | Path,
    output: str | Path,
    name: str,
) -> None:
    """Write how far each image's pseudo label agrees with the labels before and after it.

    Before it are the labels of the maps after the dense CRF with the weakest background, after it
    DeepLab's, for images that it was asked about. Images without any class are left out: they are
    background in all stages.

    Args:
        manifest: of the training images.
        refined_dir: refined scores, `{id}.h5`.
        pseudo_dir: pseudo labels, `{id}.png`.
        prediction_dir: predictions of some of the images, `{id}.png`.
        output: JSON to write.
        name: the variants that led here, e.g. "ssenet/default/default".
    """
    split = load_manifest(manifest)
    images = {}
    for record in progress(split.images, total=len(split.images), description="agreement"):
        if not record.tags:
            continue
        pseudo = read_label_png(Path(pseudo_dir) / f"{record.id}.png")
        refined = weakest_background(read_refined(Path(refined_dir) / f"{record.id}.h5"))
        images[record.id] = {"crf": round(agreement(refined, pseudo, record.tags), 4)}
        predicted = Path(prediction_dir) / f"{record.id}.png"
        if predicted.is_file():
            found = agreement(read_label_png(predicted), pseudo, record.tags)
            images[record.id]["deeplab"] = round(found, 4)
    write_json(output, {"format": FORMAT, "name": name, "images": images})


def weakest_background(refined: RefinedScores) -> Labels:
    """Labels (H, W) of the posteriors whose background is weakest: the largest foreground."""
    name = max(refined.posteriors, key=power_of)
    return labels_from_scores(refined.posteriors[name], refined.classes)


def agreement(one: Labels, other: Labels, tags: Sequence[int]) -> float:
    """Mean IoU of two stages' labels of an image over its classes, 0 to 1.

    A class that neither has is 0: that one of the image's classes was not found is a doubt too.

    Args:
        one: labels of a stage, (H, W).
        other: labels of another one, (H, W).
        tags: label values of the image's classes, at least one.
    """
    return fmean(_iou(one == tag, other == tag) for tag in tags)


def _iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 0.0
