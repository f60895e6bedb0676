"""MXNet `.params` files, written byte by byte from the format's description."""

import struct

import numpy as np

from ssenet_core.models.mxnet import V2, V3


def array(content: np.ndarray, mark: int | None, flag: int = 0, storage: int = 0) -> bytes:
    """One array in the form that `mark` names; None is the oldest, without a mark."""
    if mark is None:
        head = struct.pack("<I", content.ndim) + struct.pack(f"<{content.ndim}I", *content.shape)
    else:
        head = struct.pack("<I", mark)
        head += struct.pack("<i", storage) if mark in (V2, V3) else b""
        head += struct.pack("<i", content.ndim) + struct.pack(f"<{content.ndim}q", *content.shape)
    return head + struct.pack("<iii", 1, 0, flag) + content.tobytes()


def listed(*arrays: bytes, names: tuple[str, ...] = ("arg:a",), magic: int = 0x112) -> bytes:
    """A whole file of arrays."""
    text = b"".join(struct.pack("<Q", len(name)) + name.encode() for name in names)
    counts = struct.pack("<QQQ", magic, 0, len(arrays)), struct.pack("<Q", len(names))
    return counts[0] + b"".join(arrays) + counts[1] + text
