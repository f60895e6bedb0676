"""A small dataset in VOC layout, on disk, for tests to spoil."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssenet_core.io.images import write_label_png
from ssenet_core.settings import DatasetSettings

CLASSES = ["cat", "dog", "potted plant"]
WIDTH, HEIGHT = 24, 16


@pytest.fixture
def voc(tmp_path: Path) -> DatasetSettings:
    """Settings of a dataset: train a, b c, d.e; pseudo_eval a; val v, w; tags from a CSV file."""
    root = tmp_path / "photos"
    for folder in ("JPEGImages", "SegmentationClass", "Annotations", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    lists = {"train": ["a", "b c", "d.e"], "scored": ["a"], "val": ["v", "w"]}
    rng = np.random.default_rng(0)
    for name, ids in lists.items():
        (root / f"ImageSets/Segmentation/{name}.txt").write_text("".join(f"{i}\n" for i in ids))
        for image_id in ids:
            pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / f"JPEGImages/{image_id}.jpg")
    for image_id in ("a", "v", "w"):
        labels = np.zeros((HEIGHT, WIDTH), np.uint8)
        labels[:4], labels[4:6] = 3, 255
        write_label_png(root / f"SegmentationClass/{image_id}.png", labels)
    (root / "tags.csv").write_text("image,tags\na,cat\nb c,dog;cat\nd.e,potted plant;\n")
    section = {
        "name": "photos",
        "source": "voc",
        "root": str(root),
        "classes": CLASSES,
        "tags": ["csv"],
        "tags_csv": {"train": "tags.csv", "val": None, "test": None},
        "image_dir": "JPEGImages",
        "image_suffix": ".jpg",
        "mask_dir": "SegmentationClass",
        "annotation_dir": "Annotations",
        "list_dir": "ImageSets/Segmentation",
        "lists": {"train": "train", "pseudo_eval": "scored", "val": "val", "test": None},
    }
    return DatasetSettings.model_validate(section)


@pytest.fixture
def annotate(voc: DatasetSettings) -> Callable[[str, str], Path]:
    """Write an annotation's text for an image; returns its path."""

    def write(image_id: str, text: str) -> Path:
        path = Path(voc.root) / "Annotations" / f"{image_id}.xml"
        path.write_text(text)
        return path

    return write
