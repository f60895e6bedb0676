"""Tags in tables and in VOC annotations."""

import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssenet_core.data.tags import (
    TagTable,
    label_values,
    read_tag_table,
    tags_from_coco,
    tags_from_folders,
    tags_from_xml,
)
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import id_problem

CLASSES = {"cat": 1, "dog": 2, "potted plant": 3}
words = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
phrases = st.from_regex(r"[a-z]{1,4}( [a-z]{1,4}){0,2}", fullmatch=True)


def read(path: Path, lines: Sequence[str]) -> TagTable:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return read_tag_table(path)


@given(st.lists(words, unique=True))
def test_blanks_separate_tags(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    path = tmp_path_factory.mktemp("t") / "tags.csv"
    found = read(path, ["image,tags", f"a,{'  '.join(names)}", f"b,{' '.join(names + names)}"])
    assert found.rows == {"a": tuple(names), "b": tuple(names)}


@pytest.mark.parametrize("mark", [";", "|", ","])
def test_another_mark_separates_names_with_blanks(tmp_path: Path, mark: str) -> None:
    rows = [f'a,"potted plant{mark} dog"', "b,sea horse", f'c,"potted plant{mark}"', "d,"]
    found = read(tmp_path / "t.csv", ["image,tags", *rows])
    assert found.rows == {
        "a": ("potted plant", "dog"),
        "b": ("sea horse",),
        "c": ("potted plant",),
        "d": (),
    }
    assert found.form == f"one row an image, tags separated by {mark!r}"


@pytest.mark.parametrize(
    ("rows", "readings"),
    [
        (['a,"red, square"', "b,blue|square"], r"separated by '\|', .*or by ','"),
        (['a,"red, square"', "b,red square"], "line 3 could mean two things: 'red square' is one"),
        (["a,red square", "b,red", "a,red"], r"One row a tag: .* line 2 is one class\. One row an"),
    ],
)
def test_a_table_that_could_mean_two_things_is_refused_with_both(
    tmp_path: Path, rows: list[str], readings: str
) -> None:
    with pytest.raises(SSENetError, match=readings):
        read(tmp_path / "t.csv", ["image,tags", *rows])


@pytest.mark.parametrize("cell", ["\"['cat', 'sea horse']\"", '"[""cat"", ""sea horse""]"'])
def test_lists_of_python_and_json(tmp_path: Path, cell: str) -> None:
    found = read(tmp_path / "t.csv", ["image,tags", f"a,{cell}", "b,[]", "c,"])
    assert found.rows == {"a": ("cat", "sea horse"), "b": (), "c": ()}
    with pytest.raises(SSENetError, match="line 3: expected a list of names"):
        read(tmp_path / "u.csv", ["image,tags", f"a,{cell}", "b,cat"])


@pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("TRUE", "FALSE"), ("x", ""), ("1.0", "0.0")])
def test_a_column_a_class(tmp_path: Path, yes: str, no: str) -> None:
    rows = [f"p0.jpg,{yes},{no},120", f"p1.JPG,{no},{yes},7.5", f"p2.png,{no},{no},9"]
    found = read(tmp_path / "t.csv", ["Filename,Red,sea horse,width", *rows])
    assert found.rows == {"p0": ("Red",), "p1": ("sea horse",), "p2": ()}
    with pytest.raises(SSENetError, match=r"column Red, line 5: '2'"):
        read(
            tmp_path / "u.csv", ["image,Red,b", *(row.rpartition(",")[0] for row in rows), "d,2,0"]
        )
    with pytest.raises(
        SSENetError, match="expected a column tags with names, or a column of 0 and"
    ):
        read(tmp_path / "v.csv", ["image,note", "a,good"])


@pytest.mark.parametrize("header", ["filename,label", "Image,Class", "path,Tags", "id,categories"])
def test_a_row_a_tag(tmp_path: Path, header: str) -> None:
    rows = ["p0,red", "p1,sea horse", "p0,blue", "p2,", "p0,red"]
    found = read(tmp_path / "t.csv", [header, *rows])
    assert found.rows == {"p0": ("red", "blue"), "p1": ("sea horse",), "p2": ()}
    assert found.form == "one row a tag"
    contradictory = read(tmp_path / "u.csv", [header, *rows, "p2,red"])
    assert "line 7: image p2 has a row with a tag and one without" in contradictory.problems[0]


def test_two_columns_that_may_hold_tags_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SSENetError, match="in the column label or class; call the right one tags"):
        read(tmp_path / "t.csv", ["image,class,label", "a,cat,dog"])
    found = read(tmp_path / "u.csv", ["image,class,tags", "a,cat,dog"])
    assert found.rows == {"a": ("dog",)}


def test_an_image_is_named_by_id_file_or_path(tmp_path: Path) -> None:
    names = ["a", "b.JPG", "red/001.jpeg", "red\\002.tif", "/photos/c.png", "d.2"]
    found = read(tmp_path / "t.csv", ["image,tags", *(f"{name},cat" for name in names)])
    assert [*found.rows] == ["a", "b", "red_001", "red_002", "c", "d.2"]


def test_coco_annotations(tmp_path: Path) -> None:
    content: dict[str, Any] = {
        "categories": [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}],
        "images": [{"id": n, "file_name": name} for n, name in enumerate(["a.jpg", "x/b.jpg"])],
        "annotations": [{"image_id": 1, "category_id": n} for n in (9, 7, 9)],
    }
    (tmp_path / "c.json").write_text(json.dumps(content))
    assert tags_from_coco(tmp_path / "c.json").rows == {"a": (), "x_b": ("dog", "cat")}
    content["annotations"].append({"image_id": 5, "category_id": 7})
    (tmp_path / "c.json").write_text(json.dumps(content))
    with pytest.raises(SSENetError, match=r"c\.json: expected COCO"):
        tags_from_coco(tmp_path / "c.json")


def test_folders_names_are_tags(tmp_path: Path) -> None:
    photographs = {"red_a": [tmp_path / "red/a.jpg"], "b": [tmp_path / "b.jpg"]}
    found = tags_from_folders(photographs, tmp_path)
    assert found.rows == {"red_a": ("red",)}
    assert found.problems == (f"{tmp_path / 'b.jpg'}: it is in no folder that names a class",)


def test_table_reads_names_of_files_and_quotes(tmp_path: Path) -> None:
    path = tmp_path / "tags.csv"
    path.write_bytes(b'\xef\xbb\xbfimage, tags,note\r\na.jpg,cat dog,x\r\n"b,c",,y\r\n')
    table = read_tag_table(path)
    assert table.rows == {"a": ("cat", "dog"), "b,c": ()}
    assert table.problems == ()


def test_every_bad_row_is_kept_for_the_manifest(tmp_path: Path) -> None:
    path = tmp_path / "tags.csv"
    path.write_text("image,tags\na,cat;\na,dog\n../b,cat\nc,cat,dog\nd\n")
    table = read_tag_table(path)
    assert table.rows == {"a": ("cat",)}
    assert len(table.problems) == 4
    for line in (3, 4, 5, 6):
        assert any(f"line {line}:" in problem for problem in table.problems)


@pytest.mark.parametrize("text", ["", "photo,labels\na,cat\n", '"\n', 'image,tags\na,"cat\n'])
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
    lines = [["Image", " TAGS ", "more"], ["a", '"cat;dog"', "x"], ["b", '"potted plant;"', ""]]
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
