"""Refinement of a shard: what its files hold, and its errors."""

from pathlib import Path

import numpy as np
import pytest
from synthetic_run import Split, make_split

from ssenet_core.crf import dense_crf
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import read_json
from ssenet_core.io.images import load_image
from ssenet_core.io.maps import ClassMaps, read_maps, read_refined, write_maps
from ssenet_core.refine import refine, refine_cam
from ssenet_core.settings import RefineSettings
from ssenet_core.shard import Shard

SETTINGS = RefineSettings.model_validate(
    {
        "powers": [4, 24],
        "alpha": 0.2,
        "iterations": 3,
        "gaussian": {"sxy": 3, "compat": 3},
        "bilateral": {"sxy": 80, "srgb": 13, "compat": 10},
    }
)


@pytest.fixture
def split(tmp_path) -> Split:
    return make_split(tmp_path, "train", sizes=[(24, 30), (31, 17), (16, 16)])


def run(split: Split, folder: Path) -> list[Path]:
    """Refine all images of a split; return the files."""
    files = [folder / f"{image}.h5" for image in split.ids]
    refine_cam(
        Shard(split.manifest, files, folder / "record.json", 1),
        SETTINGS,
        maps_dir=split.maps,
    )
    return files


def photograph(split: Split, image: str) -> np.ndarray:
    record = next(r for r in read_json(split.manifest)["images"] if r["id"] == image)
    return np.array(load_image(record["image"]))


def test_files_hold_the_crf_of_each_background(split, tmp_path):
    files = run(split, tmp_path / "refined")
    for image, file in zip(split.ids, files, strict=True):
        maps, refined = read_maps(split.maps / f"{image}.h5"), read_refined(file)
        pixels = photograph(split, image)
        assert refined.image_id == image
        np.testing.assert_array_equal(refined.classes, maps.classes)
        assert set(refined.posteriors) == {"power-4", "power-24"}
        for power in (4, 24):
            background = (1 - maps.maps.max(axis=0, keepdims=True)) ** power
            expected = dense_crf(pixels, np.concatenate([background, maps.maps]), SETTINGS)
            found = refined.posteriors[f"power-{power}"]
            np.testing.assert_allclose(found, expected, atol=0.5 / 255 + 1e-5)
        background = np.full((1, *pixels.shape[:2]), 0.2, np.float32)
        answer = dense_crf(pixels, np.concatenate([background, maps.maps]), SETTINGS).argmax(axis=0)
        expected_labels = np.concatenate([[0], maps.classes])[answer]
        np.testing.assert_array_equal(refined.labels, expected_labels)
    record = read_json(tmp_path / "refined" / "record.json")
    assert record == {"shard": 1, "images": split.ids}


@pytest.mark.parametrize("size", [(12, 9), (1, 1)])
def test_an_image_without_classes_is_background(size):
    maps = ClassMaps("a", np.zeros((0, *size), np.float32), np.zeros(0, np.int64))
    refined = refine(np.zeros((*size, 3), np.uint8), maps, SETTINGS)
    for posterior in refined.posteriors.values():
        assert posterior.shape == (1, *size)
        np.testing.assert_allclose(posterior, 1, atol=1e-5)
    np.testing.assert_array_equal(refined.labels, np.zeros(size))


def test_one_error_names_every_bad_image(split, tmp_path):
    first, second, third = (split.maps / f"{image}.h5" for image in split.ids)
    first.unlink()
    second.write_bytes(second.read_bytes()[:200])
    maps = read_maps(third)
    write_maps(third, ClassMaps(maps.image_id, maps.maps[:, :-1], maps.classes))
    with pytest.raises(SSENetError) as caught:
        run(split, tmp_path / "refined")
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    for file, line in zip((first, second, third), lines, strict=True):
        assert str(file) in line
    assert "(16, 16)" in lines[2]
    assert not (tmp_path / "refined" / "record.json").exists()


def test_maps_of_another_image_are_refused(split, tmp_path):
    maps = read_maps(split.maps / f"{split.ids[0]}.h5")
    write_maps(split.maps / f"{split.ids[0]}.h5", ClassMaps(split.ids[1], maps.maps, maps.classes))
    with pytest.raises(SSENetError, match=f"expected maps of image {split.ids[0]}, found"):
        run(split, tmp_path / "refined")


def test_a_file_that_no_image_has_is_refused(split, tmp_path):
    split.ids.append("stranger")
    with pytest.raises(SSENetError, match="stranger"):
        run(split, tmp_path / "refined")
