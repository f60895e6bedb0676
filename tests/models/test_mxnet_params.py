"""MXNet's `.params` files: every form of array is read, and a damaged file is told where it broke.

The forms are written here byte by byte from the format's description; `mxnet_1_9.params` beside
this file was written by MXNet 1.9.1 itself.
"""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mxnet_files import array, listed

from ssenet_core.errors import SSENetError
from ssenet_core.models.mxnet_params import DTYPES, V1, V2, V3, read_params

REAL = Path(__file__).parent / "mxnet_1_9.params"
MATRIX = np.arange(6, dtype="<f4").reshape(2, 3)


def written(folder: Path, content: bytes) -> Path:
    path = folder / "weights.params"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("mark", [None, V1, V2, V3])
def test_every_form_is_read(tmp_path: Path, mark: int | None) -> None:
    found = read_params(written(tmp_path, listed(array(MATRIX, mark))))
    assert list(found) == ["arg:a"]
    np.testing.assert_array_equal(found["arg:a"], MATRIX)


@pytest.mark.parametrize("flag", DTYPES)
def test_every_type_is_read(tmp_path: Path, flag: int) -> None:
    content = np.arange(4).astype(DTYPES[flag])
    found = read_params(written(tmp_path, listed(array(content, V2, flag))))["arg:a"]
    assert found.dtype == np.dtype(DTYPES[flag])
    np.testing.assert_array_equal(found, content)


def test_only_the_last_form_has_scalars(tmp_path: Path) -> None:
    scalar = np.array(3.5, "<f4")
    assert read_params(written(tmp_path, listed(array(scalar, V3))))["arg:a"] == 3.5
    with pytest.raises(SSENetError, match="array 0 is empty"):
        read_params(written(tmp_path, listed(array(scalar, V2))))


def test_a_file_that_mxnet_wrote() -> None:
    found = read_params(REAL)
    assert {name: (value.dtype.str, value.shape) for name, value in found.items()} == {
        "arg:conv_weight": ("<f4", (2, 3, 1, 1)),
        "arg:half_weight": ("<f2", (3,)),
        "aux:bn_moving_mean": ("<f4", (2,)),
    }
    np.testing.assert_array_equal(found["arg:conv_weight"].ravel(), np.arange(6) / 4)
    np.testing.assert_array_equal(found["arg:half_weight"], [0.5, -1.5, 2.0])
    np.testing.assert_array_equal(found["aux:bn_moving_mean"], [7.0, -8.0])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "byte 0: the header needs 16 bytes, 0 are left"),
        (listed(array(MATRIX, V2), magic=0x113), "begins with 0x113, expected 0x112"),
        (listed(array(MATRIX, V2), names=("a", "b")), "1 arrays with 2 names"),
        (listed(array(MATRIX, V2, flag=99)), "type flag 99"),
        (listed(array(MATRIX, V2, storage=1)), "sparse"),
        (listed(array(MATRIX, 0xDEADBEEF)), "no form of an array|needs"),
        (struct.pack("<QQQ", 0x112, 0, 2**60), "claims 1152921504606846976 arrays"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(SSENetError, match=reason) as caught:
        read_params(written(tmp_path, content))
    assert "weights.params" in str(caught.value)


def test_every_truncation_is_an_error(tmp_path: Path) -> None:
    whole = REAL.read_bytes()
    for length in range(len(whole)):
        with pytest.raises(SSENetError, match="not a whole MXNet"):
            read_params(written(tmp_path, whole[:length]))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SSENetError, match="no such file"):
        read_params(tmp_path / "none.params")


@given(place=st.integers(0, 200), value=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    content = bytearray(REAL.read_bytes())
    content[place % len(content)] = value
    path = written(tmp_path_factory.mktemp("fuzz"), bytes(content))
    try:
        names = set(read_params(path))
    except SSENetError as refusal:
        told = str(refusal)
        names = set()
    else:
        told = str(path)
    assert str(path) in told
    assert all(isinstance(name, str) for name in names)
