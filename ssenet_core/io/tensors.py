"""PyTorch files of tensors and plain values, which end in their own checksum.

`torch.load` reads them like any other, as what follows its archive does not count; the checksums
inside the archive leave out its tables. Reading raises `SSENetError` with the file's name when it
is missing, damaged, or holds anything else.
"""

import hashlib
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch

from ssenet_core.errors import SSENetError
from ssenet_core.io.files import atomic_path, is_file

SEAL = re.compile(rb"\nssenet sha256 ([0-9a-f]{64})\n")
LENGTH = 80  # bytes of a seal
CHUNK = 1 << 20


def save_tensors(content: Any, path: str | Path) -> None:
    """Write a PyTorch file and its checksum, atomically; equal contents are equal bytes."""
    with atomic_path(path) as temporary:
        with temporary.open("wb") as file:  # given a name, torch would write it into the file
            torch.save(content, file)
        digest = _digest(temporary, temporary.stat().st_size)
        with temporary.open("ab") as file:
            file.write(f"\nssenet sha256 {digest}\n".encode())


def load_tensors(path: str | Path) -> dict[str, Any]:
    """Read a PyTorch file of tensors and plain values; code in it is refused, never run.

    Raises:
        SSENetError: the file is missing, damaged, or holds anything else.
    """
    if not is_file(path):
        raise SSENetError(f"{path}: no such file")
    try:
        _check(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise SSENetError(
            f"{path}: expected a PyTorch file of tensors only, cannot read it ({_reason(error)})"
        ) from error
    if not isinstance(content, dict):
        raise SSENetError(f"{path}: expected a dictionary of tensors, found {type(content)}")
    return content


def _check(path: str | Path) -> None:
    """`ValueError` where a checksum is wrong: the file's, or in one of others that of a part."""
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        file.seek(max(0, size - LENGTH))
        seal = SEAL.fullmatch(file.read())
    if seal is not None:
        if seal[1].decode() != _digest(path, size - LENGTH):
            raise ValueError("its checksum is wrong")
    elif zipfile.is_zipfile(path):  # PyTorch's older files are not, and have no checksums
        with zipfile.ZipFile(path) as archive:
            if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
                raise ValueError("parts of it are compressed, as PyTorch never does")
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"the checksum of its part {damaged} is wrong")


def _digest(path: str | Path, length: int) -> str:
    """SHA-256 of a file's first `length` bytes."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(min(CHUNK, length)):
            digest.update(chunk)
            length -= len(chunk)
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    """An error's first line; not PyTorch's advice to load a file that may run code."""
    if isinstance(error, pickle.UnpicklingError):
        return "it is damaged, or holds something else"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
