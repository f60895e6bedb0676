"""Corrected labels: brought to the training images' size from masks, LabelMe's and COCO's JSON."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ssenet_core.data.corrections import gather_corrections
from ssenet_core.data.manifest import FORMAT, FORMAT_VERSION
from ssenet_core.data.originals import correction_files, originals_digest
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import write_json
from ssenet_core.io.images import VOID, write_label_png
from ssenet_core.labelling import export_labels
from ssenet_core.training.corrections import Corrections

CLASSES = ("cat", "dog")
SIZE = (40, 60)  # of the photographs, of which `turned` is stored on its side
WORKING = (20, 30)
Labels = NDArray[np.uint8]


@pytest.fixture
def labels() -> Labels:
    """Labels of a photograph, of which the working copy has every other pixel."""
    found = np.zeros(SIZE, np.uint8)
    found[4:30, 6:30] = 1
    found[10:20, 10:20] = 0
    found[20:40, 40:60] = 2
    return found


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Training images a_1, turned and plain, the last of which is no working copy."""
    record = {"mask": None, "tags": [1], "sha256": "", "height": WORKING[0], "width": WORKING[1]}
    original: dict[str, Any] = {"format": "JPEG", "height": SIZE[0], "width": SIZE[1]}
    images = [
        record
        | {"id": name, "image": f"{name}.jpg"}
        | ({"original": original | {"file": file, "orientation": orientation}} if file else {})
        for name, file, orientation in (
            ("a_1", "photos/a/1.jpg", 1),
            ("turned", "photos/turned.jpg", 6),
            ("plain", None, 1),
        )
    ]
    content = {"format": FORMAT, "format_version": FORMAT_VERSION, "dataset": "own"}
    content |= {"split": "train", "classes": list(CLASSES), "images": images}
    write_json(tmp_path / "results" / "own" / "manifest" / "train.json", content)
    (tmp_path / "mended").mkdir()
    return tmp_path / "results" / "own" / "manifest" / "train.json"


def gathered(manifest: Path, source: Path) -> Corrections:
    gather_corrections(source=source, manifest=manifest, record=manifest.parent / "c.json")
    return Corrections(manifest.parent / "c.json")


def test_masks_of_any_size_come_to_the_working_copys(
    manifest: Path, tmp_path: Path, labels: Labels
) -> None:
    labels[:, :6] = VOID
    (tmp_path / "mended" / "a").mkdir()
    write_label_png(tmp_path / "mended" / "a" / "1.png", labels)  # as the photographs' folders
    on_its_side = np.asarray(Image.fromarray(labels).transpose(Image.Transpose.ROTATE_90))
    write_label_png(tmp_path / "mended" / "turned.png", on_its_side)
    write_label_png(tmp_path / "mended" / "plain.png", labels[1::2, 1::2])
    (tmp_path / "mended" / ".hidden.png").write_bytes(b"")
    found = gathered(manifest, tmp_path / "mended")
    assert len(found) == 3
    for image in ("a_1", "turned", "plain"):
        np.testing.assert_array_equal(found.of(image), labels[1::2, 1::2])
        under = np.full(WORKING, 7, np.uint8)
        expected = np.where(labels == VOID, 7, labels)[1::2, 1::2]
        np.testing.assert_array_equal(found.applied(image, under), expected)
    assert found.of("another") is None


@pytest.mark.parametrize("form", ["coco", "labelme", "voc"])
def test_what_labels_exports_comes_back(
    manifest: Path, tmp_path: Path, labels: Labels, form: str
) -> None:
    chain = tmp_path / "results" / "own" / "affinity" / "ssenet" / "default"
    (chain / "pseudo_labels" / "train").mkdir(parents=True)
    folder = chain / "masks" / "train"
    for image, own in (("a_1", labels), ("turned", labels[::-1]), ("plain", labels[::2, ::2])):
        write_label_png(folder / f"{image}.png", own)
    content = json.loads(manifest.read_text())
    content["images"][2]["image"] = "photos/plain.png"
    write_json(manifest, content)
    out = tmp_path / form
    export_labels(tmp_path / "results/own", form=form, source="pseudo_labels", out=out)
    source = {"coco": out / "instances_train.json", "voc": out / "SegmentationClass"}
    found = gathered(manifest, source.get(form, out))
    np.testing.assert_array_equal(found.of("a_1"), labels[1::2, 1::2])
    np.testing.assert_array_equal(found.of("turned"), labels[::-1][1::2, 1::2])
    np.testing.assert_array_equal(found.of("plain"), labels[::2, ::2])


def coco(*annotations: dict[str, Any], **over: Any) -> dict[str, Any]:
    image = {"id": 5, "file_name": "task/a/1.JPG", "width": SIZE[1], "height": SIZE[0]}
    categories = [{"id": 9, "name": "dog"}, {"id": 4, "name": "background"}, {"id": 1, "name": "x"}]
    own = [{"id": n, "image_id": 5} | entry for n, entry in enumerate(annotations)]
    return {"images": [image], "categories": categories, "annotations": own} | over


def test_coco_of_a_tool_has_its_own_numbers_and_the_later_lies_on_top(
    manifest: Path, tmp_path: Path
) -> None:
    box = [[10, 10, 30, 10, 30, 30, 10, 30]]
    runs = {"size": list(SIZE), "counts": [0, 2 * SIZE[0], 58 * SIZE[0]]}  # two columns, of none
    inner = {"category_id": 4, "segmentation": [[20, 20, 30, 20, 30, 30, 20, 30]]}
    dogs = ({"category_id": 9, "segmentation": found} for found in (box, runs))
    write_json(tmp_path / "mended" / "c.json", coco(*dogs, inner))
    expected = np.zeros(SIZE, np.uint8)
    expected[10:30, 10:30] = 2
    expected[:, :2] = 2
    expected[20:30, 20:30] = 0
    found = gathered(manifest, tmp_path / "mended" / "c.json")
    np.testing.assert_array_equal(found.of("a_1"), expected[1::2, 1::2])


def test_all_faults_of_a_folder_are_listed(manifest: Path, tmp_path: Path, labels: Labels) -> None:
    folder = tmp_path / "mended"
    write_label_png(folder / "a_1.png", labels + 3)
    write_label_png(folder / "turned.png", labels[:10])
    write_label_png(folder / "plain.png", labels)
    write_label_png(folder / "tuned.png", labels)
    Image.new("RGB", SIZE[::-1]).save(folder / "b.png")
    shape = {"label": "cart", "points": [[1, 1], [9, 1], [9, 9]], "shape_type": "polygon"}
    own = {"imageHeight": SIZE[0], "imageWidth": SIZE[1], "shapes": [shape]}
    write_json(folder / "a_1.json", own)
    shape = shape | {"label": "cat", "shape_type": "circle"}
    write_json(folder / "turned.json", own | {"shapes": [shape]})
    write_json(folder / "plain.json", {"shapes": []})
    with pytest.raises(SSENetError) as error:
        gathered(manifest, folder)
    text = str(error.value)
    assert text.startswith("dataset.corrections: 8 of 8 cannot be used:\n")
    for fault in (
        f"{folder}/a_1.png: label values [3, 4, 5] are outside the 2 classes",
        f"{folder}/turned.png: expected the image's size 60x40 upright, 40x60 as stored",
        f"{folder}/plain.png: expected the image's size 30x20, found 60x40",
        f"{folder}/tuned.png: no training image is called so (did you mean turned?)",
        f"{folder}/b.png: no training image is called so",
        f"{folder}/a_1.json: 'cart' is none of the classes (did you mean cat?)",
        f"{folder}/turned.json: cat: expected a polygon, found a circle of 3 points",
        f"{folder}/plain.json: expected LabelMe's JSON, found something else (imageHeight",
    ):
        assert fault in text
    assert not (manifest.parent / "c.json").exists()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({}, "expected COCO's JSON of segmentations, found something else (images"),
        (coco({"category_id": 9, "segmentation": []}), "annotations.0.segmentation"),
        (coco({"category_id": 8, "segmentation": [[0] * 6]}), "category that is not there"),
        (coco({"category_id": 1, "segmentation": [[0] * 6]}), "a/1.JPG: 'x' is none of the cl"),
        (
            coco({"category_id": 9, "segmentation": {"size": [4, 4], "counts": [16]}}),
            "a/1.JPG: not a segmentation of it: run lengths of size (4, 4), its image has [40, 60]",
        ),
        (
            coco({"category_id": 9, "segmentation": {"size": [40, 60], "counts": [16]}}),
            "do not add up",
        ),
        (coco(images=coco()["images"] * 2), "image a_1 is corrected twice"),
    ],
)
def test_faults_of_coco(manifest: Path, tmp_path: Path, content: Any, fault: str) -> None:
    write_json(tmp_path / "c.json", content)
    with pytest.raises(SSENetError) as error:
        gathered(manifest, tmp_path / "c.json")
    assert str(tmp_path / "c.json") in str(error.value)
    assert fault in str(error.value)


def test_a_changed_correction_changes_the_digest_and_its_date_alone_does_not(
    manifest: Path, tmp_path: Path, labels: Labels
) -> None:
    folder, record = tmp_path / "mended", manifest.parent / "c.json"

    def digest() -> str:
        return originals_digest(correction_files(folder), record)

    empty = digest()
    write_label_png(folder / "a_1.png", labels)
    first = digest()
    gathered(manifest, folder)
    (folder / "a_1.png").touch()
    assert digest() == first != empty
    write_label_png(folder / "a_1.png", labels[::-1])
    assert digest() != first
    with pytest.raises(SSENetError, match=r"dataset.corrections: .*none: no such folder or file"):
        correction_files(tmp_path / "none")
