"""Checks: what manifests hold, where tags come from, and one error that lists all faults."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from stage_settings import changed

from ssenet_core.data.check import (
    check_images,
    check_split,
    find_tags,
    join_manifests,
    learning_problem,
    tags_from_mask,
)
from ssenet_core.data.manifest import Manifest, load_manifest
from ssenet_core.data.tags import TagTable
from ssenet_core.errors import SSENetError
from ssenet_core.io.images import write_label_png
from ssenet_core.settings import DatasetSettings

Dataset = DatasetSettings
CLASSES = {"cat": 1, "dog": 2, "potted plant": 3}


def build(dataset: Dataset, split: str, output: Path) -> Manifest:
    check_split(dataset=dataset, split=split, output=output)
    return load_manifest(output)


def problems(dataset: Dataset, split: str, output: Path) -> list[str]:
    """The lines of the error; nothing may be left where the manifest would lie."""
    with pytest.raises(SSENetError) as caught:
        build(dataset, split, output)
    assert not output.parent.exists() or not list(output.parent.iterdir())
    heading, *lines = str(caught.value).split("\n")
    assert f"split {split}: {len(lines)} problem" in heading
    return [line.strip() for line in lines]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "manifest" / "split.json"


def test_training_images_have_tags_and_no_masks(voc: Dataset, output: Path) -> None:
    manifest = build(voc, "train", output)
    assert [record.id for record in manifest.images] == ["a", "b c", "d.e"]
    assert [record.tags for record in manifest.images] == [(1,), (1, 2), (3,)]
    assert all(record.mask is None for record in manifest.images)
    assert manifest.num_classes == 4
    record = manifest.record("b c")
    assert (record.width, record.height) == (24, 16)
    assert record.sha256 == hashlib.sha256(record.image.read_bytes()).hexdigest()
    assert manifest.select(["d.e", "a"]) == [manifest.images[2], manifest.images[0]]
    with pytest.raises(SSENetError, match=r"image z: not in the manifest of photos, split train"):
        manifest.record("z")


def test_scored_images_have_masks(voc: Dataset, output: Path) -> None:
    manifest = build(voc, "val", output)
    assert [record.mask is not None for record in manifest.images] == [True, True]
    assert [record.tags for record in manifest.images] == [None, None]
    scored = build(voc, "pseudo_eval", output)
    assert [record.tags for record in scored.images] == [(1,)]
    tagged = build(changed(voc, {"tags": ["masks"]}), "val", output)
    assert [record.tags for record in tagged.images] == [(3,), (3,)]


def test_test_images_need_neither(voc: Dataset, output: Path) -> None:
    lists = {"train": None, "pseudo_eval": None, "test": "train"}
    tested = changed(voc, {"tags": ["masks"], "lists": lists, "tags_csv": {"train": None}})
    manifest = build(tested, "test", output)
    assert [(record.tags, record.mask) for record in manifest.images] == [(None, None)] * 3


def test_a_dataset_without_masks_has_no_truth(voc: Dataset, output: Path) -> None:
    manifest = build(changed(voc, {"mask_dir": None}), "val", output)
    assert [record.mask for record in manifest.images] == [None, None]


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def scribble(path: Path) -> None:
    path.write_bytes(b"no image at all")


def resize(path: Path) -> None:
    write_label_png(path, np.zeros((8, 8), np.uint8))


def relabel(path: Path) -> None:
    write_label_png(path, np.full((16, 24), 200, np.uint8))


def colour(path: Path) -> None:
    Image.new("RGB", (24, 16)).save(path)


IMAGE_FAULTS = [
    (remove, "no such file"),
    (empty, "empty"),
    (truncate, "cannot read it"),
    (scribble, "cannot read it"),
]
MASK_FAULTS = [
    *IMAGE_FAULTS[:2],
    (truncate, "cannot read it"),
    (scribble, "cannot read it"),
    (resize, "found 8x8"),
    (relabel, r"[200] are outside the 3 classes"),
    (colour, "indexed"),
]


@pytest.mark.parametrize(("spoil", "said"), IMAGE_FAULTS)
def test_spoilt_images_are_named(
    voc: Dataset, output: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(Path(voc.root) / "JPEGImages/b c.jpg")
    (line,) = problems(voc, "train", output)
    assert "b c.jpg" in line
    assert said in line


@pytest.mark.parametrize(("spoil", "said"), MASK_FAULTS)
def test_spoilt_masks_are_named_where_they_are_used(
    voc: Dataset, output: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(Path(voc.root) / "SegmentationClass/a.png")
    (line,) = problems(voc, "pseudo_eval", output)
    assert "a.png" in line
    assert said in line
    (line,) = problems(
        changed(voc, {"tags": ["masks"], "lists": {"train": "scored"}}), "train", output
    )
    assert "a.png" in line
    build(voc, "train", output)  # tags come from the CSV file: no mask is opened


def test_tags_that_are_missing_or_no_classes_are_named(voc: Dataset, output: Path) -> None:
    (Path(voc.root) / "tags.csv").write_text("image,tags\na,cow cat\nd.e,\n")
    lines = problems(voc, "train", output)
    assert "tags.csv: image a: not in" in lines[0]
    assert "'cow'" in lines[0]
    assert "b c.jpg: a training image needs tags: no row in" in lines[1]
    assert "a row with an empty cell says: none of the classes" in lines[1]
    assert len(lines) == 2  # d.e has a row, whose cell is empty: none of the classes is there


def test_images_with_none_of_the_classes(
    voc: Dataset, output: Path, annotate: Callable[[str, str], Path]
) -> None:
    """From a table, an annotation or a mask; the file tells them from those without tags."""
    root = Path(voc.root)
    (root / "tags.csv").write_text("image,tags\na,cat\nb c,\nv,\n")
    annotate("d.e", "<annotation></annotation>")
    manifest = build(changed(voc, {"tags": ["csv", "xml"]}), "train", output)
    assert [record.tags for record in manifest.images] == [(1,), (), ()]
    assert manifest.without_classes == 2
    tables = {"train": "tags.csv", "val": "tags.csv"}
    manifest = build(changed(voc, {"tags_csv": tables}), "val", output)
    assert [record.tags for record in manifest.images] == [(), None]  # w has no row
    assert [entry["tags"] for entry in json.loads(output.read_text())["images"]] == [[], None]
    assert manifest.without_classes == 1
    with pytest.raises(SSENetError, match="image w: its tags are needed"):
        len(manifest.record("w").known_tags)
    ground = np.zeros((16, 24), np.uint8)
    ground[0] = 255
    write_label_png(root / "SegmentationClass/v.png", ground)
    manifest = build(changed(voc, {"tags": ["masks"]}), "val", output)
    assert [record.tags for record in manifest.images] == [(), (3,)]


@pytest.mark.parametrize("joined", [False, True])
def test_one_class_needs_images_without_it(voc: Dataset, output: Path, joined: bool) -> None:
    lists = {"pseudo_eval": None, "val": None}
    dataset = changed(voc, {"classes": ["cat"], "lists": lists})
    table = Path(voc.root) / "tags.csv"

    def make() -> Manifest:
        if not joined:
            return build(dataset, "train", output)
        part = output.with_name("part.json")
        check_images(dataset=dataset, split="train", ids=["a", "b c", "d.e"], output=part)
        join_manifests(dataset=dataset, split="train", parts=[part], output=output)
        return load_manifest(output)

    table.write_text("image,tags\na,cat\nb c,cat\nd.e,cat\n")
    with pytest.raises(SSENetError, match="every training image has 'cat', the only class"):
        make()
    table.write_text("image,tags\na,\nb c,\nd.e,\n")
    with pytest.raises(SSENetError, match=r"no training image has any of the classes"):
        make()
    assert not output.exists()
    table.write_text("image,tags\na,cat\nb c,\nd.e,cat\n")
    assert [record.tags for record in make().images] == [(1,), (), (1,)]


def test_a_broken_annotation_is_named(
    voc: Dataset, output: Path, annotate: Callable[[str, str], Path]
) -> None:
    annotate("a", "<annotation>")
    assert "a.xml" in problems(changed(voc, {"tags": ["xml", "csv"]}), "train", output)[0]


def test_ids_in_wrong_places_are_named(voc: Dataset, output: Path) -> None:
    lists = Path(voc.root) / "ImageSets/Segmentation"
    (lists / "train.txt").write_text("a\nb c\na\nv\n")
    (lists / "scored.txt").write_text("a\nw\n")
    (Path(voc.root) / "tags.csv").write_text("image,tags\na,cat\nb c,cat\nv,dog\n")
    assert problems(voc, "train", output) == [
        "image a: listed 2 times",
        "image v: also in split val",
    ]
    assert problems(voc, "pseudo_eval", output) == [
        "image w: also in split val",
        "image w: not in split train",
    ]
    # The images of pseudo_eval are train's: what they share with val is said of train alone.
    assert problems(voc, "val", output) == ["image v: also in split train"]


def test_a_file_in_the_place_of_the_folder_is_told(voc: Dataset, output: Path) -> None:
    folder = Path(voc.root) / "JPEGImages"
    folder.rename(folder.with_name("elsewhere"))
    folder.touch()
    lines = problems(voc, "train", output)
    assert len(lines) == 3
    assert all("cannot read it ([Errno 20] Not a directory" in line for line in lines)


def test_an_empty_split_is_refused(voc: Dataset, output: Path) -> None:
    assert "dataset.lists.test" in problems(voc, "test", output)[0]


def test_one_error_lists_everything(voc: Dataset, output: Path) -> None:
    root = Path(voc.root)
    empty(root / "JPEGImages/a.jpg")
    truncate(root / "JPEGImages/b c.jpg")
    (root / "ImageSets/Segmentation/train.txt").write_text("a\nb c\nd.e\nd.e\ngone\n")
    (root / "tags.csv").write_text("image,tags\na,cow;\na,cat\nb c,cat\nd.e,dog\n")
    (root / "ImageSets/Segmentation/val.txt").write_text("v\nd.e\n")
    text = "\n".join(problems(voc, "train", output))
    for said in (
        "d.e: listed 2 times",
        "also in split val",
        "line 3: image a has a row already",
        "a.jpg: the file is empty",
        "'cow'",
        "b c.jpg: expected an image",
        "gone.jpg: listed, but there is no such file",
        "gone.jpg: a training image needs tags",
    ):
        assert said in text


def test_an_old_manifest_survives_a_failed_build(voc: Dataset, output: Path) -> None:
    build(voc, "train", output)
    before = output.read_bytes()
    remove(Path(voc.root) / "JPEGImages/a.jpg")
    with pytest.raises(SSENetError):
        build(voc, "train", output)
    assert [path.name for path in output.parent.iterdir()] == [output.name]
    assert output.read_bytes() == before


def test_the_first_source_that_knows_the_image_counts(
    voc: DatasetSettings, annotate: Callable[[str, str], Path]
) -> None:
    annotate("a", "<annotation><object><name>dog</name></object></annotation>")
    labels = np.array([[0, 3], [255, 3]], np.uint8)

    def tags(sources: list[str], rows: dict[str, tuple[str, ...]]) -> tuple[int, ...]:
        dataset = changed(voc, {"tags": sources})
        table = TagTable("tags.csv", rows, ())
        return find_tags(dataset, "a", classes=CLASSES, table=table, labels=labels)

    assert tags(["csv", "xml", "masks"], {"a": ("cat",)}) == (1,)
    assert tags(["csv", "xml", "masks"], {"a": ()}) == ()
    assert tags(["csv", "xml", "masks"], {"b": ("cat",)}) == (2,)
    assert tags(["masks", "xml"], {}) == (3,)
    assert tags(["csv"], {}) is None
    assert tags(["xml"], {"a": ("cat",)}) == (2,)


def test_none_of_the_classes_is_an_answer_of_each_source(
    voc: DatasetSettings, annotate: Callable[[str, str], Path]
) -> None:
    """It is not passed over for the next source, which would have a class."""

    def tags(sources: list[str], **given: Any) -> tuple[int, ...] | None:
        dataset = changed(voc, {"tags": sources})
        return find_tags(dataset, "a", classes=CLASSES, **({"table": None, "labels": None} | given))

    ground, dog = np.array([[0, 255]], np.uint8), np.array([[0, 2]], np.uint8)
    empty_row = TagTable("tags.csv", {"a": ()}, ())
    assert tags(["xml", "masks"], labels=ground) == ()
    annotate("a", "<annotation><size><width>3</width></size></annotation>")
    assert tags(["csv", "xml"], table=empty_row) == ()
    assert tags(["xml", "masks"], labels=dog) == ()
    assert tags(["masks", "xml"], labels=dog) == (2,)


@pytest.mark.parametrize(
    ("tags", "classes", "said"),
    [
        ([(1,), ()], ["cat"], None),
        ([(1,), (1,)], ["cat"], "every training image has 'cat', the only class"),
        ([(1,), (1,)], ["cat", "dog"], None),
        ([(1, 2), (1, 2)], ["cat", "dog"], None),
        ([(), ()], ["cat", "dog"], "no training image has any of the classes ('cat, dog')"),
    ],
)
def test_what_nothing_can_be_learnt_from(
    tags: list[tuple[int, ...]], classes: list[str], said: str | None
) -> None:
    found = learning_problem(tags, classes)
    assert found is None if said is None else said in (found or "")


@given(st.sets(st.integers(0, 255), min_size=1))
def test_mask_tags_are_its_classes(values: set[int]) -> None:
    labels = np.array([sorted(values)], np.uint8)
    assert tags_from_mask(labels) == tuple(sorted(values - {0, 255}))


def real_dataset(folder: Path, name: str, **settings: Any) -> Dataset:
    """Settings of one of the real sets, which are not part of the project."""
    section = {
        "name": name,
        "source": "voc",
        "root": str(folder / name),
        "classes": "classes.txt",
        "lists": {"train": "train", "pseudo_eval": "train", "val": "val", "test": None},
        **settings,
    }
    return DatasetSettings.model_validate(section)


@pytest.mark.real_data
def test_real_photographs_with_a_tags_file_pass(output: Path, real_data: Path) -> None:
    tables = {"train": "tags_train.csv", "val": "tags_val.csv"}
    dataset = real_dataset(real_data, "msrc14", tags=["csv"], tags_csv=tables)
    counts = {"train": 285, "pseudo_eval": 285, "val": 129}
    for split, count in counts.items():
        manifest = build(dataset, split, output)
        assert len(manifest.images) == count
        assert len(manifest.classes) == 14
        assert all(record.tags for record in manifest.images)


@pytest.mark.real_data
def test_real_masks_give_the_tags_of_the_table(output: Path, real_data: Path) -> None:
    """VOC tags objects of its annotations: a few masks lack one, or have one more."""
    given = {"tags_csv": {"val": "tags_val.csv"}, "classes": "classes.txt"}
    tagged = build(real_dataset(real_data, "voc6", tags=["csv"], **given), "val", output)
    masked = build(real_dataset(real_data, "voc6", tags=["masks"], **given), "val", output)
    pairs = [(a.tags, b.tags) for a, b in zip(tagged.images, masked.images, strict=True)]
    assert len(pairs) == 188
    assert sum(one == other for one, other in pairs) >= 180
    assert all(other for _, other in pairs)


@pytest.mark.real_data
def test_real_photographs_of_which_a_third_shows_nothing_pass(
    output: Path, real_data: Path
) -> None:
    tables = {"train": "tags_train.csv", "val": "tags_val.csv"}
    dataset = real_dataset(real_data, "tiles", tags=["csv"], tags_csv=tables)
    for split, count, without in (("train", 238, 72), ("val", 118, 36)):
        manifest = build(dataset, split, output)
        assert (len(manifest.images), manifest.without_classes) == (count, without)
        by_mask = build(changed(dataset, {"tags": ["masks"]}), split, output)
        assert by_mask.without_classes == without
