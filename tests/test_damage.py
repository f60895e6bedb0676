"""Files that were damaged, disks that are full or closed: named in the error, nothing lost."""

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_network import SETTINGS

from ssenet_core.errors import SSENetError
from ssenet_core.io.files import atomic_path, remove_leftovers, write_json
from ssenet_core.io.images import read_label_png, write_label_png
from ssenet_core.io.maps import (
    ClassMaps,
    RefinedScores,
    read_maps,
    read_refined,
    write_maps,
    write_refined,
)
from ssenet_core.io.tensors import load_tensors
from ssenet_core.models.checkpoints import save_checkpoint
from ssenet_core.models.networks import build_network
from ssenet_core.training.resume import ResumePoint

PLACES = int(os.environ.get("SSENET_DAMAGED_PLACES", "50"))  # offsets tried in each kind of file
STACK = np.random.default_rng(0).random((2, 40, 30)).astype(np.float32)
CLASSES = np.array([3, 5])
LABELS = np.random.default_rng(1).integers(0, 21, (40, 30), dtype=np.uint8)


def write_network(path: Path) -> None:
    torch.manual_seed(0)
    network = build_network(SETTINGS["cam"], ["cat", "dog"])
    save_checkpoint(path, network, settings=SETTINGS["cam"], classes=["cat", "dog"])


def write_some_maps(path: Path) -> None:
    write_maps(path, ClassMaps("image", STACK, CLASSES, {"scales": np.array([1.0, 0.5])}))


def write_some_refined(path: Path) -> None:
    posteriors = {"power-4": np.concatenate([STACK, STACK[:1]])}
    write_refined(path, RefinedScores("image", CLASSES, posteriors, LABELS))


def write_some_labels(path: Path) -> None:
    write_label_png(path, LABELS)


KINDS: dict[str, tuple[Callable[[Path], None], Callable[[Path], Any]]] = {
    "model.pt": (write_network, load_tensors),
    "maps.h5": (write_some_maps, read_maps),
    "refined.h5": (write_some_refined, read_refined),
    "labels.png": (write_some_labels, read_label_png),
}
every_kind = pytest.mark.parametrize("name", KINDS)


def flat(content: Any) -> list[Any]:
    """What a reader returned, as plain values that can be compared."""
    if isinstance(content, ClassMaps | RefinedScores):
        return flat(vars(content))
    if isinstance(content, dict):
        return [(key, flat(value)) for key, value in sorted(content.items())]
    if isinstance(content, list | tuple):
        return [flat(value) for value in content]
    if isinstance(content, torch.Tensor | np.ndarray):
        return [str(content.dtype), tuple(content.shape), content.tolist()]
    return [content]


def answer(path: Path) -> Any:
    """What the reader of this kind of file says: its content, or the text of its error."""
    try:
        return flat(KINDS[path.name][1](path))
    except SSENetError as error:
        return str(error)


@every_kind
def test_a_changed_byte_is_found_or_does_not_matter(tmp_path: Path, name: str) -> None:
    """Never another answer: half of the places are in the first and last 2 kB, with the tables."""
    path = tmp_path / name
    KINDS[name][0](path)
    whole, expected = path.read_bytes(), answer(path)
    generator = random.Random(0)
    refused = 0
    for trial in range(PLACES):
        places = range(len(whole))
        if trial % 2:
            places = generator.choice([places[:2048], places[-2048:]])
        damaged = bytearray(whole)
        damaged[generator.choice(places)] ^= generator.randrange(1, 256)
        path.write_bytes(damaged)
        found = answer(path)
        assert found == expected or str(path) in found
        refused += found != expected
    assert refused > PLACES / 10  # HDF5 leaves room in its tables that nothing reads


@every_kind
def test_a_truncated_file_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    KINDS[name][0](path)
    whole, expected = path.read_bytes(), answer(path)
    generator = random.Random(0)
    for length in (0, 1, len(whole) - 1, *(generator.randrange(len(whole)) for _ in range(PLACES))):
        path.write_bytes(whole[:length])
        found = answer(path)
        unread = len(whole) - length < 64  # nothing but the mark of the end is missing
        assert str(path) in found or (unread and found == expected)


def test_equal_networks_are_equal_files(tmp_path: Path) -> None:
    for name in ("one.pt", "other.pt"):
        write_network(tmp_path / name)
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "other.pt").read_bytes()


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB; its `fill` would leave no space."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Leave 8 kB."""
    (folder / "filling").write_bytes(bytes(shutil.disk_usage(folder).free - 8192))


@pytest.mark.parametrize("name", ["maps.h5", "refined.h5", "labels.png", "model.pt", "x.json"])
def test_a_full_disk_is_said_and_the_old_file_stays(full_disk: Path, name: str) -> None:
    random_numbers = np.random.default_rng(0)
    writers: dict[str, Callable[[Path], None]] = {
        "maps.h5": lambda path: write_maps(
            path, ClassMaps("image", random_numbers.random((9, 99, 99), "f4"), np.arange(9))
        ),
        "refined.h5": lambda path: write_refined(
            path, RefinedScores("image", CLASSES, {"power-4": random_numbers.random((3, 200, 200))})
        ),
        "labels.png": lambda path: write_label_png(
            path, random_numbers.integers(0, 255, (200, 200), dtype=np.uint8)
        ),
        "model.pt": write_network,
        "x.json": lambda path: write_json(path, list(range(9999))),
    }
    path = full_disk / name
    path.write_bytes(b"the old one")
    fill(full_disk)
    with pytest.raises(SSENetError, match=rf"{name}: no space is left"):
        writers[name](path)
    assert path.read_bytes() == b"the old one"
    assert {entry.name for entry in full_disk.iterdir()} == {name, "filling"}


def test_a_full_disk_keeps_the_last_resume_point(full_disk: Path) -> None:
    point = ResumePoint(full_disk / "model.pt", "key")
    point.save(1, {"network": torch.zeros(100)})
    fill(full_disk)
    with pytest.raises(SSENetError, match="no space is left"):
        point.save(2, {"network": torch.zeros(100_000)})
    state = point.load()
    assert state is not None
    assert state["step"] == 1


def test_a_folder_that_cannot_be_written_to_is_named(full_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(full_disk)], check=True)
    for path in (full_disk / "x.json", full_disk / "deeper" / "x.json"):
        with pytest.raises(SSENetError, match=rf"{path}: cannot be written.*make its folder"):
            write_json(path, 1)


def test_leftovers_of_killed_writers_go_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    keep = ["a.h5", ".a.h5.short.h5", ".b.h5.abcd1234.h5", ".a.h5", "a.h5.abcd1234.h5"]
    for name in keep:
        (tmp_path / name).touch()
    with atomic_path(path) as temporary:
        left = temporary.name
    for name in (left, ".a.h5.abcd1234.h5"):  # a kill does not get to clean up
        (tmp_path / name).touch()
    remove_leftovers([path, tmp_path / "nowhere" / "a.h5"])
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(keep)
