"""Labels in the formats of labelling tools, read back pixel by pixel as those tools read them."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pycocotools.coco import COCO
from scipy.ndimage import gaussian_filter

from ssenet_core.cli import main
from ssenet_core.data.manifest import FORMAT, FORMAT_VERSION
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import read_json, write_json
from ssenet_core.io.images import VOID, read_label_png, write_label_png
from ssenet_core.io.segmentations import decode_mask
from ssenet_core.labelling import export_labels, regions

CLASSES = ("cat", "potted plant", "dog")  # no photograph has a dog
SIZE = (44, 60)  # of the photographs; their working copies have half of it
CHAIN = "affinity/ssenet/default"
Labels = NDArray[np.uint8]


def shapes() -> Labels:
    """Two regions of a class, one with two holes and an island, of another a border of void."""
    labels = np.zeros(SIZE, np.uint8)
    labels[2:30, 3:28] = 1
    labels[6:24, 7:20] = 0
    labels[10:14, 10:14] = 1
    labels[26:29, 22:25] = 2
    labels[30, 28] = 1  # touches the first at a corner
    labels[33, 5:12] = labels[36:40, 9] = 1  # of one pixel's width
    labels[15:38, 36:60] = VOID
    labels[17:36, 38:60] = 2  # up to the photograph's edge
    labels[42, 2] = 2
    return labels


LABELS = {"black_1": shapes(), "white_2": np.zeros(SIZE, np.uint8), "white_3": shapes()[::-1]}


def without_void(labels: Labels) -> Labels:
    return np.where(labels == VOID, 0, labels).astype(np.uint8)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Results with pseudo labels of photographs that have working copies, in two folders."""
    results, files = tmp_path / "results" / "own", {}
    for image in LABELS:
        folder, name = image.split("_")
        files[image] = Path("photos", folder, f"{name}.jpg")
        (tmp_path / files[image]).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", SIZE[::-1]).save(tmp_path / files[image])
        write_label_png(results / CHAIN / "masks" / "train" / f"{image}.png", LABELS[image])
        small = results / CHAIN / "pseudo_labels" / "train" / f"{image}.png"
        write_label_png(small, LABELS[image][::2, ::2])
    write_manifest(results, "train", files, working=True)
    return results


def write_manifest(results: Path, split: str, files: dict[str, Path], *, working: bool) -> None:
    size = {"width": SIZE[1], "height": SIZE[0]}
    records: list[dict[str, Any]] = []
    for image, file in files.items():
        record = {"id": image, "mask": None, "tags": [], "sha256": ""}
        own = {"image": str(file), **size}
        if working:
            original = {"file": str(file), "format": "JPEG", "orientation": 1, **size}
            copy = f"{results}/prepared/{image}.jpg"
            own = {"image": copy, "width": SIZE[1] // 2, "height": 22, "original": original}
        records.append(record | own)
    content = {"format": FORMAT, "format_version": FORMAT_VERSION, "dataset": "own"}
    content |= {"split": split, "classes": list(CLASSES), "images": records}
    write_json(results / "manifest" / f"{split}.json", content)


def exported(run: Path, form: str, source: str = "pseudo_labels") -> Path:
    out = run.parent / form
    export_labels(run, form=form, source=source, out=out)
    return out


def test_coco_is_read_back_by_pycocotools(run: Path) -> None:
    file = exported(run, "coco") / "instances_train.json"
    coco = COCO(str(file))
    assert {entry["name"]: entry["id"] for entry in coco.dataset["categories"]} == {
        "cat": 1,
        "potted plant": 2,
        "dog": 3,
    }
    names = {f"{entry['file_name']}": entry for entry in coco.dataset["images"]}
    assert names.keys() == {"black/1.jpg", "white/2.jpg", "white/3.jpg"}
    for image, labels in LABELS.items():
        entry = names[f"{image.replace('_', '/')}.jpg"]
        assert (entry["height"], entry["width"]) == SIZE
        found = np.zeros(SIZE, np.uint8)
        for annotation in coco.imgToAnns[entry["id"]]:
            mask = coco.annToMask(annotation).astype(bool)
            rows, columns = np.nonzero(mask)
            box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
            assert (annotation["bbox"], annotation["area"]) == (box, mask.sum())
            assert not found[mask].any()
            assert annotation["iscrowd"] == isinstance(annotation["segmentation"], dict)
            found[mask] = annotation["category_id"]
        np.testing.assert_array_equal(found, without_void(labels))
    counts = [len(coco.imgToAnns[entry["id"]]) for entry in names.values()]
    assert counts == [8, 0, 8]
    assert sum(annotation["iscrowd"] for annotation in coco.dataset["annotations"]) == 2


def test_voc_has_the_colours_and_lists_that_cvat_reads(run: Path) -> None:
    out = exported(run, "voc")
    lines = (out / "labelmap.txt").read_text().splitlines()
    assert lines[0] == "# label:color_rgb:parts:actions"
    colours = {}
    for value, line in enumerate(lines[1:]):
        name, colour, parts, actions = line.split(":")
        assert (name, parts, actions) == (("background", *CLASSES)[value], "", "")
        colours[tuple(map(int, colour.split(",")))] = value
    names = (out / "ImageSets" / "Segmentation" / "train.txt").read_text().split()
    assert names == ["black/1", "white/2", "white/3"]
    for name, labels in zip(names, LABELS.values(), strict=True):
        with Image.open(out / "SegmentationClass" / f"{name}.png") as picture:
            pixels = np.asarray(picture.convert("RGB"))
        found = [[colours[tuple(pixel)] for pixel in row] for row in pixels.tolist()]
        np.testing.assert_array_equal(found, without_void(labels))
        objects = read_label_png(out / "SegmentationObject" / f"{name}.png")
        np.testing.assert_array_equal(objects > 0, without_void(labels) > 0)
        pairs = {pair for pair in zip(objects.flat, labels.flat, strict=True) if pair[0]}
        assert sorted(number for number, _ in pairs) == list(range(1, len(regions(labels)) + 1))


def test_more_regions_than_a_png_has_numbers_are_one_object_a_class(run: Path) -> None:
    labels = np.zeros(SIZE, np.uint8)
    labels[::2, ::2] = 1 + np.arange(30) % 2
    write_label_png(run / CHAIN / "masks" / "train" / "white_2.png", labels)
    objects = read_label_png(exported(run, "voc") / "SegmentationObject" / "white" / "2.png")
    np.testing.assert_array_equal(objects, labels)


def test_labelme_fills_its_polygons_to_the_same_pixels(run: Path) -> None:
    out = exported(run, "labelme")
    for image, labels in LABELS.items():
        file = out / f"{image.replace('_', '/')}.json"
        content = read_json(file)
        with Image.open(file.parent / content["imagePath"]) as photograph:
            assert photograph.size == (content["imageWidth"], content["imageHeight"])
        found = Image.new("L", SIZE[::-1])
        for shape in sorted(content["shapes"], key=lambda shape: shape["label"]):
            assert shape["shape_type"] == "polygon"
            points = [tuple(point) for point in shape["points"]]
            assert len(points) > 2
            value = CLASSES.index(shape["label"]) + 1
            ImageDraw.Draw(found).polygon(points, fill=value, outline=value)
        np.testing.assert_array_equal(found, without_void(labels))


def test_yolo_is_read_back_by_supervision(run: Path) -> None:
    import supervision  # which takes seconds

    out = exported(run, "yolo")
    assert yaml.safe_load((out / "data.yaml").read_text())["names"] == list(CLASSES)
    for name in ("black/1", "white/2", "white/3"):  # supervision reads one folder alone
        for folder, file in (("labels/train", f"{name}.txt"), ("images", f"{name}.jpg")):
            source = run.parents[1] / "photos" if folder == "images" else out / folder
            (out / "flat" / folder).mkdir(parents=True, exist_ok=True)
            shutil.copy(source / file, out / "flat" / folder / Path(file).name)
    data = supervision.DetectionDataset.from_yolo(
        images_directory_path=str(out / "flat" / "images"),
        annotations_directory_path=str(out / "flat" / "labels" / "train"),
        data_yaml_path=str(out / "data.yaml"),
        force_masks=True,
    )
    assert data.classes == list(CLASSES)
    assert len(data) == len(LABELS)
    for path, _, detections in data:
        labels = next(own for image, own in LABELS.items() if image.endswith(Path(path).stem))
        found = np.zeros(SIZE, np.uint8)
        for _, mask, _, label, *_ in detections:
            found[mask] = label + 1
        np.testing.assert_array_equal(found, without_void(labels))


@pytest.mark.parametrize("smooth", [0.0, 1.0, 2.5])
def test_any_region_has_outlines_that_fill_to_it(smooth: float) -> None:
    random = np.random.default_rng(0)
    with_holes = 0
    for _ in range(40):
        size = tuple(random.integers(1, 40, 2).tolist())
        labels = (gaussian_filter(random.normal(size=size), smooth) > -0.02).astype(np.uint8)
        for region in regions(labels):
            expected = np.zeros(size, bool)
            expected[region.box] = region.pixels
            picture = Image.new("L", size[::-1])
            points = [tuple(point) for point in region.outline().tolist()]
            ImageDraw.Draw(picture).polygon(points, fill=1, outline=1)
            np.testing.assert_array_equal(np.asarray(picture), expected)
            polygon = region.polygon()
            with_holes += polygon is None
            if polygon is not None:
                found = decode_mask([polygon.ravel().tolist()], size)
                np.testing.assert_array_equal(found, expected)
    assert with_holes


def test_an_outline_has_no_point_that_it_can_do_without() -> None:
    (region,) = regions(np.ones((30, 50), np.uint8))
    assert len(region.outline()) == 4
    assert len(json.dumps(region.polygon().tolist())) < 200  # type: ignore[union-attr]


def test_predictions_without_working_copies_and_another_chain(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"c": Path("photos/c.jpg")}
    write_manifest(run, "val", files, working=False)
    for deeplab in ("default", "other"):
        folder = run / "deeplab" / "ssenet" / "default" / deeplab / "predictions" / "val"
        write_label_png(folder / "c.png", LABELS["black_1"])
    out = run.parent / "out"
    command = ["labels", str(run), "--format", "coco", "--source", "predictions"]
    assert main([*command, "--out", str(out)]) == 1
    both = "there are ssenet/default/default, ssenet/default/other"
    assert f"{both}; name one by --chain" in capsys.readouterr().err
    chain = ["--out", str(out), "--chain"]
    assert main([*command, *chain, "ssenet/other/default"]) == 1
    assert f"{both}; found --chain ssenet/other/default" in capsys.readouterr().err
    assert main([*command, *chain, "ssenet/default/other"]) == 0
    assert "1 photographs of val" in capsys.readouterr().out
    # Names go by the folder that all photographs of the run are in.
    assert read_json(out / "instances_val.json")["images"][0]["file_name"] == "c.jpg"
    assert main([*command, *chain, "ssenet/default/other"]) == 1
    assert "expected a new or empty folder" in capsys.readouterr().err


def test_what_is_not_made_yet_is_named_with_what_makes_it(run: Path) -> None:
    masks = run / CHAIN / "masks" / "train"
    (masks / "white_2.png").unlink()
    with pytest.raises(SSENetError, match=r"1 of 3 masks are missing \(white_2\).* masks$"):
        exported(run, "coco")
    with pytest.raises(SSENetError, match="predictions are of the split val or test, the run has"):
        exported(run, "coco", "predictions")
    write_manifest(run, "test", {"t": Path("photos/t.jpg")}, working=True)
    write_json(run / "manifest" / "test.shards" / "3.json", {})
    with pytest.raises(SSENetError, match=r"no predictions of test yet.*\*/masks/test.shards/3.js"):
        exported(run, "coco", "predictions")
    with pytest.raises(SSENetError, match="own/out: expected the results of a run"):
        export_labels(run / "out", form="voc", source="predictions", out=run / "o")


def test_a_mask_of_another_size_is_refused(run: Path) -> None:
    path = run / CHAIN / "masks" / "train" / "white_3.png"
    write_label_png(path, LABELS["white_3"][:20])
    with pytest.raises(SSENetError, match=r"white_3.png: expected .* 60x44, found 60x20; delete"):
        exported(run, "labelme")
