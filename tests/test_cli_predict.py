"""`ssenet predict` and `ssenet export`: what is written, and the faults that are named."""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_deeplab import CLASSES, photograph, write_checkpoint

from ssenet_core.cli import main
from ssenet_core.io.images import load_image, read_label_png, voc_palette
from ssenet_core.segmenter import DENSE_CRF, Segmenter

FAST = ("--scales", "1", "--no-flip", "--no-crf")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_checkpoint(tmp_path_factory.mktemp("network") / "model.pt"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of photographs of all kinds, beside things that are none."""
    folder = tmp_path / "my photos"
    (folder / "sub.jpg").mkdir(parents=True)
    photograph(45, 33).save(folder / "b.JPG", format="JPEG")
    photograph(32, 24, seed=1).convert("L").save(folder / "-grey one.png")
    photograph(17, 50, seed=2).convert("RGBA").save(folder / "zoë.v2.png")
    photograph(40, 40, seed=3).save(folder / "a.jpeg")
    photograph().save(folder / "sub.jpg" / "inner.jpg")
    (folder / "notes.txt").write_text("no photograph")
    (folder / "._b.jpg").write_text("no photograph either")
    return folder


def written(out: Path) -> set[str]:
    return {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}


def test_masks_overlays_and_areas(model: str, photos: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    assert main(["predict", "--model", model, str(photos), "--out", str(out), *FAST]) == 0
    assert capsys.readouterr().out == f"{out / 'areas.json'}\n"
    stems = ["-grey one", "a", "b", "zoë.v2"]
    assert written(out) == {"areas.json", *(f"masks/{stem}.png" for stem in stems)}
    areas = json.loads((out / "areas.json").read_text(encoding="utf-8"))
    assert list(areas) == stems
    segmenter = Segmenter.load(model, scales=(1.0,))
    for path in (path for path in photos.iterdir() if path.stem in stems):
        with Image.open(out / "masks" / f"{path.stem}.png") as mask:
            assert mask.mode == "P"
            assert bytes(mask.getpalette()) == voc_palette()[: len(mask.getpalette())]
        labels = read_label_png(out / "masks" / f"{path.stem}.png")
        np.testing.assert_array_equal(labels, segmenter(load_image(path)))
        assert list(areas[path.stem]) == ["background", *CLASSES]
        assert sum(areas[path.stem].values()) == pytest.approx(1)
        assert areas[path.stem]["cat"] == pytest.approx((labels == 1).mean())


def test_an_overlay_colours_the_foreground_alone(model: str, photos: Path, tmp_path: Path) -> None:
    arguments = ["predict", "--model", model, str(photos), "--out", str(tmp_path), *FAST]
    assert main([*arguments, "--overlay"]) == 0
    colours = np.array(list(voc_palette())).reshape(256, 3)
    seen = set()
    for path in (photos / name for name in ("b.JPG", "-grey one.png", "zoë.v2.png", "a.jpeg")):
        pixels = np.array(load_image(path)).astype(int)
        labels = read_label_png(tmp_path / "masks" / f"{path.stem}.png")
        overlay = np.array(Image.open(tmp_path / "overlays" / f"{path.stem}.png")).astype(int)
        here = labels > 0
        np.testing.assert_array_equal(overlay[~here], pixels[~here])
        np.testing.assert_array_equal(overlay[here], (pixels[here] + colours[labels[here]]) // 2)
        seen |= set(np.unique(labels))
    assert {0, 1} <= seen or {0, 2} <= seen


def test_scales_flips_and_crf_are_on_by_default(model: str, tmp_path: Path) -> None:
    photograph().save(tmp_path / "a.png")
    arguments = ["predict", "--model", model, str(tmp_path / "a.png"), "--out", str(tmp_path)]
    assert main(arguments) == 0
    segmenter = Segmenter.load(model, scales=(0.75, 1, 1.25, 1.5), flip=True, crf=DENSE_CRF)
    expected = segmenter(load_image(tmp_path / "a.png"))
    np.testing.assert_array_equal(read_label_png(tmp_path / "masks" / "a.png"), expected)


def test_all_formats_that_can_be_read_are_found(model: str, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for suffix in ("webp", "tif", "TIFF", "bmp", "gif", "ppm"):
        photograph().save(folder / f"{suffix}.{suffix}")
    assert main(["predict", "--model", model, str(folder), "--out", str(tmp_path), *FAST]) == 0
    areas = json.loads((tmp_path / "areas.json").read_text())
    assert sorted(areas) == ["TIFF", "bmp", "gif", "ppm", "tif", "webp"]


def test_the_version_is_that_of_the_package(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"ssenet {version('ssenet-core')}\n"


def test_names_with_leading_dashes(model: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    photograph().save("-a b.png")
    assert main(["predict", "--model", model, "--out=-out", *FAST, "--", "-a b.png"]) == 0
    assert written(tmp_path / "-out") == {"areas.json", "masks/-a b.png"}


def test_unreadable_photographs_are_named_after_the_others(
    model: str, photos: Path, tmp_path: Path, capsys
) -> None:
    (photos / "bad.jpg").write_bytes(b"no image")
    whole = (photos / "a.jpeg").read_bytes()
    (photos / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    photograph().save(photos / f"{'n' * 220}.png")
    out = tmp_path / "out"
    assert main(["predict", "--model", model, str(photos), "--out", str(out), *FAST]) == 1
    error = capsys.readouterr().err
    assert "3 of 7 photographs were left out" in error
    assert all(name in error for name in ("bad.jpg: expected a photograph", "cut.jpg", "nnn.png"))
    assert list(json.loads((out / "areas.json").read_text())) == ["-grey one", "a", "b", "zoë.v2"]
    assert len(written(out)) == 5


def test_a_file_named_twice_is_one_and_equal_stems_are_refused(
    model: str, photos: Path, tmp_path: Path, capsys
) -> None:
    start = ["predict", "--model", model, "--out", str(tmp_path / "out"), *FAST]
    assert main([*start, str(photos), str(photos / "a.jpeg")]) == 0
    photograph().save(photos / "sub.jpg" / "a.png")
    assert main([*start, str(photos), str(photos / "sub.jpg")]) == 1
    error = capsys.readouterr().err
    assert f"{photos / 'a.jpeg'} and {photos / 'sub.jpg' / 'a.png'}: " in error


def test_wrong_places_are_all_named(model: str, tmp_path: Path, capsys) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    start = ["predict", "--model", model, *FAST, "--out"]
    places = [str(tmp_path / "empty"), str(tmp_path / "gone.jpg")]
    assert main([*start, str(tmp_path / "out"), *places]) == 1
    error = capsys.readouterr().err
    assert "empty: no .jpg, .jpeg, " in error
    assert "gone.jpg: no such file or folder" in error
    assert not (tmp_path / "out").exists()
    photograph().save(tmp_path / "a.png")
    assert main([*start, str(tmp_path / "file"), str(tmp_path / "a.png")]) == 1
    assert "cannot make this folder" in capsys.readouterr().err


def test_photographs_are_not_overwritten(model: str, tmp_path: Path, capsys) -> None:
    path = tmp_path / "masks" / "a.png"
    path.parent.mkdir()
    photograph().save(path)
    before = path.read_bytes()
    assert main(["predict", "--model", model, str(path), "--out", str(tmp_path), *FAST]) == 1
    assert "would overwrite" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_wrong_models_are_named(tmp_path: Path, capsys) -> None:
    photograph().save(tmp_path / "a.png")
    cam = str(write_checkpoint(tmp_path / "cam.pt", "cam"))
    place = ["--out", str(tmp_path / "out"), str(tmp_path / "a.png")]
    assert main(["predict", "--model", cam, *place]) == 1
    assert "cam.pt: expected a deeplab checkpoint" in capsys.readouterr().err
    assert main(["predict", "--model", str(tmp_path / "gone.pt"), *place]) == 1
    assert "gone.pt: no such file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("scales", ["", "0", "1,-1", "1 2", "nan", "inf", "9", "a"])
def test_wrong_scales_are_named(scales: str, capsys) -> None:
    with pytest.raises(SystemExit):
        main(["predict", "--model", "m", "--out", "o", "p", f"--scales={scales}"])
    assert "expected positive numbers" in capsys.readouterr().err


def test_export(model: str, tmp_path: Path, capsys) -> None:
    start = ["export", "--model", model, "--out"]
    out = tmp_path / "x.torchscript.pt"
    assert main([*start, str(out), "--size", "24x32"]) == 0
    assert out.is_file()
    assert main([*start, str(tmp_path / "x.onnx")]) == 0
    assert capsys.readouterr().out.splitlines() == [str(out), str(tmp_path / "x.onnx")]
    assert main([*start, str(tmp_path / "x.onnx"), "--size", "24x32"]) == 1
    assert "x.onnx: ONNX takes images of any size" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*start, str(out), "--size", "24"])
    assert "expected height and width" in capsys.readouterr().err


def test_a_second_call_into_the_folder_keeps_the_first_ones_areas(
    model: str, tmp_path: Path
) -> None:
    for name in ("b", "a", "gone"):
        photograph(seed=ord(name[0])).save(tmp_path / f"{name}.png")
    out = tmp_path / "out"
    start = ["predict", "--model", model, "--out", str(out), *FAST]
    assert main([*start, str(tmp_path / "b.png"), str(tmp_path / "gone.png")]) == 0
    first = json.loads((out / "areas.json").read_text())
    (out / "masks" / "gone.png").unlink()
    assert main([*start, str(tmp_path / "a.png")]) == 0
    both = json.loads((out / "areas.json").read_text())
    assert list(both) == ["a", "b"]
    assert both["b"] == first["b"]
    assert both["a"] != both["b"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "areas.json: expected JSON"),
        ("[1]", "expected classes' areas by photograph; move it away"),
        (
            '{"b": {"background": 1.0, "cow": 0}}',
            "of a network with the classes background, cow",
        ),
    ],
)
def test_areas_of_another_network_are_not_mixed(
    model: str, tmp_path: Path, capsys, content: str, said: str
) -> None:
    photograph().save(tmp_path / "a.png")
    (tmp_path / "out" / "masks").mkdir(parents=True)
    (tmp_path / "out" / "masks" / "b.png").touch()
    (tmp_path / "out" / "areas.json").write_text(content)
    before = written(tmp_path)
    out = ["--out", str(tmp_path / "out"), *FAST]
    assert main(["predict", "--model", model, str(tmp_path / "a.png"), *out]) == 1
    assert said in capsys.readouterr().err
    assert written(tmp_path) == before


def test_what_is_left_out_of_a_folder_is_said(model: str, photos: Path, capsys) -> None:
    (photos / "IMG_1.NEF").write_bytes(b"II*")
    assert main(["predict", "--model", model, str(photos), "--out", str(photos), *FAST]) == 0
    said = capsys.readouterr().err
    assert f"note: {photos / 'IMG_1.NEF'} is left out: .NEF is not read" in said
    assert f"note: {photos / 'sub.jpg'} is left out: photographs in folders below" in said
    assert "notes.txt" not in said
