"""List files, ids, classes, shards and digests from the settings alone."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stage_settings import changed

from ssenet_core.data.dataset import (
    VOC_CLASSES,
    check_pseudo_eval_subset,
    class_names,
    dataset_root,
    evenly_spaced,
    files_digest,
    image_path,
    mask_path,
    parse_line,
    read_list,
    shard_ids,
    shard_of,
    split_ids,
    unlisted_rows,
)
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import id_problem
from ssenet_core.settings import DatasetSettings
from ssenet_core.settings.sections import SplitLists

Dataset = DatasetSettings
SHAPES = DatasetSettings.model_validate(
    {
        "name": "shapes",
        "source": "shapes",
        "shapes": {"seed": 0, "train": 3, "val": 2, "size": 96, "classes": 4},
        "lists": {"train": "train", "pseudo_eval": "train", "val": "val", "test": None},
    }
)
IDS = st.lists(st.text(max_size=8), max_size=40, unique=True)
COUNTS = st.integers(1, 20)
NAMES = st.text(min_size=1, max_size=30).filter(lambda name: id_problem(name) is None)


def test_ids_come_from_lists_and_tags_files(voc: Dataset) -> None:
    assert split_ids(voc, "train") == ["a", "b c", "d.e"]
    assert split_ids(voc, "pseudo_eval") == ["a"]
    assert split_ids(voc, "test") == []
    without_lists = voc.model_copy(update={"lists": SplitLists()})
    assert split_ids(without_lists, "train") == ["a", "b c", "d.e"]
    assert split_ids(without_lists, "pseudo_eval") == []
    with pytest.raises(SSENetError, match=r"expected one of train, pseudo_eval, val, test"):
        split_ids(voc, "validation")


def test_a_folder_that_is_not_there_is_named(voc: Dataset) -> None:
    with pytest.raises(SSENetError, match=r"dataset\.root: gone: no such folder \(seen from /"):
        split_ids(changed(voc, {"root": "gone"}), "train")


def test_rows_in_no_list_and_scored_images_that_do_not_train_are_found(voc: Dataset) -> None:
    ids = {split: split_ids(voc, split) for split in ("train", "pseudo_eval", "val")}
    assert unlisted_rows(voc, ids) == []
    assert unlisted_rows(voc, {**ids, "train": ["a"]}) == [
        image for image in ids["train"] if image not in {"a", *ids["val"]}
    ]
    assert unlisted_rows(changed(voc, {"tags": ["xml"]}), {"train": []}) == []
    check_pseudo_eval_subset(ids)
    with pytest.raises(SSENetError, match=r"pseudo_eval: images of training.*\n  x\n  y$"):
        check_pseudo_eval_subset({"train": ["a"], "pseudo_eval": ["a", "x", "y"]})
    many = [str(number) for number in range(13)]
    with pytest.raises(SSENetError, match=r"\n  9\n  and 3 more$"):
        check_pseudo_eval_subset({"train": ["a"], "pseudo_eval": many})


def test_shapes_ids_are_computed() -> None:
    assert split_ids(SHAPES, "train") == ["shape_00001", "shape_00002", "shape_00003"]
    assert split_ids(SHAPES, "pseudo_eval") == split_ids(SHAPES, "train")
    assert split_ids(SHAPES, "val") == ["shape_00004", "shape_00005"]
    assert split_ids(SHAPES, "test") == []
    with pytest.raises(SSENetError, match=r"dataset\.lists\.test"):
        split_ids(changed(SHAPES, {"lists": {"test": "other"}}), "test")


def test_paths_follow_the_settings(voc: Dataset) -> None:
    root = Path(voc.root)
    assert image_path(changed(voc, {"image_suffix": ".png"}), "d.e") == root / "JPEGImages/d.e.png"
    assert mask_path(voc, "d.e") == root / "SegmentationClass/d.e.png"
    assert mask_path(changed(voc, {"mask_dir": None}), "d.e") is None
    assert dataset_root(SHAPES) == Path("results/shapes/dataset")


def test_classes_come_from_where_the_settings_say(voc: Dataset) -> None:
    assert class_names(voc) == ("cat", "dog", "potted plant")
    assert class_names(changed(voc, {"classes": None})) == ("cat", "dog", "potted plant")
    assert class_names(changed(voc, {"classes": None, "tags": ["masks"]})) == VOC_CLASSES
    assert len(class_names(SHAPES)) == 4
    (Path(voc.root) / "classes.txt").write_text("background\ndog\n\ncat\n")
    assert class_names(changed(voc, {"classes": "classes.txt"})) == ("dog", "cat")
    assert class_names(changed(voc, {"classes": f"{voc.root}/classes.txt"})) == ("dog", "cat")


@pytest.mark.parametrize(
    ("classes", "problem"),
    [
        ([], "found 0"),
        (["background"], "found 0"),
        (["cat", "cat"], "'cat' is there twice"),
        (["cat", "background"], "no class of its own"),
        (["cat", "../x"], "it has a slash"),
        ([str(k) for k in range(255)], "found 255"),
        ("none.txt", "no such file"),
    ],
)
def test_wrong_classes_are_refused(voc: Dataset, classes: Any, problem: str) -> None:
    with pytest.raises(SSENetError, match=problem):
        class_names(voc.model_copy(update={"classes": classes}))


def test_digest_follows_the_files(voc: Dataset) -> None:
    def digests() -> list[str]:
        return [files_digest(voc, "train", ["a"]), files_digest(voc, "pseudo_eval", ["a"])]

    first = digests()
    assert digests() == first
    root = Path(voc.root)
    os.utime(root / "JPEGImages/b c.jpg", (1, 1))
    (root / "tags.csv").write_text("image,tags\na,cat\nb c,cat\nd.e,dog\n")
    assert digests() == first  # nothing of image a
    os.utime(root / "SegmentationClass/a.png", (1, 1))
    assert [new == old for new, old in zip(digests(), first, strict=True)] == [True, False]
    first = digests()
    os.utime(root / "JPEGImages/a.jpg", (1, 1))
    assert all(new != old for new, old in zip(digests(), first, strict=True))
    first = digests()
    (root / "tags.csv").write_text("image,tags\na,dog cat\n")
    assert all(new != old for new, old in zip(digests(), first, strict=True))
    first = digests()
    (root / "JPEGImages/a.jpg").unlink()
    assert all(new != old for new, old in zip(digests(), first, strict=True))


def test_digest_of_generated_images_follows_what_makes_them() -> None:
    ids = split_ids(SHAPES, "val")
    more = changed(SHAPES, {"shapes": {"val": 9}})
    other = changed(SHAPES, {"shapes": {"seed": 9}})
    assert files_digest(SHAPES, "val", ids) == files_digest(more, "val", ids)
    assert files_digest(SHAPES, "val", ids) != files_digest(other, "val", ids)
    assert files_digest(SHAPES, "val", ids) != files_digest(SHAPES, "val", ids[:1])


def test_a_workflow_can_ask_without_heavy_imports() -> None:
    code = (
        "import sys, ssenet_core.data.dataset;"
        "print([m for m in ('torch', 'h5py', 'numpy', 'PIL') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@given(IDS, COUNTS)
def test_shards_partition_the_ids(ids: list[str], shards: int) -> None:
    parts = shard_ids(ids, shards)
    assert len(parts) == shards
    assert sorted(image_id for part in parts for image_id in part) == sorted(ids)
    for shard, part in enumerate(parts):
        assert part == [image_id for image_id in ids if shard_of(image_id, shards) == shard]


@given(IDS, COUNTS, st.text(max_size=8))
def test_a_new_image_changes_its_own_shard_only(ids: list[str], shards: int, new: str) -> None:
    before = shard_ids([image_id for image_id in ids if image_id != new], shards)
    after = shard_ids([*(image_id for image_id in ids if image_id != new), new], shards)
    changed = [shard for shard in range(shards) if before[shard] != after[shard]]
    assert changed == [shard_of(new, shards)]


def test_shards_are_of_similar_size() -> None:
    sizes = [len(part) for part in shard_ids([f"2007_{k:06d}" for k in range(14400)], 144)]
    assert min(sizes) > 60
    assert max(sizes) < 150


def test_there_is_one_shard_at_least() -> None:
    with pytest.raises(ValueError, match="at least one shard"):
        shard_of("a", 0)


@pytest.mark.parametrize("length", [1, 2, 7, 100])
@pytest.mark.parametrize("count", [1, 3, 7])
def test_chosen_images_are_evenly_apart(length: int, count: int) -> None:
    chosen = evenly_spaced(range(length), count)
    assert len(chosen) == min(count, length)
    gaps = [after - before for before, after in zip([*chosen], [*chosen[1:], length], strict=True)]
    assert chosen[0] == 0
    assert min(gaps) >= 1
    assert max(gaps) - min(gaps) <= 1


def test_of_none_or_for_none_nothing_is_chosen() -> None:
    assert evenly_spaced([], 3) == evenly_spaced(["a"], 0) == []


@given(NAMES)
def test_both_forms_give_the_id(name: str) -> None:
    assert parse_line(f"  {name}\r") == name
    assert parse_line(f"/JPEGImages/{name}.jpg") == name
    assert parse_line(f"/JPEGImages/{name}.jpg /SegmentationClassAug/{name}.png") == name


@given(st.text(max_size=60))
def test_any_line_is_an_id_or_refused(line: str) -> None:
    try:
        image_id = parse_line(line)
    except ValueError:
        return
    assert id_problem(image_id) is None
    assert (Path("folder") / f"{image_id}.jpg").resolve().parent == Path("folder").resolve()


@pytest.mark.parametrize("name", ["a b", "été", "-rf", "10_12.v2", ".hidden", "名前", "a..b"])
def test_unusual_names_are_ids(name: str) -> None:
    assert parse_line(name) == name


@pytest.mark.parametrize(
    "line",
    [
        "..",
        ".",
        "../up",
        "a/../../b",
        "/etc/passwd",
        "/etc/shadow.png",
        "/JPEGImages/../x.jpg",
        "/JPEGImages/...jpg",
        "/JPEGImages/a.jpg /SegmentationClassAug/b.png",
        "a\\b",
        "a\tb",
        "nul\0",
        "{image}",
        "x" * 201,
    ],
)
def test_lines_that_are_no_ids_are_refused(line: str) -> None:
    with pytest.raises(ValueError):
        parse_line(line)


def test_list_keeps_order_and_repeats(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_bytes("\ufeffb\r\n\r\n/JPEGImages/a.jpg /M/a.png\n b \nc\n".encode())
    assert read_list(path) == ["b", "a", "b", "c"]
    path.write_text("/photos/a.png\n")
    assert read_list(path, "photos") == ["a"]


def test_every_bad_line_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("good\n../up\n/absolute\n")
    with pytest.raises(SSENetError, match=r"(?s)train\.txt.*line 2.*\.\./up.*line 3.*/absolute"):
        read_list(path)


def test_lists_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(SSENetError, match=r"none\.txt: no such file"):
        read_list(tmp_path / "none.txt")
    (tmp_path / "image.txt").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(SSENetError, match=r"image\.txt: expected a text file"):
        read_list(tmp_path / "image.txt")
