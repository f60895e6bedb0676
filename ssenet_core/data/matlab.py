"""Reader of one numeric field of a struct in a MATLAB file (level 5), as SBD's masks are.

In: the file's bytes. Out: the field as an array. A file is a header and elements, each with its
type and length, padded to eight bytes; a struct is an element whose content is elements again.
`ValueError` on anything else: SciPy's reader, which knows it all, crashes on some damaged files.
"""

import struct
import zlib
from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

HEADER = 128  # bytes: 124 of text, the version, and how numbers are laid out
ORDERS = {b"IM": "<", b"MI": ">"}
# Types of elements, and those of them that are numbers.
INT8, UINT32, MATRIX, COMPRESSED = 1, 6, 14, 15
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8"}
STRUCT = 2  # class of an array
NUMERIC = range(6, 16)  # the classes from double to uint64
COMPLEX = 0x0800
LARGEST = 1 << 26  # bytes after decompression; a mask has some hundred thousand


class Element(NamedTuple):
    """One element: its type and its content."""

    kind: int
    content: memoryview


def read_field(content: bytes, variable: str, field: str) -> NDArray[Any]:
    """The numeric array `variable.field`, of a struct of one element.

    Raises:
        ValueError: the file is damaged, of another kind, or has no such array.
    """
    order = ORDERS.get(content[HEADER - 2 : HEADER])
    if order is None:
        raise ValueError("no MATLAB file of level 5")
    for element in _elements(memoryview(content)[HEADER:], order):
        for matrix in _unpacked(element, order):
            parts = _elements(matrix.content, order)
            kind, shape, name = _describe(parts, order)
            if name == variable:
                if kind & 0xFF != STRUCT or prod(shape) != 1:
                    raise ValueError(f"{variable} is no struct of one element")
                return _numbers(_member(parts, field, order), order)
    raise ValueError(f"it has no {variable}")


def _elements(content: memoryview, order: str) -> Iterator[Element]:
    place = 0
    while len(content) - place >= 8:
        kind, size = struct.unpack_from(f"{order}II", content, place)
        if kind >> 16:  # up to four bytes lie within the tag
            kind, size, start, end = kind & 0xFFFF, kind >> 16, place + 4, place + 8
        else:
            start = place + 8
            end = start + size + (0 if kind == COMPRESSED else -size % 8)
        if start + size > len(content) or (start == place + 4 and size > 4):
            raise ValueError(f"byte {place}: {size} bytes should follow, and do not")
        yield Element(kind, content[start : start + size])
        place = end


def _unpacked(element: Element, order: str) -> Iterator[Element]:
    """The arrays in an element of the file: itself, or what is compressed in it."""
    if element.kind == COMPRESSED:
        decompressor = zlib.decompressobj()
        try:
            content = decompressor.decompress(element.content, LARGEST)
        except zlib.error as error:
            raise ValueError(f"what is compressed in it is damaged ({error})") from error
        if not decompressor.eof:
            raise ValueError(f"what is compressed in it is cut short, or above {LARGEST} bytes")
        yield from (part for part in _elements(memoryview(content), order) if part.kind == MATRIX)
    elif element.kind == MATRIX:
        yield element


def _describe(parts: Iterator[Element], order: str) -> tuple[int, tuple[int, ...], str]:
    """What an array begins with: its flags with its class, its shape and its name."""
    flags = _next(parts, UINT32)
    shape = _numbers_of(_next(parts), order)
    if len(flags.content) != 8 or shape.dtype.kind != "i" or (shape < 0).any():
        raise ValueError("an array has no class or shape")
    name = bytes(_next(parts, INT8).content).decode("ascii", "replace")
    return int(struct.unpack_from(f"{order}I", flags.content)[0]), tuple(shape.tolist()), name


def _member(parts: Iterator[Element], field: str, order: str) -> Element:
    """The array of a struct's field."""
    length = _numbers_of(_next(parts), order)
    names = bytes(_next(parts, INT8).content)
    step = int(length[0]) if length.size == 1 else 0
    if step < 1:
        raise ValueError("the names of its fields have no length")
    for start in range(0, len(names), step):
        member = _next(parts, MATRIX)
        if names[start : start + step].rstrip(b"\0") == field.encode():
            return member
    raise ValueError(f"it has no field {field}")


def _numbers(matrix: Element, order: str) -> NDArray[Any]:
    parts = _elements(matrix.content, order)
    flags, shape, _ = _describe(parts, order)
    if flags & 0xFF not in NUMERIC or flags & COMPLEX:
        raise ValueError("the field is no array of real numbers")
    numbers = _numbers_of(_next(parts), order)
    if numbers.size != prod(shape):
        raise ValueError(f"the shape {shape} and {numbers.size} numbers do not go together")
    return numbers.reshape(shape, order="F")


def _numbers_of(element: Element, order: str) -> NDArray[Any]:
    dtype = np.dtype(order + NUMBERS[element.kind]) if element.kind in NUMBERS else None
    if dtype is None or len(element.content) % dtype.itemsize:
        raise ValueError(f"expected numbers, found an element of type {element.kind}")
    return np.frombuffer(element.content, dtype)


def _next(parts: Iterator[Element], kind: int | None = None) -> Element:
    element = next(parts, None)
    if element is None or kind not in {None, element.kind}:
        raise ValueError("an array breaks off, or is of another layout")
    return element
