"""Archives become folders, whole or not at all; hostile and damaged ones leave nothing anywhere."""

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssenet_core.data.archive import extract
from ssenet_core.errors import SSENetError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def tar_of(path: Path, *members: tarfile.TarInfo | tuple[str, bytes]) -> Path:
    """Write a tar of plain files (name, content) and of other members."""
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size, info.mtime = len(member[1]), 1_000_000_000
                tar.addfile(info, io.BytesIO(member[1]))
    return path


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_a_folder_of_an_archive_becomes_the_target(tmp_path: Path) -> None:
    files = [("kit/VOC/a.txt", b"a"), ("kit/VOC/deep/b.txt", b"b"), ("kit/other.txt", b"")]
    archive = tar_of(tmp_path / "a.tgz", special("kit/VOC", tarfile.DIRTYPE), *files)
    assert extract(archive, tmp_path / "out" / "VOC", "kit/VOC") == 2
    assert names(tmp_path / "out") == ["VOC", "a.txt", "b.txt", "deep"]
    assert (tmp_path / "out/VOC/deep/b.txt").read_bytes() == b"b"
    assert (tmp_path / "out/VOC/a.txt").stat().st_mtime == 1_000_000_000
    with pytest.raises(SSENetError, match="there already"):
        extract(archive, tmp_path / "out" / "VOC", "kit/VOC")
    with pytest.raises(SSENetError, match="expected files under kit/VOC2012, found none"):
        extract(archive, tmp_path / "new", "kit/VOC2012")


def test_an_empty_folder_and_a_killed_run_are_no_hindrance(tmp_path: Path) -> None:
    archive = tar_of(tmp_path / "a.tgz", ("a.txt", b"a"))
    (tmp_path / "out").mkdir()
    (tmp_path / ".out.part").mkdir()
    (tmp_path / ".out.part" / "half").touch()
    extract(archive, tmp_path / "out")
    assert names(tmp_path) == ["a.tgz", "a.txt", "out"]


HOSTILE = {
    "upwards": ("../evil.txt", b"!"),
    "upwards inside": ("kit/../../evil.txt", b"!"),
    "link out": special("link", tarfile.SYMTYPE, "../.."),
    "link to a file": special("link", tarfile.SYMTYPE, "/etc/passwd"),
    "hard link": special("link", tarfile.LNKTYPE, "../evil.txt"),
    "device": special("null", tarfile.CHRTYPE),
}


@pytest.mark.parametrize("member", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_tar_leaves_nothing(tmp_path: Path, member: Any) -> None:
    archive = tar_of(tmp_path / "a.tgz", ("good.txt", b""), member, ("link/evil.txt", b"!"))
    with pytest.raises(SSENetError, match=r"a\.tgz.*nothing is unpacked"):
        extract(archive, tmp_path / "in" / "out")
    assert names(tmp_path) == ["a.tgz", "in"]


def test_an_absolute_path_is_refused(tmp_path: Path) -> None:
    archive = tar_of(tmp_path / "a.tgz", (str(tmp_path / "evil.txt"), b"!"))
    with pytest.raises(SSENetError, match="outside"):
        extract(archive, tmp_path / "out")
    assert names(tmp_path) == ["a.tgz"]


def test_zip_archives(tmp_path: Path) -> None:
    good, evil, link = (tmp_path / name for name in ("good.zip", "evil.zip", "link.zip"))
    for path, name, mode in (
        (good, "kit/a.txt", 0o100644),
        (evil, "../b", 0),
        (link, "l", 0o120777),
    ):
        with zipfile.ZipFile(path, "w") as file:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            file.writestr(info, b"a")
    assert extract(good, tmp_path / "out", "kit") == 1
    assert (tmp_path / "out" / "a.txt").read_bytes() == b"a"
    for path in (evil, link):
        with pytest.raises(SSENetError, match="nothing is unpacked"):
            extract(path, tmp_path / "new")
    assert names(tmp_path) == ["a.txt", "evil.zip", "good.zip", "link.zip", "out"]


@pytest.mark.parametrize("keep", [0, 100, -30])
def test_a_damaged_archive_leaves_nothing(tmp_path: Path, keep: int) -> None:
    archive = tar_of(tmp_path / "a.tgz", ("a.txt", np.random.default_rng(0).bytes(5000)))
    archive.write_bytes(archive.read_bytes()[:keep])
    with pytest.raises(SSENetError, match=r"a\.tgz: cannot unpack"):
        extract(archive, tmp_path / "out")
    assert names(tmp_path) == ["a.tgz"]
