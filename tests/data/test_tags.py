"""Tags in tables and in VOC annotations."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssenet_core.data.tags import label_values, parse_tags, read_tag_table, tags_from_xml
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import id_problem

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


def test_tags_that_are_no_classes_are_all_listed() -> None:
    assert label_values(("dog", "cat"), CLASSES, "here") == (1, 2)
    with pytest.raises(SSENetError, match=r"here.*'cow', 'Dog'"):
        label_values(("cow", "dog", "Dog"), CLASSES, "here")
