"""Stored maps and posteriors: read back as written, small, and faults named by file."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
from scipy.ndimage import zoom

from ssenet_core.errors import SSENetError
from ssenet_core.io import maps
from ssenet_core.io.maps import (
    ClassMaps,
    RefinedScores,
    read_maps,
    read_refined,
    write_maps,
    write_refined,
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def class_maps(rng: np.random.Generator, classes: int = 3) -> ClassMaps:
    maps = rng.random((classes, 13, 17)).astype(np.float32)
    return ClassMaps("a", maps, np.arange(1, classes + 1) * 6, {"scales": [0.5, 1.0]})


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


def test_maps_that_fail_midway_leave_the_old_file(tmp_path, rng):
    path = tmp_path / "a.h5"
    good = class_maps(rng)
    write_maps(path, good)
    with pytest.raises(TypeError):
        write_maps(path, ClassMaps("b", good.maps, good.classes, {"x": object()}))
    assert read_maps(path).image_id == "a"
    assert list(tmp_path.iterdir()) == [path]


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
        "from ssenet_core.io.maps import read_maps\n"
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


@pytest.mark.parametrize("read", [read_maps, read_refined])
def test_a_missing_file_is_named(tmp_path, read):
    with pytest.raises(SSENetError, match="nowhere"):
        read(tmp_path / "nowhere")


def test_a_file_of_the_other_kind_is_refused(tmp_path, rng):
    write_maps(tmp_path / "maps.h5", class_maps(rng))
    posteriors = {"power-4": rng.random((2, 30, 30)).astype(np.float32)}
    write_refined(tmp_path / "refined.h5", RefinedScores("a", np.array([1]), posteriors))
    for name, read in (("maps.h5", read_refined), ("refined.h5", read_maps)):
        with pytest.raises(
            SSENetError, match=rf"{name}: expected 'ssenet .*' version 3.*found .*ssenet"
        ):
            read(tmp_path / name)
