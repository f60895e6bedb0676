"""Downloads end with the right bytes under the final name, or with one error and nothing there."""

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from file_server import FileServer, serving

from ssenet_core.data import download as module
from ssenet_core.data.download import BLOCK, Retries, download, fetch
from ssenet_core.errors import SSENetError
from ssenet_core.settings import Source

CONTENT = np.random.default_rng(0).bytes(3 * BLOCK + 1234)
MD5, SHA256 = hashlib.md5(CONTENT).hexdigest(), hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2
SOON = Retries(attempts=3, pause=0.0, timeout=5.0)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving({"/a.bin": CONTENT}) as state:
        yield state


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "a.bin"


def part_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


@pytest.mark.parametrize(
    "checksums",
    [{"md5": MD5}, {"sha256": SHA256.upper()}, {"sha256_prefix": SHA256[:8], "md5": MD5}],
)
def test_a_whole_download(server: FileServer, target: Path, checksums: dict[str, str]) -> None:
    download(f"{server.address}/a.bin", target, **checksums, retries=SOON)
    assert target.read_bytes() == CONTENT
    assert names(target.parent) == ["a.bin"]
    assert server.asked == [("/a.bin", None)]


def test_a_file_that_is_here_is_not_asked_for(server: FileServer, target: Path) -> None:
    for _ in range(2):
        download(f"{server.address}/a.bin", target, md5=MD5, retries=SOON)
    assert len(server.asked) == 1


def test_another_file_of_the_name_is_left_alone(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"mine")
    with pytest.raises(SSENetError, match=rf"a\.bin.*expected md5 {MD5}, found"):
        download(f"{server.address}/a.bin", target, md5=MD5, retries=SOON)
    assert target.read_bytes() == b"mine"
    assert not server.asked


def test_a_connection_that_drops_is_resumed(server: FileServer, target: Path) -> None:
    server.cuts = [HALF]
    download(f"{server.address}/a.bin", target, md5=MD5, retries=SOON)
    assert target.read_bytes() == CONTENT
    assert server.asked == [("/a.bin", None), ("/a.bin", f"bytes={HALF}-")]


def test_the_next_run_goes_on_where_the_last_broke_off(server: FileServer, target: Path) -> None:
    server.cuts = [10]
    with pytest.raises(SSENetError, match=r"byte 10 of.*the next run goes on"):
        download(f"{server.address}/a.bin", target, md5=MD5, retries=Retries(1, 0.0, 5.0))
    assert not target.exists()
    assert part_of(target).read_bytes() == CONTENT[:10]
    download(f"{server.address}/a.bin", target, md5=MD5, retries=SOON)
    assert target.read_bytes() == CONTENT
    assert server.asked[1] == ("/a.bin", "bytes=10-")


def test_attempts_that_bring_something_do_not_count(server: FileServer, target: Path) -> None:
    server.cuts = [BLOCK, BLOCK, BLOCK]
    download(f"{server.address}/a.bin", target, md5=MD5, retries=Retries(2, 0.0, 5.0))
    assert target.read_bytes() == CONTENT


def test_attempts_that_bring_nothing_end(server: FileServer, target: Path) -> None:
    server.cuts = [0] * 9
    with pytest.raises(SSENetError, match="after 3 attempts"):
        download(f"{server.address}/a.bin", target, md5=MD5, retries=SOON)
    assert len(server.asked) == 3
    assert not target.exists()


def test_a_server_without_ranges_sends_all_again(server: FileServer, target: Path) -> None:
    server.cuts, server.ranges = [HALF], False
    download(f"{server.address}/a.bin", target, md5=MD5, retries=SOON)
    assert target.read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == [None, f"bytes={HALF}-"]


def test_a_server_that_does_not_say_how_much_there_is(server: FileServer, target: Path) -> None:
    server.sizes = False
    download(f"{server.address}/a.bin", target, md5=MD5, retries=SOON)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("part", [CONTENT, CONTENT + b"more"], ids=["whole", "too long"])
def test_a_part_that_nothing_is_missing_of(server: FileServer, target: Path, part: bytes) -> None:
    target.parent.mkdir()
    part_of(target).write_bytes(part)
    download(f"{server.address}/a.bin", target, md5=MD5, retries=SOON)
    assert target.read_bytes() == CONTENT


def test_a_wrong_checksum_removes_the_part(server: FileServer, target: Path) -> None:
    url, wrong = f"{server.address}/a.bin", "0" * 64
    with pytest.raises(SSENetError) as caught:
        download(url, target, sha256=wrong, retries=SOON)
    for word in (url, str(target), wrong, SHA256, "Try again"):
        assert word in str(caught.value)
    assert names(target.parent) == []


def test_a_part_of_another_file_is_found_out(server: FileServer, target: Path) -> None:
    target.parent.mkdir()
    part_of(target).write_bytes(b"another file's beginning")
    with pytest.raises(SSENetError, match="Try again"):
        download(f"{server.address}/a.bin", target, md5=MD5, retries=SOON)
    download(f"{server.address}/a.bin", target, md5=MD5, retries=SOON)
    assert target.read_bytes() == CONTENT


def test_an_unknown_address_is_not_tried_again(server: FileServer, target: Path) -> None:
    with pytest.raises(SSENetError, match="answered 404"):
        download(f"{server.address}/b.bin", target, md5=MD5, retries=SOON)
    assert len(server.asked) == 1
    assert names(target.parent) == []


def test_a_busy_server_is_tried_again(server: FileServer, target: Path) -> None:
    server.codes = [503, 500]
    download(f"{server.address}/a.bin", target, md5=MD5, retries=SOON)
    assert target.read_bytes() == CONTENT
    server.codes, other = [500] * 9, target.with_name("b.bin")
    with pytest.raises(SSENetError, match="answered 500"):
        download(f"{server.address}/a.bin", other, md5=MD5, retries=SOON)


def test_nobody_answers(target: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(SSENetError, match=r"cannot reach it.*after 3 attempts"):
        download(f"http://127.0.0.1:{port}/a.bin", target, md5=MD5, retries=SOON)


def test_a_name_that_is_no_host(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(SSENetError, match=r"cannot reach it .*not known"):
        download("https://nowhere.invalid/a.bin", target, md5=MD5, retries=SOON)


def test_a_full_disk(server: FileServer, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = module.shutil.disk_usage(target.parents[1])
    with monkeypatch.context() as patch:
        patch.setattr(module.shutil, "disk_usage", lambda _: usage._replace(free=5))
        with pytest.raises(SSENetError, match=f"{len(CONTENT)} bytes are to come.*5 free"):
            download(f"{server.address}/a.bin", target, md5=MD5, retries=SOON)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_append", full)
    with pytest.raises(SSENetError, match=r"cannot write .*a\.bin\.part.*No space left"):
        download(f"{server.address}/a.bin", target, md5=MD5, retries=SOON)
    assert not target.exists()


@pytest.mark.parametrize("url", ["ftp://host/a", "file:///etc/passwd", "data/a.bin", "https://"])
def test_other_schemes_are_refused(target: Path, url: str) -> None:
    with pytest.raises(SSENetError, match="https://"):
        download(url, target, md5=MD5, retries=SOON)


def test_plain_http_needs_a_whole_checksum(target: Path) -> None:
    with pytest.raises(SSENetError, match="whole checksum"):
        download("http://host/a.bin", target, sha256_prefix=SHA256[:8], retries=SOON)


@pytest.mark.parametrize("place", ["ftp://127.0.0.1/a.bin", "http://host.invalid/a.bin"])
def test_redirections_are_judged_as_addresses(server: FileServer, target: Path, place: str) -> None:
    server.redirects = {"/moved.bin": "/a.bin", "/away.bin": place}
    url, prefix = f"{server.address}/away.bin", SHA256[:8]
    with pytest.raises(SSENetError):
        download(url, target, sha256_prefix=prefix, retries=SOON)
    download(f"{server.address}/moved.bin", target, sha256_prefix=prefix, retries=SOON)
    assert target.read_bytes() == CONTENT


def test_checksums_are_needed(target: Path) -> None:
    with pytest.raises(SSENetError, match="without a checksum"):
        download("https://host/a.bin", target, retries=SOON)
    with pytest.raises(SSENetError, match="under 8 digits"):
        download("https://host/a.bin", target, sha256_prefix="f370", retries=SOON)
    with pytest.raises(SSENetError, match=r"download\.sbd\.sha256"):
        fetch(Source(url="https://host/a.bin"), target, key="download.sbd")


def test_a_file_without_an_address_is_put_in_place_by_hand(target: Path) -> None:
    source = Source(url=None, sha256=SHA256)
    with pytest.raises(SSENetError, match=r"a\.bin.*weights.url is null.*put the file there"):
        fetch(source, target, key="weights")
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    fetch(source, target, key="weights")
    target.write_bytes(b"mine")
    with pytest.raises(SSENetError, match=f"expected sha256 {SHA256}"):
        fetch(source, target, key="weights")
