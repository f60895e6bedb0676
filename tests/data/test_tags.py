"""Tags: CSV files, VOC annotations, masks, and which of them counts."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stage_settings import changed

from ssenet_core.data.check import find_tags, tags_from_mask, unlearnable
from ssenet_core.data.tags import TagTable, label_values, parse_tags, read_tag_table, tags_from_xml
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import id_problem
from ssenet_core.io.images import read_mask, write_label_png
from ssenet_core.settings import DatasetSettings

CLASSES = {"cat": 1, "dog": 2, "potted plant": 3}
words = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
phrases = st.from_regex(r"[a-z]{1,4}( [a-z]{1,4}){0,2}", fullmatch=True)


@given(st.lists(words, unique=True))
def test_blanks_separate_tags(names: list[str]) -> None:
    assert parse_tags("  ".join(names)) == tuple(names)
    assert parse_tags(" ".join(names + names)) == tuple(names)


@given(st.lists(phrases, unique=True, min_size=1))
def test_semicolons_separate_names_with_blanks(names: list[str]) -> None:
    assert parse_tags(" ; ".join(names) + ";") == tuple(names)


def test_table_reads_names_of_files_and_quotes(tmp_path: Path) -> None:
    path = tmp_path / "tags.csv"
    path.write_bytes(b'\xef\xbb\xbfimage, tags,note\r\na.jpg,cat dog,x\r\n"b,c",,y\r\n')
    table = read_tag_table(path)
    assert table.rows == {"a": ("cat", "dog"), "b,c": ()}
    assert table.problems == ()
    path.write_text("image,tags\na,potted plant;\n")
    assert read_tag_table(path).rows == {"a": ("potted plant",)}


def test_every_bad_row_is_kept_for_the_manifest(tmp_path: Path) -> None:
    path = tmp_path / "tags.csv"
    path.write_text("image,tags\na,cat\na,dog\n../b,cat\nc,cat,dog\nd\n")
    table = read_tag_table(path)
    assert table.rows == {"a": ("cat",)}
    lines = [f"line {number}" for number in (3, 4, 5, 6)]
    assert len(table.problems) == 4
    assert all(line in text for line, text in zip(lines, table.problems, strict=True))


@pytest.mark.parametrize("text", ["", "photo,labels\na,cat\n", 'image,tags\na,"cat\n'])
def test_files_that_are_no_tables_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tags.csv"
    path.write_text(text)
    with pytest.raises(SSENetError, match=r"tags\.csv"):
        read_tag_table(path)
    with pytest.raises(SSENetError, match=r"none\.csv: no such tags file"):
        read_tag_table(tmp_path / "none.csv")


@given(st.binary(max_size=120))
def test_any_bytes_are_a_table_or_refused(
    tmp_path_factory: pytest.TempPathFactory, tail: bytes
) -> None:
    path = tmp_path_factory.mktemp("tables") / "tags.csv"
    path.write_bytes(b"image,tags\n" + tail)
    with contextlib.suppress(SSENetError):
        rows = read_tag_table(path).rows
        assert all(id_problem(image_id) is None for image_id in rows)


def test_difficult_objects_count(annotate: Callable[[str, str], Path]) -> None:
    path = annotate(
        "a",
        "<annotation><object><name>dog</name><part><name>head</name></part></object><object>"
        "<name>cat</name><difficult>1</difficult></object><object><name>dog</name></object>"
        "</annotation>",
    )
    assert tags_from_xml(path) == ("dog", "cat")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<annotation><object>",
        "<html></html>",
        "<annotation><object><name> </name></object></annotation>",
        '<!DOCTYPE a [<!ENTITY b "bomb">]><annotation>&b;</annotation>',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><annotation>&b;</annotation>',
        '<?xml version="1.0" encoding="no-such"?><annotation/>',
    ],
)
def test_hostile_or_broken_annotations_are_named(
    annotate: Callable[[str, str], Path], text: str
) -> None:
    with pytest.raises(SSENetError, match=r"a\.xml"):
        tags_from_xml(annotate("a", text))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_columns_may_stand_apart_by_other_marks(tmp_path: Path, separator: str) -> None:
    lines = [["Image", " TAGS ", "more"], ["a", "cat dog", "x"], ["b", '"potted plant;"', ""]]
    text = "\ufeff" + "\r\n".join(separator.join(line) for line in lines)
    (tmp_path / "t.csv").write_text(text, encoding="utf-8", newline="")
    found = read_tag_table(tmp_path / "t.csv")
    assert found.problems == ()
    assert found.rows == {"a": ("cat", "dog"), "b": ("potted plant",)}


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


@pytest.mark.parametrize("end", [",\n,,\n\n , \n , , \n", "\n\n", ",,\r\n,,\r\n"])
def test_blank_rows_are_passed_over_and_empty_cells_are_not(tmp_path: Path, end: str) -> None:
    path = tmp_path / "tags.csv"
    path.write_text(f"image,tags,by\na,cat,me\nb,,\n{end}c, ,you\n{end}")
    found = read_tag_table(path)
    assert found.rows == {"a": ("cat",), "b": (), "c": ()}
    assert found.problems == ()


def test_a_row_without_a_cell_says_how_none_is_written(tmp_path: Path) -> None:
    path = tmp_path / "tags.csv"
    path.write_text("image,tags\na\n,cat\nb,\n")
    found = read_tag_table(path)
    assert found.rows == {"b": ()}
    assert "line 2: expected 2 cells; an image with none of the classes" in found.problems[0]
    assert "line 3: '' is not an image id" in found.problems[1]


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
    found = unlearnable(tags, classes)
    assert found is None if said is None else said in (found or "")


def test_tags_that_are_no_classes_are_all_listed() -> None:
    assert label_values(("dog", "cat"), CLASSES, "here") == (1, 2)
    with pytest.raises(SSENetError, match=r"here.*'cow', 'Dog'"):
        label_values(("cow", "dog", "Dog"), CLASSES, "here")


@given(st.sets(st.integers(0, 255), min_size=1))
def test_mask_tags_are_its_classes(values: set[int]) -> None:
    labels = np.array([sorted(values)], np.uint8)
    assert tags_from_mask(labels) == tuple(sorted(values - {0, 255}))


def test_masks_are_checked_against_image_and_classes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    labels = np.array([[0, 3, 255], [4, 9, 0]], np.uint8)
    write_label_png(path, labels)
    assert np.array_equal(read_mask(path, size=(3, 2), classes=9), labels)
    with pytest.raises(SSENetError, match=r"a\.png.*size 2x3, found 3x2"):
        read_mask(path, size=(2, 3), classes=9)
    with pytest.raises(SSENetError, match=r"a\.png.*\[4, 9\].*0 to 3"):
        read_mask(path, size=(3, 2), classes=3)
