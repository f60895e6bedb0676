"""Files from public addresses: fetched once, resumed where they broke off, checked before use.

In: an address and what the file's checksum must be. Out: the file under its own name, whole and
verified; until then it grows as `NAME.part` beside it, and the next attempt goes on from there.
Fails with one `SSENetError` that names the address, the file, the expected and the found.

What a server sends is trusted for its checksum alone. So plain http needs a whole checksum (md5 or
sha256; that of this machine itself needs none of this), and no file is taken without any.
"""

import hashlib
import http.client
import ipaddress
import logging
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

from ssenet_core.errors import SSENetError
from ssenet_core.progress import progress
from ssenet_core.settings import Source

LOG = logging.getLogger("ssenet")
BLOCK = 1 << 20  # bytes, also the unit of the progress bar
SHORTEST_PREFIX = 8  # hexadecimal digits
BUSY = {408, 425, 429, 500, 502, 503, 504}  # answers that may be another one in a moment
RANGE_NOT_SATISFIABLE = 416


@dataclass(frozen=True)
class Retries:
    """How often a transfer is taken up again that brings nothing, and how long to wait.

    Attributes:
        attempts: in a row without a block of progress.
        pause: seconds before the second attempt; doubled each time.
        timeout: seconds of silence after which a connection counts as dropped.
    """

    attempts: int = 5
    pause: float = 2.0
    timeout: float = 60.0


RETRIES = Retries()


def fetch(source: Source, target: str | Path, *, key: str) -> None:
    """Have what an entry of the section `download` describes at `target`.

    Args:
        source: its address and its checksums.
        target: where the file belongs. One that is there is checked, and not fetched again.
        key: the entry's place in the configuration, for messages.

    Raises:
        SSENetError: as `download`; or there is neither a file nor an address.
    """
    checksums = source.checksums()
    if source.url is None:
        if not Path(target).is_file():
            raise SSENetError(
                f"{target}: no such file, and {key}.url is null, as no lasting public address is "
                f"known; put the file there, or set {key}.url and its checksum, {key}.sha256"
            )
        if checksums:
            _refuse_other_file(Path(target), checksums, key)
        return
    if not checksums:
        raise SSENetError(
            f"{key}: {source.url} has no checksum, and a file without one is not taken; "
            f"set {key}.sha256 (sha256sum of a copy that you trust)"
        )
    download(
        source.url,
        target,
        md5=source.md5,
        sha256=source.sha256,
        sha256_prefix=source.sha256_prefix,
    )


def download(
    url: str,
    target: str | Path,
    *,
    md5: str | None = None,
    sha256: str | None = None,
    sha256_prefix: str | None = None,
    retries: Retries = RETRIES,
) -> None:
    """Fetch `url` as `target`, or leave `target` as it is when it is there already.

    Args:
        url: https, or http where there is a whole checksum. The standard variables (`https_proxy`,
            `no_proxy`, ...) name a proxy.
        target: the file; its folder is made.
        md5: hexadecimal checksum.
        sha256: hexadecimal checksum.
        sha256_prefix: its first digits, at least eight, as in the names of torchvision's weights.
        retries: what to do about dropped connections.

    Raises:
        SSENetError: another scheme, no checksum, no answer, no such file there, the transfer broke
            off again and again, the disk is full, or the bytes are others than expected.
    """
    given = {"md5": md5, "sha256": sha256, "sha256_prefix": sha256_prefix}
    checksums = {name: value.lower() for name, value in given.items() if value}
    _require_checksum(url, checksums)
    _require_safe(url, checksums)
    target = Path(target)
    if target.is_file():
        _refuse_other_file(target, checksums, url)
        LOG.info("%s: is here already", target)
        return
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _transfer(url, part, checksums, retries)
        wrong = _differences(part, checksums)
        if wrong:
            part.unlink()
            raise SSENetError(
                f"{url}: for {target}, {'; '.join(wrong)}; {part} was removed. Try again; if it "
                "happens again, name another address in the section download of the configuration"
            )
        part.replace(target)
    except OSError as error:
        raise SSENetError(f"{url}: cannot write {part} ({error})") from error
    LOG.info("%s: fetched from %s", target, url)


class _Dropped(Exception):
    """A transfer that broke off, and may get on when it is tried again."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirections to addresses alone that would have been taken themselves."""

    def __init__(self, checksums: Mapping[str, str]) -> None:
        self.checksums = checksums

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> urllib.request.Request | None:
        _require_safe(newurl, self.checksums)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _require_checksum(url: str, checksums: Mapping[str, str]) -> None:
    if not checksums:
        raise SSENetError(f"{url}: a file without a checksum is not taken; give md5 or sha256")
    prefix = checksums.get("sha256_prefix", "0" * SHORTEST_PREFIX)
    if len(prefix) < SHORTEST_PREFIX:
        raise SSENetError(f"{url}: sha256_prefix {prefix!r} has under {SHORTEST_PREFIX} digits")


def _require_safe(url: str, checksums: Mapping[str, str]) -> None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SSENetError(f"{url}: expected an address that begins with https:// or http://")
    whole = {"md5", "sha256"} & checksums.keys()
    if parts.scheme == "http" and not whole and not _is_this_machine(parts.hostname):
        raise SSENetError(
            f"{url}: anyone on the way can change what comes by http; "
            "give the whole checksum (md5 or sha256), or an https address"
        )


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _transfer(url: str, part: Path, checksums: Mapping[str, str], retries: Retries) -> None:
    """Bring `part` to its full length, over as many connections as it takes."""
    opener = urllib.request.build_opener(_Redirects(checksums))
    failures = 0
    while True:
        before = _size(part)
        try:
            _go_on(opener, url, part, retries.timeout)
            return
        except _Dropped as error:
            failures = 1 if _size(part) - before >= BLOCK else failures + 1
            if failures >= retries.attempts:
                raise SSENetError(
                    f"{url}: {error}, after {failures} attempts; {part} has {_size(part)} bytes, "
                    "and the next run goes on from there"
                ) from error
            LOG.warning("%s: %s; trying again", url, error)
            time.sleep(retries.pause * 2 ** (failures - 1))


def _go_on(opener: urllib.request.OpenerDirector, url: str, part: Path, timeout: float) -> None:
    """One connection: ask for what `part` lacks, and append it."""
    have = _size(part)
    headers = {"Accept-Encoding": "identity", "User-Agent": "ssenet"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=timeout) as answer:
            start, size = _extent(answer, have)
            _require_space(part, size, start)
            with part.open("r+b" if start else "wb") as file:
                file.seek(start)
                _append(answer, file, start=start, size=size, name=part.stem)
    except urllib.error.HTTPError as error:
        _judge(error, url, part, have)
    except urllib.error.URLError as error:
        if isinstance(error.reason, socket.gaierror | ssl.SSLCertVerificationError):
            raise SSENetError(
                f"{url}: cannot reach it ({error.reason}); is the address right, and is there a "
                "connection, or https_proxy for one?"
            ) from error
        raise _Dropped(f"cannot reach it ({error.reason})") from error
    except (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
        raise _Dropped(f"the connection broke off ({error!r})") from error


def _judge(error: urllib.error.HTTPError, url: str, part: Path, have: int) -> None:
    """What an answer that is an error means; returns where `part` is whole."""
    if error.code == RANGE_NOT_SATISFIABLE and have:
        if error.headers.get("Content-Range", "").rpartition("/")[2] == str(have):
            return
        part.unlink()
        raise _Dropped(f"{part} was no beginning of the file there, and was removed") from error
    if error.code in BUSY:
        raise _Dropped(f"the server answered {error.code} {error.reason}") from error
    raise SSENetError(
        f"{url}: the server answered {error.code} {error.reason}; name another address in the "
        "section download of the configuration"
    ) from error


def _extent(answer: Any, have: int) -> tuple[int, int | None]:
    """Where in the file the answer's bytes begin, and the file's size if the server says it."""
    if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
        size = answer.headers.get("Content-Length", "")
        return 0, int(size) if size.isdecimal() else None
    extent, _, size = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    if extent.partition("-")[0] != str(have):
        raise _Dropped(f"asked for the bytes from {have}, the server sent {extent or 'others'}")
    return have, int(size) if size.isdecimal() else None


def _require_space(part: Path, size: int | None, start: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if size is not None and size - start > free:
        raise SSENetError(
            f"{part}: {size - start} bytes are to come and the disk has {free} free; make room"
        )


def _append(answer: BinaryIO, file: BinaryIO, *, start: int, size: int | None, name: str) -> None:
    """Copy an answer's bytes to the file's end; `_Dropped` when fewer came than announced."""
    blocks: Iterable[bytes] = _blocks(answer)
    if size is not None:
        done = start // BLOCK
        total = done + -(-(size - start) // BLOCK)
        blocks = progress(blocks, total=total, description=f"{name}, MiB", done=done)
    for block in blocks:
        file.write(block)
    if size is not None and file.tell() != size:
        raise _Dropped(f"the connection broke off at byte {file.tell()} of {size}")


def _blocks(answer: BinaryIO) -> Iterator[bytes]:
    while True:
        try:
            block = answer.read(BLOCK)
        except (http.client.HTTPException, OSError) as error:
            raise _Dropped(f"the connection broke off ({error!r})") from error
        if not block:
            return
        yield block


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _refuse_other_file(path: Path, checksums: Mapping[str, str], wanted: str) -> None:
    wrong = _differences(path, checksums)
    if wrong:
        raise SSENetError(
            f"{path}: it is there, and is not the file of {wanted}: {'; '.join(wrong)}; "
            "remove it to have it fetched"
        )


def _differences(path: Path, checksums: Mapping[str, str]) -> list[str]:
    """How a file's checksums differ from the expected ones."""
    wrong = []
    for name, expected in checksums.items():
        algorithm = name.removesuffix("_prefix")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, algorithm).hexdigest()
        if not found.startswith(expected.lower()):
            what = f"{algorithm} {expected}{'...' if name != algorithm else ''}"
            wrong.append(f"expected {what}, found {found}")
    return wrong
