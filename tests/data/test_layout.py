"""List files: both forms, and lines that are neither."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssenet_core.data.layout import id_problem, parse_line, read_list
from ssenet_core.errors import SSENetError

names = st.text(min_size=1, max_size=30).filter(lambda name: id_problem(name) is None)


@given(names)
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
