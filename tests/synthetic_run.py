"""A small finished run: photographs, masks, maps, refined scores, labels, as the stages leave them.

For tests of what reads a run's files; nothing here is computed by a network.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from ssenet_core.data.manifest import FORMAT, FORMAT_VERSION
from ssenet_core.io.files import read_json, sha256_file, write_json
from ssenet_core.io.images import write_label_png
from ssenet_core.io.maps import ClassMaps, RefinedScores, write_maps, write_refined

CLASSES = ("disc", "square", "bar")


@dataclass(frozen=True)
class Split:
    """Where a split's files lie."""

    manifest: Path
    maps: Path
    refined: Path
    labels: Path
    ids: list[str]
    truths: dict[str, np.ndarray]


def make_split(
    root: Path,
    split: str,
    sizes: Sequence[tuple[int, int]] = ((48, 64), (60, 40)),
    noise: float = 1.0,
) -> Split:
    """Write a split of images of these (height, width), with ever blurrier answers by `noise`."""
    random = np.random.default_rng(len(split))
    folder = root / split
    made = Split(
        folder / "manifest.json", folder / "maps", folder / "refined", folder / "labels", [], {}
    )
    records = []
    for number, (height, width) in enumerate(sizes):
        image_id = f"{split}_{number}"
        truth, tags = _truth(random, height, width, 1 + number % 2)
        records.append(_write_image(folder, image_id, truth, tags, random))
        _write_answers(made, image_id, truth, tags, noise, random)
        made.ids.append(image_id)
        made.truths[image_id] = truth
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "dataset": "synthetic",
        "split": split,
        "classes": list(CLASSES),
        "images": records,
    }
    write_json(made.manifest, content)
    return made


def empty_image(made: Split, number: int, tags: list[int] | None) -> str:
    """Take everything out of an image's truth and answers; returns its id.

    The truth keeps a rim of void. `tags` is [] where that is known, None where nothing is.
    """
    content = read_json(made.manifest)
    entry = content["images"][number]
    entry["tags"] = tags
    write_json(made.manifest, content)
    image_id, size = entry["id"], (entry["height"], entry["width"])
    made.truths[image_id] = np.zeros(size, np.uint8)
    made.truths[image_id][:2] = 255
    write_label_png(entry["mask"], made.truths[image_id])
    maps, none = np.zeros((0, *size), np.float32), np.zeros(0, np.int64)
    facts = {"classes_from": "classifier" if tags is None else "tags"}
    write_maps(made.maps / f"{image_id}.h5", ClassMaps(image_id, maps, none, facts))
    sure = {f"power-{power}": np.ones((1, *size), np.float32) for power in (4, 24)}
    labels = np.zeros(size, np.uint8)
    write_refined(made.refined / f"{image_id}.h5", RefinedScores(image_id, none, sure, labels))
    write_label_png(made.labels / f"{image_id}.png", labels)
    return image_id


def _truth(random, height, width, objects):
    """Labels with one object a tag, side by side, each with a rim of void."""
    tags = sorted(random.permutation(np.arange(1, len(CLASSES) + 1))[:objects].tolist())
    y, x = np.mgrid[:height, :width]
    truth = np.zeros((height, width), dtype=np.uint8)
    for i, tag in enumerate(tags):
        centre = (i + 0.5) * width / objects
        distance = np.hypot((y - height / 2) / height, (x - centre) / width * objects)
        truth[distance < 0.33] = 255
        truth[distance < 0.3] = tag
    return truth, tags


def _write_image(folder, image_id, truth, tags, random):
    shade = np.where(truth[..., None] > 0, [200, 120, 60], [70, 110, 90])
    photo = np.clip(shade + random.normal(0, 20, (*truth.shape, 3)), 0, 255).astype(np.uint8)
    image, mask = folder / f"{image_id}.jpg", folder / f"{image_id}_mask.png"
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photo).save(image)
    write_label_png(mask, truth)
    return {
        "id": image_id,
        "image": str(image),
        "mask": str(mask),
        "width": truth.shape[1],
        "height": truth.shape[0],
        "tags": tags,
        "sha256": sha256_file(image),
        "mask_sha256": sha256_file(mask),
    }


def _write_answers(made, image_id, truth, tags, noise, random):
    heights = [gaussian_filter((truth == tag).astype(np.float32), 3 * noise) for tag in tags]
    maps = np.stack([np.clip(h / h.max() + 0.02 * noise, 0, 1) for h in heights])
    classes = np.array(tags, dtype=np.int64)
    attributes = {"classes_from": "tags"}
    write_maps(made.maps / f"{image_id}.h5", ClassMaps(image_id, maps, classes, attributes))
    posteriors = {}
    for power in (4, 24):
        background = (1 - maps.max(axis=0, keepdims=True)) ** power
        scores = np.concatenate([background, maps])
        posteriors[f"power-{power}"] = (scores / scores.sum(axis=0)).astype(np.float32)
    values = np.array([0, *tags], dtype=np.uint8)
    labels = values[posteriors["power-4"].argmax(axis=0)]
    write_refined(
        made.refined / f"{image_id}.h5", RefinedScores(image_id, classes, posteriors, labels)
    )
    wrong = random.random(truth.shape) < 0.02 * noise
    write_label_png(made.labels / f"{image_id}.png", np.where(wrong, 0, labels).astype(np.uint8))
