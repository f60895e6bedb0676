"""Files of the pipeline: whole or absent, read back as written, and faults named by file."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import zoom

from ssenet_core.errors import SSENetError
from ssenet_core.storage import (
    ClassMaps,
    RefinedScores,
    atomic_path,
    load_image,
    maps,
    read_json,
    read_label_png,
    read_maps,
    read_refined,
    voc_palette,
    write_json,
    write_label_png,
    write_maps,
    write_refined,
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def class_maps(rng: np.random.Generator, classes: int = 3) -> ClassMaps:
    maps = rng.random((classes, 13, 17)).astype(np.float32)
    return ClassMaps("a", maps, np.arange(1, classes + 1) * 6, {"scales": [0.5, 1.0]})


def test_atomic_path_replaces_the_old_file(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    for text in ("old", "new"):
        with atomic_path(path) as temporary:
            temporary.write_text(text)
            assert temporary.parent == path.parent
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail_halfway() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail_halfway()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_and_hdf5_that_fail_midway_leave_the_old_file(tmp_path, rng):
    path = tmp_path / "a.json"
    write_json(path, {"a": [1, "é"]})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert read_json(path) == {"a": [1, "é"]}
    maps = tmp_path / "a.h5"
    good = class_maps(rng)
    write_maps(maps, good)
    with pytest.raises(TypeError):
        write_maps(maps, ClassMaps("a", good.maps, good.classes, {"x": object()}))
    assert read_maps(maps).image_id == "a"
    assert sorted(tmp_path.iterdir()) == [maps, path]


def test_bad_json_is_named(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(SSENetError, match=r"a\.json: no such file"):
        read_json(path)
    path.write_text("{")
    with pytest.raises(SSENetError, match=r"a\.json: expected JSON"):
        read_json(path)


def test_palette_starts_with_vocs_colours():
    palette = voc_palette()
    assert len(palette) == 768
    assert [tuple(palette[i : i + 3]) for i in (0, 3, 6)] == [(0, 0, 0), (128, 0, 0), (0, 128, 0)]
    assert tuple(palette[-3:]) == (224, 224, 192)
    assert len({palette[i : i + 3] for i in range(0, 768, 3)}) == 256


def test_labels_round_trip(tmp_path, rng):
    labels = rng.integers(0, 256, (9, 14), dtype=np.uint8)
    write_label_png(tmp_path / "a.png", labels)
    np.testing.assert_array_equal(read_label_png(tmp_path / "a.png"), labels)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "P"
        colours = np.array(image.convert("RGB"))
    palette = np.frombuffer(voc_palette(), np.uint8).reshape(256, 3)
    np.testing.assert_array_equal(colours, palette[labels])


def test_grey_labels_are_read_and_colours_refused(tmp_path, rng):
    labels = rng.integers(0, 256, (9, 14), dtype=np.uint8)
    Image.fromarray(labels).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_label_png(tmp_path / "grey.png"), labels)
    Image.fromarray(np.stack([labels] * 3, axis=-1)).save(tmp_path / "rgb.png")
    with pytest.raises(SSENetError, match=r"rgb\.png.*found mode RGB"):
        read_label_png(tmp_path / "rgb.png")


@pytest.mark.parametrize("labels", [np.zeros((2, 2), np.int64), np.zeros((1, 2, 2), np.uint8)])
def test_what_is_not_labels_is_not_written(tmp_path, labels):
    with pytest.raises(ValueError, match="uint8"):
        write_label_png(tmp_path / "a.png", labels)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("classes", [0, 1, 3])
def test_maps_round_trip(tmp_path, rng, classes):
    written = class_maps(rng, classes)
    write_maps(tmp_path / "a.h5", written)
    found = read_maps(tmp_path / "a.h5", "scales", "size", "no such attribute")
    assert found.image_id == "a"
    assert found.maps.dtype == np.float32
    assert found.maps.shape == written.maps.shape
    np.testing.assert_allclose(found.maps, written.maps, atol=2**-9)
    np.testing.assert_array_equal(found.classes, written.classes)
    assert found.classes.dtype == np.int64
    assert set(found.attributes) == {"scales", "size"}
    np.testing.assert_array_equal(found.attributes["scales"], [0.5, 1.0])
    assert tuple(found.attributes["size"]) == (13, 17)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["maps"].dtype == np.float16
        assert file.attrs["image_id"] == "a"


def test_maps_take_a_fourth_of_float32_at_most(tmp_path, rng):
    """Maps as a network makes them: coarse, enlarged, cut off at 0 and normalised."""
    coarse = rng.normal(size=(3, 24, 32))
    maps = np.maximum(zoom(coarse, (1, 12, 12), order=1), 0)
    maps = (maps / maps.max(axis=(1, 2), keepdims=True)).astype(np.float32)
    write_maps(tmp_path / "a.h5", ClassMaps("a", maps, np.array([1, 2, 3])))
    assert (tmp_path / "a.h5").stat().st_size <= maps.nbytes / 4


def test_files_of_a_machine_without_the_compression_are_the_same(tmp_path, rng, monkeypatch):
    """Written with what HDF5 itself can do, read back equal, in files that differ."""
    written = class_maps(rng)
    write_maps(tmp_path / "a.h5", written)
    monkeypatch.setattr(maps, "COMPRESSION", {"compression": "gzip", "shuffle": True})
    write_maps(tmp_path / "b.h5", written)
    filters = []
    for name in ("a.h5", "b.h5"):
        with h5py.File(tmp_path / name) as file:
            made = file["maps"].id.get_create_plist()
            filters.append([made.get_filter(place)[0] for place in range(made.get_nfilters())])
    assert filters == [[32004], [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE]]
    np.testing.assert_array_equal(
        read_maps(tmp_path / "a.h5").maps, read_maps(tmp_path / "b.h5").maps
    )


def test_a_machine_without_the_compression_says_what_is_missing(tmp_path, rng):
    write_maps(tmp_path / "a.h5", class_maps(rng))
    program = (
        "import sys; sys.modules['hdf5plugin'] = None\n"
        "from ssenet_core.storage import read_maps\n"
        "read_maps(sys.argv[1])"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "a.h5")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stderr.endswith("a.h5: reading it needs the package hdf5plugin\n")


@pytest.mark.parametrize("classes", [0, 2])
@pytest.mark.parametrize("labelled", [True, False])
def test_refined_scores_round_trip(tmp_path, rng, classes, labelled):
    stacks = {
        f"power-{power}": rng.random((classes + 1, 7, 11)).astype(np.float32) for power in (4, 24)
    }
    labels = rng.integers(0, 3, (7, 11), dtype=np.uint8) if labelled else None
    written = RefinedScores("a", np.arange(1, classes + 1), stacks, labels)
    write_refined(tmp_path / "a.h5", written)
    found = read_refined(tmp_path / "a.h5")
    assert found.image_id == "a"
    np.testing.assert_array_equal(found.classes, written.classes)
    assert set(found.posteriors) == set(stacks)
    for name, stack in stacks.items():
        assert found.posteriors[name].dtype == np.float32
        np.testing.assert_allclose(found.posteriors[name], stack, atol=0.5 / 255 + 1e-6)
    if labels is None:
        assert found.labels is None
    else:
        np.testing.assert_array_equal(found.labels, labels)


def write_photograph(path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def write_some(path: Path) -> None:
    """A file of the kind that the name ends on."""
    rng = np.random.default_rng(0)
    if path.name == "maps.h5":
        write_maps(path, class_maps(rng))
    elif path.name == "refined.h5":
        stacks = {"power-4": rng.random((2, 30, 30)).astype(np.float32)}
        write_refined(path, RefinedScores("a", np.array([1]), stacks))
    elif path.name == "labels.png":
        write_label_png(path, rng.integers(0, 256, (40, 40), dtype=np.uint8))
    else:
        write_photograph(path)


READERS = [
    ("maps.h5", read_maps),
    ("refined.h5", read_refined),
    ("labels.png", read_label_png),
    ("photograph.jpg", load_image),
]


@pytest.mark.parametrize(("name", "read"), READERS)
@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9])
def test_truncated_files_are_named(tmp_path, name, read, kept):
    path = tmp_path / name
    write_some(path)
    read(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(SSENetError) as caught:
        read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(("name", "read"), READERS)
def test_missing_files_are_named(tmp_path, name, read):
    with pytest.raises(SSENetError) as caught:
        read(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_a_file_of_the_other_kind_is_refused(tmp_path):
    for name, read in (("maps.h5", read_refined), ("refined.h5", read_maps)):
        write_some(tmp_path / name)
        with pytest.raises(
            SSENetError, match=rf"{name}: expected 'ssenet .*' version 3.*found .*ssenet"
        ):
            read(tmp_path / name)


def test_photographs_keep_their_stored_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.new("L", (30, 20), 128).save(tmp_path / "a.jpg", exif=exif)
    image = load_image(tmp_path / "a.jpg")
    assert image.mode == "RGB"
    assert image.size == (30, 20)
