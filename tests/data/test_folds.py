"""Folds: each image is held out once, with its copies, and classes are spread evenly."""

from pathlib import Path

import numpy as np
import pytest

from ssenet_core.data.folds import split_folds
from ssenet_core.data.manifest import FORMAT, FORMAT_VERSION, load_manifest
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import write_json


def write_train(path: Path, tags: list[list[int]], checksums: list[str]) -> None:
    images = [
        {
            "id": f"p{number:03d}",
            "image": f"p{number:03d}.jpg",
            "mask": None,
            "width": 9,
            "height": 7,
            "tags": own,
            "sha256": checksum,
        }
        for number, (own, checksum) in enumerate(zip(tags, checksums, strict=True))
    ]
    header = {"format": FORMAT, "format_version": FORMAT_VERSION}
    facts = {"dataset": "d", "split": "train", "classes": ["common", "rare", "other"]}
    write_json(path, header | facts | {"images": images})


@pytest.fixture
def parts(tmp_path: Path) -> list[tuple[set[str], set[str], Path]]:
    """Ids seen and held out of four folds of sixty images, every sixth with a copy of itself."""
    tags = [[[1], [1, 2], [3], [], [1], [1, 3]][number % 6] for number in range(60)]
    tags += [tags[number] for number in range(0, 60, 6)]
    checksums = [str(number) for number in range(60)] + [str(n) for n in range(0, 60, 6)]
    write_train(tmp_path / "train.json", tags, checksums)
    seen = [tmp_path / f"{fold}" / "train.json" for fold in range(4)]
    held_out = [path.with_name("held_out.json") for path in seen]
    split_folds(manifest=tmp_path / "train.json", seen=seen, held_out=held_out)

    def ids(path: Path) -> set[str]:
        return {record.id for record in load_manifest(path).images}

    return [(ids(a), ids(b), b) for a, b in zip(seen, held_out, strict=True)]


def test_a_fold_is_held_out_of_its_own_training_and_of_no_other(parts) -> None:
    everything = {f"p{number:03d}" for number in range(70)}
    for seen, held_out, _ in parts:
        assert seen & held_out == set()
        assert seen | held_out == everything
    assert sorted(name for _, held_out, _ in parts for name in held_out) == sorted(everything)


def test_copies_of_a_photograph_are_on_one_side(parts) -> None:
    for _, held_out, _ in parts:
        for copy, number in enumerate(range(0, 60, 6), start=60):
            assert (f"p{copy:03d}" in held_out) == (f"p{number:03d}" in held_out)


def test_classes_are_spread_evenly(parts) -> None:
    counts = np.array(
        [
            np.bincount(
                [min(r.tags or (0,), key=(0, 2, 1, 3).index) for r in load_manifest(path).images],
                minlength=4,
            )
            for _, _, path in parts
        ]
    )
    assert (np.ptp(counts, axis=0) <= 4).all(), counts  # copies stay together
    assert (counts[:, 2] >= 2).all()  # ten photographs of the rare class on four folds


def test_too_few_images_are_refused(tmp_path: Path) -> None:
    write_train(tmp_path / "train.json", [[1], [2], []], ["a", "b", "c"])
    files = [tmp_path / f"{fold}.json" for fold in range(5)]
    with pytest.raises(SSENetError, match=r"tags\.folds: found 5, which 3 training images are too"):
        split_folds(manifest=tmp_path / "train.json", seen=files, held_out=files)
