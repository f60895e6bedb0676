"""Archives and MATLAB files: damage, ways out, and values that no mask has."""

import io
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcomes import damaged, damaged_one_of, many, tried, written
from samples import MASKS
from scipy.io import savemat

from ssenet_core.data.archive import extract
from ssenet_core.data.matlab import read_field
from ssenet_core.data.sbd import read_sbd_mask
from ssenet_core.report.paper_tables import FOLDER, pack_predictions

NAMES = ("V/a.txt", f"V/{'é' * 60}", "V/s/b.txt")


def tar(mode: str, form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=form) as archive:
        for name in NAMES:
            member = tarfile.TarInfo(name)
            member.size, member.mtime = 20, 1.5 if form == tarfile.PAX_FORMAT else 1
            archive.addfile(member, io.BytesIO(b"x" * 20))
    return buffer.getvalue()


def zipped(method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name in NAMES:
            archive.writestr(name, "x" * 20)
    return buffer.getvalue()


ARCHIVES = {
    "pax.tar": tar("w"),
    "gnu.tar": tar("w", tarfile.GNU_FORMAT),
    "a.tar.gz": tar("w:gz"),
    "a.tar.xz": tar("w:xz"),
    "stored.zip": zipped(zipfile.ZIP_STORED),
    "deflated.zip": zipped(zipfile.ZIP_DEFLATED),
}


@many
@given(damaged_one_of(ARCHIVES))
def test_damaged_archives(folder: Path, sample: tuple[str, bytes]) -> None:
    path = written(folder / "archives" / sample[0], sample[1])
    target = path.with_name("out")
    shutil.rmtree(target, ignore_errors=True)
    before = set(path.parent.iterdir())
    count = tried("archives", lambda: extract(path, target, "V"), path)
    assert set(path.parent.iterdir()) - before == (set() if count is None else {target})


@pytest.mark.parametrize(
    "name",
    ["../a", "/a", "V/../../a", "V\\..\\a", "V/\0", "V/" + "x" * 300, "V/a/" * 2000, ".", "V"],
    ids=ascii,
)
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_members_that_lead_elsewhere_leave_nothing(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / f"a.{kind}"
    if kind == "tar":
        with tarfile.open(path, "w") as archive:
            member = tarfile.TarInfo(name)
            member.size = 1
            archive.addfile(member, io.BytesIO(b"x"))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, "x")
    assert tried("archives", lambda: extract(path, tmp_path / "in" / "out", "V"), path) is None
    assert not [entry for entry in tmp_path.rglob("*") if entry.is_file() and entry != path]


def test_packed_predictions_stay_in_their_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for place in ("in/-a b.png", "up.png"):
        (tmp_path / place).write_bytes(MASKS["indexed.png"])
    pack_predictions(["-a b", "../up"], tmp_path / "in", tmp_path / "out.tgz")
    with tarfile.open(tmp_path / "out.tgz") as archive:
        assert archive.getnames() == [f"{FOLDER}/-a b.png", f"{FOLDER}/up.png"]


def matlab(content: dict[str, object], compressed: bool) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, content, do_compression=compressed)
    return buffer.getvalue()


MASK = np.arange(30, dtype=np.uint8).reshape(5, 6) % 21
FIELDS = {"Boundaries": np.eye(3), "Segmentation": MASK, "CategoriesPresent": np.array([3.0])}
FILES = {f"{name}.mat": matlab({"GTcls": FIELDS}, name == "packed") for name in ("plain", "packed")}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", ["u1", "i2", "i4", "u4", "f4", "f8"])
@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (5, 6), (1, 40), (33, 20)])
def test_a_field_is_what_scipy_wrote(compressed: bool, kind: str, shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).integers(0, 100, shape).astype(kind)
    content = {"other": np.eye(2), "GTcls": {**FIELDS, "Segmentation": values}, "text": "x"}
    found = read_field(matlab(content, compressed), "GTcls", "Segmentation")
    np.testing.assert_array_equal(found, values)


@many
@given(damaged_one_of(FILES))
def test_damaged_matlab_files(sample: tuple[str, bytes]) -> None:
    labels = tried("MATLAB files", lambda: read_sbd_mask(sample[1], sample[0]), sample[0])
    assert labels is None or (labels.ndim == 2 and labels.dtype == np.uint8)


@many
@given(st.binary(max_size=200), damaged(matlab({"GTcls": FIELDS}, False)[:128]))
def test_any_bytes_behind_a_header(rest: bytes, header: bytes) -> None:
    tried("MATLAB files", lambda: read_sbd_mask(header + rest, "a.mat"), "a.mat")


@pytest.mark.parametrize(
    "content",
    [
        {"GTcls": MASK},
        {"GTinst": FIELDS},
        {"GTcls": {"Boundaries": MASK}},
        {"GTcls": {"Segmentation": "text"}},
        {"GTcls": {"Segmentation": MASK * 1j}},
        {"GTcls": {"Segmentation": np.zeros((2, 2, 2))}},
        {"GTcls": {"Segmentation": np.zeros((0, 4))}},
        {"GTcls": {"Segmentation": np.full((2, 2), np.nan)}},
        {"GTcls": {"Segmentation": np.full((2, 2), 21)}},
        {"GTcls": {"Segmentation": {"Segmentation": MASK}}},
        {"GTcls": np.array([(MASK,), (MASK,)], dtype=[("Segmentation", "O")])},
    ],
    ids=str,
)
def test_other_contents_are_refused(content: dict[str, object]) -> None:
    for compressed in (False, True):
        data = matlab(content, compressed)
        assert (
            tried("MATLAB files", lambda data=data: read_sbd_mask(data, "a.mat"), "a.mat") is None
        )


def test_a_compressed_bomb_is_refused() -> None:
    bomb = matlab({"GTcls": {"Segmentation": np.zeros((9000, 9000), np.uint8)}}, True)
    assert len(bomb) < 1_000_000
    assert tried("bombs", lambda: read_sbd_mask(bomb, "a.mat"), "a.mat") is None
