"""Pictures of an image, their IoU, and `ssenet show`, which puts all of them on one sheet."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from synthetic_run import CLASSES, empty_image, make_split

from ssenet_core.cli import main
from ssenet_core.data.manifest import ImageRecord
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import read_json, write_json
from ssenet_core.io.images import VOID, load_image, write_label_png
from ssenet_core.pictures import GAP, THUMBNAIL, View, class_colour, text_font
from ssenet_core.report.gallery import ImageViews, Subject, one_image, show_image

TRAIN, VAL = "pseudo_eval_1", "val_0"


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results of two CAM variants, one of them with a chain; training images have truth."""
    monkeypatch.chdir(tmp_path)
    train, val = make_split(tmp_path, "pseudo_eval"), make_split(tmp_path, "val")
    results = tmp_path / "results" / "synthetic"
    (results / "manifest").mkdir(parents=True)
    for split, made in (("pseudo_eval", train), ("train", train), ("val", val)):
        content = read_json(made.manifest) | {"split": split}
        if split == "train":
            content["images"] = [image | {"mask": None} for image in content["images"]]
        write_json(results / "manifest" / f"{split}.json", content)
    for cam in ("baseline", "ssenet"):
        shutil.copytree(train.maps, results / "cam" / cam / "maps" / "train")
    shutil.copytree(train.refined, results / "cam/ssenet/affinity_labels/train")
    shutil.copytree(train.labels, results / "affinity/ssenet/default/pseudo_labels/train")
    shutil.copytree(val.labels, results / "deeplab/ssenet/default/default/predictions/val")
    (results / "cam" / "pretrained").mkdir()
    return results


def shown(results: Path, image: str) -> ImageViews:
    return one_image(results, image)[1]


def views_of(image: ImageViews) -> dict[str, dict[str, View]]:
    return {heading: {view.title: view for view in views} for heading, views in image.rows}


def test_every_variant_and_stage_is_there(results: Path) -> None:
    image = shown(results, TRAIN)
    found = views_of(image)
    maps = {f"CAM of {tag}" for tag in image.tags}
    assert len(maps) == 2
    assert found.keys() == {"What is given", "CAM baseline", "CAM ssenet", "Random walk"}
    assert found["What is given"].keys() == {"Photograph", "Truth"}
    assert found["CAM baseline"].keys() == {*maps, "labels at 0.2"}
    assert found["CAM ssenet"].keys() == {
        *maps,
        "labels at 0.2",
        "CRF, constant background",
        "CRF, background ^4",
        "CRF, background ^24",
        "affinity labels",
    }
    assert found["Random walk"].keys() == {"ssenet/default"}
    assert image.splits == ("train", "pseudo_eval")


def test_the_iou_is_that_of_the_image(results: Path) -> None:
    tags = shown(results, TRAIN).tags
    truth = views_of(shown(results, TRAIN))["What is given"]["Truth"]
    assert truth.notes == ()
    labels = results / "affinity/ssenet/default/pseudo_labels/train" / f"{TRAIN}.png"
    mask = results.parents[1] / "pseudo_eval" / f"{TRAIN}_mask.png"
    answer = np.array(Image.open(mask))
    answer[answer == 255] = 0
    write_label_png(labels, answer)
    view = views_of(shown(results, TRAIN))["Random walk"]["ssenet/default"]
    assert view.notes == ("IoU background 100", *(f"IoU {tag} 100" for tag in tags))
    write_label_png(labels, np.zeros_like(answer))
    view = views_of(shown(results, TRAIN))["Random walk"]["ssenet/default"]
    assert [f"IoU {tag} 0" for tag in tags] == list(view.notes[1:])


@pytest.mark.parametrize(("tags", "said"), [([], "none of the classes"), (None, "unknown")])
def test_an_image_with_nothing_in_it(
    results: Path, monkeypatch: pytest.MonkeyPatch, tags: list[int] | None, said: str
) -> None:
    train = make_split(results.parents[1], "pseudo_eval")
    assert empty_image(train, 1, tags) == TRAIN
    for split in ("train", "pseudo_eval"):
        write_json(results / f"manifest/{split}.json", read_json(train.manifest) | {"split": split})
    for cam in ("baseline", "ssenet"):
        shutil.copy2(train.maps / f"{TRAIN}.h5", results / "cam" / cam / "maps" / "train")
    shutil.copy2(train.refined / f"{TRAIN}.h5", results / "cam/ssenet/affinity_labels/train")
    labels = results / "affinity/ssenet/default/pseudo_labels/train"
    shutil.copy2(train.labels / f"{TRAIN}.png", labels)
    image = shown(results, TRAIN)
    found = views_of(image)
    assert found["CAM baseline"].keys() == {"labels at 0.2"}
    for heading, title in (
        ("CAM ssenet", "CRF, background ^24"),
        ("Random walk", "ssenet/default"),
    ):
        assert found[heading][title].notes == ("IoU background 100",)
    assert found["CAM ssenet"]["affinity labels"].notes == ("100% of the cells are certain",)
    assert found["CAM ssenet"]["affinity labels"].labels == (0,)
    written: list[str] = []
    monkeypatch.setattr(
        ImageDraw.ImageDraw, "text", lambda _, place, text, *more: written.append(text)
    )
    show_image(TRAIN)
    assert f"synthetic, train, pseudo_eval; tags: {said}" in written


def test_an_image_without_truth_has_no_scores(results: Path) -> None:
    for split in ("pseudo_eval", "val"):
        (results / "manifest" / f"{split}.json").unlink()
    found = views_of(shown(results, TRAIN))
    assert found["What is given"].keys() == {"Photograph"}
    assert found["Random walk"]["ssenet/default"].notes == ()


def test_a_validation_image_has_its_prediction(results: Path) -> None:
    found = views_of(shown(results, VAL))
    assert found.keys() == {"What is given", "DeepLab"}
    assert found["DeepLab"].keys() == {"ssenet/default/default"}


def test_the_background_score_is_the_one_that_was_judged(results: Path) -> None:
    write_json(results / "report" / "results.json", {"settings": {"evaluation": {"alpha": 0.4}}})
    write_json(results / "cam" / "ssenet" / "evaluation" / "pseudo_eval.json", {"alpha": 0.3})
    found = views_of(shown(results, TRAIN))
    assert "labels at 0.4" in found["CAM baseline"]
    assert "labels at 0.3" in found["CAM ssenet"]
    seen = [
        views["labels at " + alpha].picture
        for views, alpha in zip(
            (found["CAM baseline"], found["CAM ssenet"]), ("0.4", "0.3"), strict=True
        )
    ]
    fewer, more = ((np.array(picture) > 0).sum() for picture in seen)
    assert 0 < fewer < more


def test_the_cells_are_those_of_the_networks_stride(results: Path) -> None:
    settings = {"affinity": {"default": {"backbone": {"output_stride": 16}}}}
    write_json(results / "report" / "results.json", {"settings": settings})
    cells = np.array(views_of(shown(results, TRAIN))["CAM ssenet"]["affinity labels"].large)
    assert cells.shape == (60, 40)
    for y, x in np.ndindex(4, 3):
        assert len(np.unique(cells[16 * y : 16 * y + 16, 16 * x : 16 * x + 16])) == 1


def is_at(sheet: np.ndarray, pixels: np.ndarray, top: int) -> bool:
    """Whether the pixels (h, w, 3) are on the sheet at this height, in any of its columns."""
    height, width = pixels.shape[:2]
    columns = range(GAP, sheet.shape[1] - width, THUMBNAIL + GAP)
    return any(
        np.array_equal(sheet[top, left : left + width], pixels[0])
        and np.array_equal(sheet[top : top + height, left : left + width], pixels)
        for left in columns
    )


def test_the_picture_holds_every_view_and_a_legend(results: Path) -> None:
    image = shown(results, TRAIN)
    sheet = np.array(load_image(show_image(TRAIN)))
    for view in image.views:
        pixels = np.array(view.picture.convert("RGB"))
        assert any(is_at(sheet, pixels, y) for y in range(len(sheet) - len(pixels)))
    labels = {CLASSES.index(tag) + 1 for tag in image.tags} | {255}
    bottom = sheet[-60:]
    for label in labels:
        assert (bottom == class_colour(label)).all(axis=-1).sum() > 100


def test_names_of_other_languages_can_be_read() -> None:
    drawn = {bytes(text_font(14).getmask(letter)) for letter in "ëéñжλ"}
    assert len(drawn) == 5  # letters that a font lacks all look the same


def test_the_command_writes_into_the_results(results: Path, capsys) -> None:
    assert main(["show", TRAIN]) == 0
    path = Path("results/synthetic/report/images") / f"{TRAIN}.png"
    assert capsys.readouterr().out == f"{path}\n"
    with Image.open(path) as picture:
        assert picture.width > 5 * 240
    assert main(["show", VAL, "--results", str(results), "--out", "deep/x.png"]) == 0
    assert Path("deep/x.png").is_file()


def test_the_photograph_is_not_written_over(results: Path, capsys) -> None:
    photograph = results.parents[1] / "val" / f"{VAL}.jpg"
    before = photograph.read_bytes()
    assert main(["show", VAL, "--out", str(photograph)]) == 1
    assert "it is what the picture is made from" in capsys.readouterr().err
    assert photograph.read_bytes() == before


def test_wrong_names_are_named(results: Path, capsys) -> None:
    assert main(["show", "val_00"]) == 1
    assert "image val_00: not among the 4 of" in (error := capsys.readouterr().err)
    assert error.count("val_0 or") + error.count("or val_0") <= 1
    assert main(["show", f"elsewhere/{VAL}.JPG"]) == 0
    assert capsys.readouterr().out == f"results/synthetic/report/images/{VAL}.png\n"
    given = views_of(shown(results, f"{TRAIN}.webp"))
    assert given.keys() == views_of(shown(results, TRAIN)).keys()
    assert main(["show", VAL, "--results", "gone"]) == 1
    assert "gone: expected the results of a run" in capsys.readouterr().err
    shutil.copytree(results, results.with_name("other"))
    assert main(["show", VAL]) == 1
    said = "there are results/other, results/synthetic in"
    assert f"{said} {Path.cwd() / 'results'}, and 2 of them have" in capsys.readouterr().err
    (results.with_name("other") / "manifest" / "val.json").unlink()
    assert main(["show", VAL]) == 0
    assert main(["show", "val_00"]) == 1
    assert "none of them has image val_00; name the folder" in capsys.readouterr().err
    shutil.rmtree("results")
    assert main(["show", VAL]) == 1
    assert f"expected a run in {Path.cwd() / 'results'}, found none" in capsys.readouterr().err


def test_a_photograph_that_is_elsewhere_is_named(results: Path, capsys) -> None:
    content = read_json(results / "manifest" / "val.json")
    content["images"][0]["image"] = "gone/val_0.jpg"
    write_json(results / "manifest" / "val.json", content)
    assert main(["show", VAL]) == 1
    assert "gone/val_0.jpg: no such photograph; run this in the folder" in capsys.readouterr().err


def test_damaged_files_are_named(results: Path) -> None:
    path = results / "affinity/ssenet/default/pseudo_labels/train" / f"{TRAIN}.png"
    write_label_png(path, np.full((60, 40), 77, np.uint8))
    with pytest.raises(SSENetError, match=f"{TRAIN}.png: "):
        one_image(results, TRAIN)
    path.write_text("no picture")
    with pytest.raises(SSENetError, match=f"{TRAIN}.png: "):
        shown(results, TRAIN)


def iou(path: Path, truth: np.ndarray, answer: np.ndarray) -> float | None:
    write_label_png(path, truth)
    height, width = truth.shape
    record = ImageRecord(
        id="a", image=path, mask=path, width=width, height=height, tags=(1,), sha256=""
    )
    return Subject(record, ("background", "cat")).labels("DeepLab", "DeepLab", path, answer).iou


def test_void_around_a_thing_does_not_mark_it_down(tmp_path):
    truth = np.full((8, 8), VOID, np.uint8)
    truth[2:6, 2:6] = 1
    answer = np.where(truth == 1, 1, 0).astype(np.uint8)
    answer[2, 2] = 0
    assert iou(tmp_path / "a.png", truth, answer) == pytest.approx(100 * 15 / 16)
    nothing = np.zeros((8, 8), np.uint8)
    assert iou(tmp_path / "b.png", nothing, nothing) == 100
