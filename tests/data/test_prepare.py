"""Working copies of photographs and masks, and the way back to the originals' size."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssenet_core.data.originals import find_originals, originals_digest
from ssenet_core.data.prepare import at_original_size, prepare_images, read_originals
from ssenet_core.errors import SSENetError
from ssenet_core.io.images import read_label_png, write_label_png
from ssenet_core.settings import DatasetSettings


def picture(width: int, height: int) -> Image.Image:
    pixels = (
        np.random.default_rng(0).integers(0, 255, (height // 4, width // 4, 3)).astype(np.uint8)
    )
    return Image.fromarray(pixels).resize((width, height))


def prepare(folder: Path, size: int, ids: list[str], masked: Sequence[str] = ()) -> Path:
    """Prepare photographs of folder/photos with masks of folder/truth; returns the record."""
    dataset = {"name": "own", "source": "voc", "root": str(folder), "image_dir": "photos"}
    prepare_images(
        dataset=DatasetSettings.model_validate(
            {**dataset, "mask_dir": "truth", "working_size": size}
        ),
        images=[folder / "images" / f"{image}.jpg" for image in ids],
        masks=[folder / "masks" / f"{image}.png" for image in masked],
        record=folder / "0.json",
    )
    return folder / "0.json"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    return tmp_path


def test_any_suffix_is_found_and_two_of_one_stem_are_refused(photos: Path) -> None:
    folder = photos / "photos"
    for name in ("a.JPG", "b.jpeg", "c.PNG", "d.webp", "e.tif", "b.2.jfif"):
        form = {".PNG": "PNG", ".webp": "WEBP", ".tif": "TIFF"}.get(Path(name).suffix, "JPEG")
        picture(32, 24).save(folder / name, format=form)
    (folder / ".hidden.jpg").write_bytes(b"")
    found = find_originals(folder, ["b", "a", "c", "d", "e", "b.2"])
    assert [path.name for path in found.values()] == [
        *("b.jpeg", "a.JPG", "c.PNG", "d.webp", "e.tif", "b.2.jfif")
    ]
    picture(32, 24).save(folder / "a.png")
    with pytest.raises(SSENetError, match=r"image a: .*a\.JPG and .*a\.png\n.*image x: no such"):
        find_originals(folder, ["a", "x", "c"])


def test_files_of_one_name_in_two_folders_are_two_photographs(photos: Path) -> None:
    for label in ("red", "blue"):
        (photos / "photos" / label).mkdir()
        picture(32, 24).save(photos / "photos" / label / "001.jpg")
    found = find_originals(photos / "photos", ["red_001", "blue_001"])
    assert [path.parent.name for path in found.values()] == ["red", "blue"]


def test_a_small_jpeg_is_copied_and_a_large_one_shrunk(photos: Path) -> None:
    small, large = photos / "photos" / "small.jpg", photos / "photos" / "large.jpg"
    picture(64, 48).save(small)
    picture(640, 480).save(large)
    record = prepare(photos, 64, ["small", "large"])
    assert (photos / "images" / "small.jpg").read_bytes() == small.read_bytes()
    with Image.open(photos / "images" / "large.jpg") as copy:
        assert copy.size == (64, 48)
    facts = read_originals(record)
    assert (facts["large"].width, facts["large"].height, facts["large"].format) == (
        640,
        480,
        "JPEG",
    )
    assert facts["small"].file == str(small)


def test_masks_follow_upright_or_stored_whichever_they_fit(photos: Path) -> None:
    labels = np.zeros((480, 640), np.uint8)
    labels[:240, :320] = 1  # upper left of the upright photograph
    exif = Image.Exif()
    exif[0x0112] = 6  # stored pixels are to be turned clockwise
    stored = picture(640, 480).transpose(Image.Transpose.ROTATE_90)
    stored.save(photos / "photos" / "p.jpg", exif=exif)
    drawn_stored = np.asarray(Image.fromarray(labels).transpose(Image.Transpose.ROTATE_90))
    for drawn, turned in ((labels, False), (drawn_stored, True)):
        write_label_png(photos / "truth" / "p.png", drawn)
        record = prepare(photos, 64, ["p"], ["p"])
        found = read_label_png(photos / "masks" / "p.png")
        assert found.shape == (48, 64)
        assert np.array_equal(found, labels[5::10, 5::10])
        fact = read_originals(record)["p"]
        assert fact.mask_turned is turned
        assert np.array_equal(at_original_size(found, fact), labels)


def test_a_mask_that_fits_neither_way_is_refused_with_all_else(photos: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    picture(64, 48).save(photos / "photos" / "p.jpg", exif=exif)
    (photos / "photos" / "q.jpg").write_bytes(b"\xff\xd8\xff broken")
    write_label_png(photos / "truth" / "p.png", np.zeros((10, 10), np.uint8))
    with pytest.raises(SSENetError) as error:
        prepare(photos, 64, ["p", "q"], ["p"])
    assert "48x64 upright, 64x48 as stored (EXIF turns it), found 10x10" in str(error.value)
    assert "q.jpg: expected a photograph" in str(error.value)
    assert not (photos / "0.json").exists()


def test_no_record_but_an_error_for_a_foreign_file(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('{"images": {"a": {"width": 3}}}')
    with pytest.raises(SSENetError, match="not a record of prepared images"):
        read_originals(tmp_path / "r.json")


def test_a_date_alone_changes_no_digest(photos: Path) -> None:
    photo, mask = photos / "photos" / "p.jpg", photos / "truth" / "p.png"
    picture(64, 48).save(photo)
    write_label_png(mask, np.zeros((48, 64), np.uint8))
    files, record = [photo, None, mask], photos / "0.json"
    before = originals_digest(files, record)
    prepare(photos, 64, ["p"], ["p"])
    assert originals_digest(files, record) == before
    for file in (photo, mask):
        os.utime(file, (1, 1))
    assert originals_digest(files, record) == before
    content = photo.read_bytes()
    photo.write_bytes(content[:-1] + b"!")
    assert originals_digest(files, record) != before
    photo.write_bytes(content + b" ")
    assert originals_digest(files, record) != before
    photo.write_bytes(content)
    assert originals_digest(files, record) == before
    record.write_text("damaged")
    assert originals_digest(files, record) != before
    mask.unlink()
    assert originals_digest(files, record) != before
