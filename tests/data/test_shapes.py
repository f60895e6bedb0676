"""The generated dataset: the same from the same seed, whole, and as its description says."""

from pathlib import Path

import numpy as np
from PIL import Image
from stage_settings import changed

from ssenet_core.data.check import check_split
from ssenet_core.data.dataset import SHAPES_CLASSES, split_ids
from ssenet_core.data.manifest import load_manifest
from ssenet_core.data.shapes import draw_shapes, make_shapes
from ssenet_core.io.images import read_label_png, voc_palette
from ssenet_core.settings import DatasetSettings, ShapesSettings

SETTINGS = ShapesSettings(seed=3, train=5, val=3, size=48, classes=4)


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_same_settings_give_the_same_bytes(tmp_path: Path) -> None:
    make_shapes(root=tmp_path / "one", settings=SETTINGS)
    make_shapes(root=tmp_path / "two", settings=SETTINGS)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    make_shapes(root=tmp_path / "three", settings=changed(SETTINGS, {"seed": 4}))
    assert contents(tmp_path / "one") != contents(tmp_path / "three")


def test_an_image_does_not_depend_on_how_many_there_are(tmp_path: Path) -> None:
    make_shapes(root=tmp_path / "few", settings=SETTINGS)
    make_shapes(root=tmp_path / "more", settings=changed(SETTINGS, {"val": 6}))
    few, more = contents(tmp_path / "few"), contents(tmp_path / "more")
    assert all(more[name] == few[name] for name in few if not name.endswith("val.txt"))
    assert len(more) == len(few) + 6


def test_files_are_in_voc_layout(tmp_path: Path) -> None:
    make_shapes(root=tmp_path, settings=SETTINGS)
    for split, count in (("train", 5), ("val", 3)):
        ids = (tmp_path / f"ImageSets/Segmentation/{split}.txt").read_text().split()
        lists = {"train": "train", "pseudo_eval": "train", "val": "val", "test": None}
        section = {"source": "shapes", "name": "shapes", "shapes": SETTINGS, "lists": lists}
        dataset = DatasetSettings.model_validate(section)
        assert ids == split_ids(dataset, split)
        assert len(ids) == count
    with Image.open(tmp_path / "SegmentationClass/shape_00001.png") as mask:
        assert mask.mode == "P"
        assert bytes(mask.getpalette() or [])[:30] == voc_palette()[:30]
    with Image.open(tmp_path / "JPEGImages/shape_00008.jpg") as image:
        assert (image.mode, image.size) == ("RGB", (48, 48))


def test_creatures_vary_as_described() -> None:
    drawn = [draw_shapes(seed=1, number=k, size=48, classes=4)[1] for k in range(1, 121)]
    kinds = [set(np.unique(labels).tolist()) - {0} for labels in drawn]
    assert all(1 <= len(found) <= 2 for found in kinds)
    assert set.union(*kinds) == {1, 2, 3, 4}
    assert 0.1 < np.mean([len(found) == 2 for found in kinds]) < 0.4
    shares = [float((labels > 0).mean()) for labels in drawn]
    assert min(shares) < 0.06
    assert max(shares) > 0.3


def test_all_creatures_can_be_drawn() -> None:
    drawn = [draw_shapes(seed=0, number=k, size=32, classes=len(SHAPES_CLASSES)) for k in range(30)]
    assert {int(v) for _, labels in drawn for v in np.unique(labels)} == set(
        range(len(SHAPES_CLASSES) + 1)
    )


def test_manifest_takes_tags_from_the_masks(tmp_path: Path) -> None:
    make_shapes(root=tmp_path / "made", settings=SETTINGS)
    section = {
        "name": "shapes",
        "source": "shapes",
        "root": str(tmp_path / "made"),
        "tags": ["masks"],
        "shapes": SETTINGS,
        "lists": {"train": "train", "pseudo_eval": "train", "val": "val", "test": None},
    }
    dataset = DatasetSettings.model_validate(section)
    output = tmp_path / "train.json"
    check_split(dataset=dataset, split="train", output=output)
    manifest = load_manifest(output)
    assert manifest.classes == SHAPES_CLASSES[:4]
    for record in manifest.images:
        labels = read_label_png(tmp_path / "made/SegmentationClass" / f"{record.id}.png")
        assert set(record.tags) == set(np.unique(labels).tolist()) - {0}
        assert record.mask is None
