"""The pipeline's own HDF5 and JSON, damaged and forged."""

import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcomes import damaged, many, tried, written

from ssenet_core.io.files import read_json
from ssenet_core.io.maps import (
    MAPS_FORMAT,
    ClassMaps,
    RefinedScores,
    read_maps,
    read_refined,
    user_block,
    write_maps,
    write_refined,
)
from ssenet_core.report.results import results_lines

STACK = np.random.default_rng(0).random((2, 9, 7)).astype(np.float32)
MAPS = ClassMaps("a", STACK, np.array([1, 2]), {"scales": np.array([1.0, 0.5])})
REFINED = RefinedScores("a", np.array([1]), {"power-4": STACK}, np.zeros((9, 7), np.uint8))


@pytest.fixture(scope="session")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One file of each kind."""
    place = tmp_path_factory.mktemp("own")
    write_maps(place / "maps.h5", MAPS)
    write_refined(place / "refined.h5", REFINED)
    return {path.name: path.read_bytes() for path in place.iterdir()}


@many
@given(st.data())
def test_damaged_files_are_refused_or_whole(
    folder: Path, contents: dict[str, bytes], data: st.DataObject
) -> None:
    content = data.draw(damaged(contents["maps.h5"]))
    path = written(folder / "maps.h5", content)
    maps = tried(".h5, damaged", lambda: read_maps(path), path)
    if maps is not None:
        np.testing.assert_array_equal(maps.maps, np.rint(STACK * 256) / 256)
        assert maps.image_id == "a"
    path = written(folder / "refined.h5", data.draw(damaged(contents["refined.h5"])))
    refined = tried(".h5, damaged", lambda: read_refined(path), path)
    assert refined is None or refined.posteriors["power-4"].shape == STACK.shape


@many
@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\x89HDF\r\n\x1a\n", user_block(MAPS_FORMAT, b"")]),
)
def test_any_bytes(folder: Path, rest: bytes, begin: bytes) -> None:
    path = written(folder / "maps.h5", begin + rest)
    assert tried(".h5, damaged", lambda: read_maps(path), path) is None


def forged(path: Path, fill: Any) -> Path:
    """A file with a right checksum whose content `fill` writes."""
    with h5py.File(path.with_name("inner.h5"), "w") as file:
        fill(file)
    content = path.with_name("inner.h5").read_bytes()
    path.write_bytes(user_block(MAPS_FORMAT, content) + content)
    return path


def bomb(file: h5py.File) -> None:
    shape = (8, 4096, 4096)  # a quarter of a gigabyte, none of it in the file
    file.create_dataset("maps", shape, "f2", chunks=(1, *shape[1:]), compression="gzip")
    file["classes"] = [1]
    file.attrs["image_id"] = "a"


def outer_link(file: h5py.File) -> None:
    file["maps"], file["classes"] = STACK, [1, 2]
    file["other"] = h5py.ExternalLink("/etc/passwd", "/")
    file["soft"] = h5py.SoftLink("/maps")
    file.attrs["image_id"] = "a"


def nothing(file: h5py.File) -> None:
    file.attrs["image_id"] = "a"


def no_id(file: h5py.File) -> None:
    file["maps"], file["classes"] = STACK, [1, 2]


def texts(file: h5py.File) -> None:
    file["maps"], file["classes"] = ["a", "b"], [1, 2]
    file.attrs["image_id"] = "a"


def groups(file: h5py.File) -> None:
    file.create_group("maps").create_group("classes")
    file.attrs["image_id"] = "a"


def no_space(file: h5py.File) -> None:
    file["maps"], file["classes"] = h5py.Empty("f2"), [1]
    file.attrs["image_id"] = "a"


@pytest.mark.parametrize("fill", [bomb, nothing, no_id, texts, groups, no_space])
def test_forged_files_are_refused(tmp_path: Path, fill: Any) -> None:
    path = forged(tmp_path / "maps.h5", fill)
    begin = time.perf_counter()
    assert tried(".h5, forged", lambda: read_maps(path), path) is None
    assert time.perf_counter() - begin < 5


def test_links_to_other_files_are_not_followed(tmp_path: Path) -> None:
    maps = tried(".h5, forged", lambda: read_maps(forged(tmp_path / "maps.h5", outer_link)))
    assert maps is not None
    np.testing.assert_array_equal(maps.maps, STACK)


@many
@given(damaged(b'{"a": [1, 2.5, null, true, "\\u00e9"], "b": {"c": -1e5}}'))
def test_damaged_json(folder: Path, content: bytes) -> None:
    path = written(folder / "results.json", content)
    tried("JSON", lambda: read_json(path), path)
    tried("JSON", lambda: results_lines(path), path)


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, '{"a":' * 100_000, "\udcff"])
def test_json_that_attacks_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert tried("JSON", lambda: read_json(path), path) is None
    assert tried("JSON", lambda: read_json(tmp_path), tmp_path) is None
