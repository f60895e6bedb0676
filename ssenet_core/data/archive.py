"""Archives, unpacked whole or not at all, and never outside their folder.

In: a tar (compressed or not) or zip file. Out: a folder with what one folder of the archive holds.
Fails with `SSENetError` on a damaged archive, on a member with a path that leads elsewhere, and on
links and devices: nothing stays of such an archive.
"""

import logging
import lzma
import os
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from ssenet_core.errors import SSENetError

LOG = logging.getLogger("ssenet")
DAMAGE = (  # what the readers raise over a file that is not what it seems
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError),
    *(RuntimeError, OverflowError, ValueError, LookupError, struct.error),
)


@contextmanager
def new_folder(target: str | Path) -> Iterator[Path]:
    """Yield an empty folder beside `target`; it takes its name on success and goes on failure.

    Raises:
        SSENetError: `target` is there and not empty, or the disk is full.
    """
    target = Path(target)
    if is_filled(target):
        raise SSENetError(f"{target}: it is there already; move it away first")
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
    try:
        part.mkdir(parents=True)
        yield part
        part.replace(target)
    except OSError as error:
        raise SSENetError(f"{target}: cannot make this folder ({error})") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def is_filled(folder: str | Path) -> bool:
    """Whether there is something of this name, other than an empty folder."""
    path = Path(folder)
    return path.exists() and not (path.is_dir() and not any(path.iterdir()))


def extract(archive: str | Path, target: str | Path, folder: str = "") -> int:
    """Unpack what an archive has under `folder` into `target`, which must not be there yet.

    Args:
        archive: a tar or zip file.
        target: a folder to be made.
        folder: a folder in the archive, such as "VOCdevkit/VOC2012"; all of it by default.

    Returns:
        The number of files.

    Raises:
        SSENetError: see the module; or there is no file under `folder`.
    """
    with new_folder(target) as part:
        count = extract_into(archive, part, folder)
    return count


def extract_into(archive: str | Path, target: Path, folder: str = "") -> int:
    """As `extract`, into a folder that is there; what was unpacked stays after a failure."""
    LOG.info("unpacking %s", archive)
    unpack = _unpack_zip if zipfile.is_zipfile(archive) else _unpack_tar
    try:
        count = unpack(archive, target, PurePosixPath(folder))
    except DAMAGE as error:
        raise SSENetError(f"{archive}: cannot unpack it into {target.parent} ({error})") from error
    if count == 0:
        raise SSENetError(f"{archive}: expected files under {folder or '/'}, found none")
    return count


def inner_path(archive: str | Path, name: str, folder: PurePosixPath) -> PurePosixPath | None:
    """A member's path relative to `folder`; None for one that lies elsewhere in the archive.

    Raises:
        SSENetError: the path is absolute, or leads upwards.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise SSENetError(f"{archive}: {name!r} would lie outside the folder; nothing is unpacked")
    return path.relative_to(folder) if path.is_relative_to(folder) else None


def _unpack_tar(archive: str | Path, target: Path, folder: PurePosixPath) -> int:
    count = 0
    with tarfile.open(archive) as tar:
        for member in tar:
            path = inner_path(archive, member.name, folder)
            if not (member.isreg() or member.isdir()):
                raise _not_a_file(archive, member.name)
            content = tar.extractfile(member)
            if path is not None and content is not None:
                _write(target / path, content)
                os.utime(target / path, (member.mtime, member.mtime))
                count += 1
    return count


def _unpack_zip(archive: str | Path, target: Path, folder: PurePosixPath) -> int:
    count = 0
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            path = inner_path(archive, member.filename, folder)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
                raise _not_a_file(archive, member.filename)
            if path is not None and not member.is_dir():
                with file.open(member) as content:
                    _write(target / path, content)
                count += 1
    return count


def _write(path: Path, content: IO[bytes]) -> None:
    # Plain files alone are written, at paths that were judged, into a folder without links: nothing
    # is left for tarfile's filters, which Python has from 3.11.4 on.
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        shutil.copyfileobj(content, file)


def _not_a_file(archive: str | Path, name: str) -> SSENetError:
    return SSENetError(
        f"{archive}: {name!r} is a link or a device, expected files and folders only; "
        "nothing is unpacked"
    )
