"""List files, tag files, annotations, manifests and names: hostile text, bombs, ways out."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcomes import damaged, many, tried, written

from ssenet_core.data.check import find_tags
from ssenet_core.data.dataset import class_names, read_list
from ssenet_core.data.manifest import FORMAT_VERSION, Manifest, load_manifest
from ssenet_core.data.tags import read_tag_table, tags_from_xml
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import id_problem
from ssenet_core.settings import DatasetSettings

WAYS_OUT = ["..", ".", "../up", "a/b", "/etc/passwd", "a\\..\\b", "..\\up", "~/x", "a/../../b"]
UNPRINTABLE = ["nul\0", "tab\there", "escape\x1b[2J", "line\u2028two", "right\u202eleft", "\ud800"]
READ_BY_SNAKEMAKE = ["{image}", "a{", "}", "<results>", "a<b>c"]
REFUSED = [*WAYS_OUT, *UNPRINTABLE, *READ_BY_SNAKEMAKE, "", " a", "x" * 201, "é" * 101]
UNUSUAL = [
    "-rf",
    "--help",
    ".hidden",
    "...",
    "a..b",
    "a b",
    "名前",
    "$HOME",
    "`id`",
    "a;b",
    "~",
    "*",
]
UNUSUAL += ["'quoted'", '"', "%s", "#1", "a,b", "x" * 200, "<img src=x onerror=alert(1)>", "a<b"]


@pytest.mark.parametrize("name", REFUSED, ids=ascii)
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    assert id_problem(name)


@pytest.mark.parametrize("name", UNUSUAL, ids=ascii)
def test_unusual_names_stay_in_their_folder(tmp_path: Path, name: str) -> None:
    assert id_problem(name) is None
    path = tmp_path / f"{name}.h5"
    path.touch()
    assert [entry.name for entry in tmp_path.iterdir()] == [f"{name}.h5"]
    assert path.stem == name  # a shard's files give the ids back


@many
@given(st.text(max_size=40))
def test_any_name_is_refused_or_stays_in_its_folder(folder: Path, name: str) -> None:
    if id_problem(name) is None:
        path = Path(f"{folder}/{name}.h5")
        assert path.parent == folder
        assert os.path.realpath(path) == f"{os.path.realpath(folder)}/{name}.h5"
        assert path.stem == name


LINES = b"2007_000032\n/JPEGImages/a.jpg /SegmentationClassAug/a.png\n\xc3\xa9t\xc3\xa9 1\n"


@many
@given(st.one_of(damaged(LINES), st.binary(max_size=200), st.text(max_size=99).map(str.encode)))
def test_list_files(folder: Path, content: bytes) -> None:
    path = written(folder / "train.txt", content)
    ids = tried("list files", lambda: read_list(path), path)
    assert ids is None or not [image_id for image_id in ids if id_problem(image_id)]


def test_a_list_of_long_lines_takes_no_time(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("/JPEGImages/" + ".jpg " * 100_000 + "/x/" + " " * 100_000 + "\n")
    begin = time.perf_counter()
    assert tried("list files", lambda: read_list(path), path) is None
    assert time.perf_counter() - begin < 5


TABLE = b'\xef\xbb\xbfimage,tags,note\na.jpg,cat dog,x\n"b,c",potted plant;,"two\nlines"\n'


@many
@given(st.one_of(damaged(TABLE), st.binary(max_size=200).map(lambda tail: b"image,tags\n" + tail)))
def test_tag_files(folder: Path, content: bytes) -> None:
    path = written(folder / "tags.csv", content)
    table = tried("tag files", lambda: read_tag_table(path), path)
    if table is not None:
        assert not [image_id for image_id in table.rows if id_problem(image_id)]
        assert all(str(path) in problem for problem in table.problems)


@many
@given(st.binary(max_size=200))
def test_class_files(folder: Path, content: bytes) -> None:
    path = written(folder / "classes.txt", content)
    dataset = DatasetSettings(name="d", source="voc", root=str(path.parent), classes=path.name)
    names = tried("class files", lambda: class_names(dataset), path)
    assert names is None or not [name for name in names if id_problem(name)]


@pytest.mark.parametrize("name", ["x" * 300, "a/" * 3000, "\0", "\ud800"], ids=["1", "2", "3", "4"])
def test_paths_that_no_file_can_have(tmp_path: Path, name: str) -> None:
    # As the model refuses such names itself, the functions are shown them without it.
    dataset = DatasetSettings(name="d", source="voc", root=str(tmp_path)).model_copy(
        update={"classes": name, "annotation_dir": name, "tags": ("xml",)}
    )
    for act in (
        lambda: class_names(dataset),
        lambda: read_list(tmp_path / name),
        lambda: read_tag_table(tmp_path / name),
        lambda: load_manifest(tmp_path / name),
    ):
        with pytest.raises(SSENetError):
            act()
    assert find_tags(dataset, "a", classes={}, table=None, labels=None) is None


def test_a_table_with_a_column_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tags.csv"
    path.write_text("image,tags,tags\na,cat,dog\n")
    with pytest.raises(SSENetError, match=r"tags\.csv: expected the columns image,tags"):
        read_tag_table(path)


@pytest.mark.parametrize("read", [read_list, read_tag_table, tags_from_xml, load_manifest])
def test_pipes_devices_and_folders_are_refused(tmp_path: Path, read: Any) -> None:
    os.mkfifo(tmp_path / "pipe")
    places = [tmp_path]
    if read is not tags_from_xml and read is not load_manifest:  # their folders hold plain files
        places += [tmp_path / "pipe", Path("/dev/zero")]
    for path in places:
        assert tried("places that hold no file", lambda path=path: read(path), path) is None


DOG = b"<annotation><object><name>dog</name><difficult>1</difficult></object></annotation>"
LAUGHS = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 9}">' for n in range(1, 10))
DEEP = 99_999  # levels


def defining(definitions: str, body: str = "&e;") -> bytes:
    return f"<!DOCTYPE annotation [{definitions}]><annotation>{body}</annotation>".encode()


ANNOTATIONS: Mapping[str, bytes] = {
    "a billion laughs": defining(f'<!ENTITY e0 "ha">{LAUGHS}', "&e9;"),
    "quadratic": defining(f'<!ENTITY e "{"x" * 9999}">', "&e;" * 999),
    "a file": defining('<!ENTITY e SYSTEM "file:///etc/passwd">'),
    "an address": defining('<!ENTITY e SYSTEM "http://127.0.0.1:9/">'),
    "elsewhere": b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd"><annotation>&e;</annotation>',
    "deep": b"<annotation>" + b"<object>" * DEEP + b"</object>" * DEEP + b"</annotation>",
    "in hex": b'<?xml version="1.0" encoding="hex"?><annotation/>',
    "in zip": b'<?xml version="1.0" encoding="zip"?><annotation/>',
}


@pytest.mark.parametrize("name", ANNOTATIONS)
def test_annotations_that_attack_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(ANNOTATIONS[name])
    begin = time.perf_counter()
    assert tried("annotations that attack", lambda: tags_from_xml(path), path) is None
    assert time.perf_counter() - begin < 5


@many
@given(st.one_of(damaged(DOG), st.binary(max_size=99)))
def test_annotations(folder: Path, content: bytes) -> None:
    path = written(folder / "a.xml", content)
    names = tried("annotations", lambda: tags_from_xml(path), path)
    assert names is None or all(isinstance(name, str) and name for name in names)


ENTRY = {
    "id": "a",
    "image": "a.jpg",
    "mask": None,
    "width": 4,
    "height": 3,
    "tags": [1],
    "sha256": "00",
    "mask_sha256": None,
}
MANIFEST = {
    "format": "ssenet manifest",
    "format_version": FORMAT_VERSION,
    "dataset": "d",
    "split": "train",
    "classes": ["cat"],
    "images": [ENTRY],
}
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 3),
    st.floats(),
    st.sampled_from([*REFUSED, "a"]),
    st.lists(st.integers(0, 2), max_size=2),
    st.just({}),
)


def is_sound(manifest: Manifest) -> bool:
    return all(
        id_problem(record.id) is None
        and record.width > 0
        and record.height > 0
        and all(1 <= tag <= len(manifest.classes) for tag in record.tags or ())
        for record in manifest.images
    )


@many
@given(st.sampled_from([*MANIFEST, *ENTRY]), VALUES)
def test_manifests_with_a_value_changed(folder: Path, key: str, value: Any) -> None:
    change = {"images": [{**ENTRY, key: value}]} if key in ENTRY else {key: value}
    content = {**MANIFEST, **change}
    path = written(folder / "train.json", json.dumps(content).encode())
    manifest = tried("manifests with a value changed", lambda: load_manifest(path), path)
    assert manifest is None or is_sound(manifest)


@many
@given(damaged(json.dumps(MANIFEST).encode()))
def test_damaged_manifests(folder: Path, content: bytes) -> None:
    path = written(folder / "train.json", content)
    manifest = tried("damaged manifests", lambda: load_manifest(path), path)
    assert manifest is None or is_sound(manifest)


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, '{"a":' * 100_000, "NaN", '"\\ud800"'])
def test_json_that_attacks_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "train.json"
    path.write_text(text)
    assert tried("damaged manifests", lambda: load_manifest(path), path) is None
