"""Files of any kind: atomic writes, text, JSON, checksums, and which names files may have.

Raises `SSENetError` for a disk that is full or may not be written to, and for text and JSON that
cannot be read.
"""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import Any

from ssenet_core.errors import SSENetError

NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
NO_ACCESS = {errno.EACCES, errno.EPERM, errno.EROFS}
LONGEST_ID = 200  # bytes: a file's name holds 255, and ids get suffixes and temporary prefixes
PATH_VARIABLE = re.compile("<[a-z][a-z0-9_]*>")
FULL = 64 * 1024  # bytes: libraries that say no more than "failed to write" found a full disk


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it takes its name on success and goes on failure.

    Raises:
        SSENetError: no space is left, or the folder may not be written to.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode  # as the umask has it; tempfile's would be private
    except OSError as error:
        raise _explained(error, path) from error
    try:
        yield temporary
        temporary.chmod(mode)  # some libraries put a private file in its place
        temporary.replace(path)
    except BaseException as error:
        explained = _explained(error, path)
        temporary.unlink(missing_ok=True)
        if explained is error:
            raise
        raise explained from error


def _explained(error: BaseException, path: Path) -> BaseException:
    """The error, or one that tells the user what to do where it is about the disk."""
    if not isinstance(error, OSError | RuntimeError):
        return error
    code = getattr(error, "errno", None)
    if code in NO_ACCESS:
        return SSENetError(f"{path}: cannot be written ({error}); make its folder writable")
    # torch raises errors of its own; then the disk itself is asked.
    if code in NO_SPACE or (code is None and shutil.disk_usage(path.parent).free < FULL):
        return SSENetError(
            f"{path}: no space is left on its disk, so it was not written; free some, or put "
            "results on another disk, and run the workflow again: it goes on from here"
        )
    return error


def remove_leftovers(paths: Iterable[str | Path]) -> None:
    """Remove what killed runs left of writing these files. No one else may be writing them."""
    names: dict[Path, set[str]] = {}
    for path in map(Path, paths):
        names.setdefault(path.parent, set()).add(path.name)
    for folder, whole in names.items():
        for entry in os.scandir(folder) if folder.is_dir() else ():
            found = re.fullmatch(r"\.(.+)\.[a-z0-9_]{8}(\.[^.]*)?", entry.name)  # of `atomic_path`
            if found and found[1] in whole and entry.is_file(follow_symlinks=False):
                Path(entry).unlink(missing_ok=True)


def id_problem(image_id: str) -> str | None:
    """Why `image_id` cannot name files, or None when it can.

    Blanks, dots, leading dashes and letters of any script are fine. Separators, `..`, characters
    that cannot be printed, and what Snakemake fills in (`{name}` and `<name>`) are not.
    """
    if not image_id or image_id != image_id.strip():
        return "it is empty or has blanks around it"
    if image_id in {".", ".."} or "/" in image_id or "\\" in image_id:
        return "an id is a file's name without its folder and suffix"
    if not image_id.isprintable():
        return "it has characters that cannot be printed"
    if "{" in image_id or "}" in image_id:
        return "braces are wildcards to Snakemake"
    if PATH_VARIABLE.search(image_id):
        return "a name in angle brackets is a path variable to Snakemake"
    if len(image_id.encode()) > LONGEST_ID:
        return f"it is longer than {LONGEST_ID} bytes"
    return None


def require_plain_file(path: str | Path) -> None:
    """Raise `OSError` for a missing file, and for pipes and devices: reading may never end."""
    if not S_ISREG(Path(path).stat().st_mode):
        raise OSError("it is no plain file")


def is_file(path: str | Path) -> bool:
    """Whether there is a plain file; no, too, for names that no file can have."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def write_text(path: str | Path, text: str) -> None:
    """Write text as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_text(path: str | Path) -> str:
    """Read a text file; `SSENetError` when it is missing or not UTF-8."""
    try:
        require_plain_file(path)
        return Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise SSENetError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise SSENetError(
            f"{path}: expected a text file in UTF-8, cannot read it ({error}); "
            "a spreadsheet saves one as 'CSV UTF-8'"
        ) from error


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` as indented JSON, atomically."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file; `SSENetError` when it is missing or is not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SSENetError(f"{path}: no such file") from error
    except (OSError, ValueError, RecursionError) as error:
        raise SSENetError(f"{path}: expected JSON, found something else ({error})") from error


def sha256_file(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
