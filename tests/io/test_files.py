"""Files that are whole or absent, and JSON, whose faults are named."""

import pytest

from ssenet_core.errors import SSENetError
from ssenet_core.io.files import atomic_path, read_json, write_json


def test_atomic_path_replaces_the_old_file(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    for text in ("old", "new"):
        with atomic_path(path) as temporary:
            temporary.write_text(text)
            assert temporary.parent == path.parent
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail_halfway() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail_halfway()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_that_fails_midway_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": [1, "é"]})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert read_json(path) == {"a": [1, "é"]}
    assert list(tmp_path.iterdir()) == [path]


def test_bad_json_is_named(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(SSENetError, match=r"a\.json: no such file"):
        read_json(path)
    path.write_text("{")
    with pytest.raises(SSENetError, match=r"a\.json: expected JSON"):
        read_json(path)


def test_the_umask_says_who_may_read_a_file(tmp_path):
    """Some libraries, safetensors is one, replace the file by a private one."""
    (tmp_path / "plain").touch()
    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.unlink()
        temporary.touch(0o600)
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "plain").stat().st_mode
