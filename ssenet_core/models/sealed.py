"""PyTorch files that end in their own checksum: damage is found before anything reads them.

In: tensors and plain values. Out: a file that `torch.load` reads like any other, as what follows
its archive does not count. The checksums inside the archive leave out its tables.
"""

import hashlib
import re
import zipfile
from pathlib import Path
from typing import Any

import torch

from ssenet_core.io.files import atomic_path

SEAL = re.compile(rb"\nssenet sha256 ([0-9a-f]{64})\n")
LENGTH = 80  # bytes of a seal
CHUNK = 1 << 20


def save_sealed(content: Any, path: str | Path) -> None:
    """Write a PyTorch file and its checksum, atomically; equal contents are equal bytes."""
    with atomic_path(path) as temporary:
        with temporary.open("wb") as file:  # given a name, torch would write it into the file
            torch.save(content, file)
        digest = _digest(temporary, temporary.stat().st_size)
        with temporary.open("ab") as file:
            file.write(f"\nssenet sha256 {digest}\n".encode())


def check_seal(path: str | Path) -> None:
    """See that a PyTorch file is as it was written, as far as it can tell.

    Raises:
        ValueError: a checksum is wrong, its own or, in a file of others, that of one of its parts.
    """
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
