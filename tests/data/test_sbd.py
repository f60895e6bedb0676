"""SegmentationClassAug and train_aug: VOC's masks first, the others' as they are, val apart."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from voc_archives import (
    MORE,
    TRAIN,
    VAL,
    labels_of,
    mat_bytes,
    packed,
    sbd_archive,
    voc_archive,
)

from ssenet_core.data.layout import read_list
from ssenet_core.data.sbd import make_segmentation_class_aug, read_sbd_mask
from ssenet_core.data.voc2012 import RECORD, fetch_voc2012, write_train_aug
from ssenet_core.errors import SSENetError
from ssenet_core.io.images import read_label_png

NOWHERE = {"url": "https://nowhere.invalid/archive"}  # archives that are here are not fetched


def placed(path: Path, content: bytes) -> dict[str, Any]:
    """Put an archive in place, and tell its source."""
    path.write_bytes(content)
    return NOWHERE | {"md5": hashlib.md5(content).hexdigest()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small VOC 2012."""
    source = placed(tmp_path / "voc.tar", voc_archive())
    fetch_voc2012(source=source, archive=tmp_path / "voc.tar", root=tmp_path / "VOC2012")
    return tmp_path / "VOC2012"


def augment(root: Path, content: bytes) -> Path:
    archive = root.with_name("sbd.tgz")
    make_segmentation_class_aug(source=placed(archive, content), archive=archive, root=root)
    return root / "SegmentationClassAug"


def test_voc_is_unpacked_with_a_record(root: Path) -> None:
    assert (root / RECORD).is_file()
    assert read_list(root / "ImageSets/Segmentation/train.txt") == TRAIN
    assert (root / "JPEGImages" / f"{MORE[0]}.jpg").is_file()


def test_a_copy_that_is_here_is_checked_and_taken(root: Path) -> None:
    (root / RECORD).unlink()
    fetch_voc2012(source=NOWHERE, archive=root.with_name("none.tar"), root=root)
    assert (root / RECORD).is_file()
    (root / RECORD).unlink()
    (root / "SegmentationClass" / f"{VAL[0]}.png").unlink()
    with pytest.raises(SSENetError, match=rf"not a whole VOC 2012[^\n]*\n.*{VAL[0]}\.png: missing"):
        fetch_voc2012(source=NOWHERE, archive=root.with_name("none.tar"), root=root)
    assert not (root / RECORD).exists()


def test_voc_masks_come_first_and_others_are_kept(root: Path) -> None:
    masks = augment(root, sbd_archive())
    assert sorted(path.stem for path in masks.glob("*.png")) == sorted([*TRAIN, *VAL, *MORE])
    for name in (*TRAIN, *VAL):
        np.testing.assert_array_equal(read_label_png(masks / f"{name}.png"), labels_of(1, 255))
    for name in MORE:
        np.testing.assert_array_equal(read_label_png(masks / f"{name}.png"), labels_of(2))
    assert (masks / RECORD).is_file()
    assert not [path for path in root.iterdir() if path.name.endswith(".part")]


def test_masks_that_are_here_are_checked_and_taken(root: Path) -> None:
    masks = augment(root, sbd_archive())
    (masks / RECORD).unlink()
    none = root.with_name("none.tgz")
    make_segmentation_class_aug(source=NOWHERE, archive=none, root=root)
    assert (masks / RECORD).is_file()
    (masks / f"{TRAIN[0]}.png").unlink()
    with pytest.raises(SSENetError, match=rf"{TRAIN[0]}\.png: missing"):
        make_segmentation_class_aug(source=NOWHERE, archive=none, root=root)


def test_train_aug_is_every_mask_but_those_of_val(root: Path) -> None:
    augment(root, sbd_archive())
    output = root / "ImageSets/Segmentation/train_aug.txt"
    write_train_aug(root, output)
    assert read_list(output) == sorted([*TRAIN, *MORE])


def test_train_aug_names_what_is_missing(root: Path) -> None:
    masks = augment(root, sbd_archive())
    (masks / f"{TRAIN[0]}.png").unlink()
    (root / "JPEGImages" / f"{MORE[1]}.jpg").unlink()
    output = root / "ImageSets/Segmentation/train_aug.txt"
    with pytest.raises(SSENetError) as caught:
        write_train_aug(root, output)
    assert f"{TRAIN[0]}.png: missing" in str(caught.value)
    assert f"{MORE[1]}.jpg: missing" in str(caught.value)
    assert not output.exists()


def test_every_bad_mask_is_named_and_nothing_stays(root: Path) -> None:
    top = "benchmark_RELEASE/dataset/cls"
    content = packed(
        {
            f"{top}/{MORE[0]}.mat": b"no MATLAB file",
            f"{top}/{MORE[1]}.mat": mat_bytes(labels_of(2)[:-1]),
            f"{top}/2009_000001.mat": mat_bytes(labels_of(2)),
        },
        "w:gz",
    )
    with pytest.raises(SSENetError) as caught:
        augment(root, content)
    for words in (f"{MORE[0]}.mat: expected a MATLAB file", "found 14x9", "2009_000001.mat: its"):
        assert words in str(caught.value)
    assert not (root / "SegmentationClassAug").exists()


# Named, as the bytes of archives hold the second in which they were made.
@pytest.mark.parametrize(
    "content",
    [b"", sbd_archive()[:300], packed({"a": b"b"}, "w:gz")],
    ids=["empty", "cut", "others"],
)
def test_an_archive_of_something_else(root: Path, content: bytes) -> None:
    with pytest.raises(SSENetError, match=r"sbd\.tgz"):
        augment(root, content)
    assert not (root / "SegmentationClassAug").exists()


def test_label_values_must_be_classes() -> None:
    labels = labels_of(20, 255)
    np.testing.assert_array_equal(read_sbd_mask(mat_bytes(labels), "a.mat"), labels)
    with pytest.raises(SSENetError, match=r"a\.mat: label values \[21\]"):
        read_sbd_mask(mat_bytes(labels_of(21)), "a.mat")
