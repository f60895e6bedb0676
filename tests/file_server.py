"""A file server on loopback that breaks off, refuses and redirects as a test tells it to."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """What it serves and how.

    Attributes:
        files: content by path ("/a.bin").
        ranges: whether it answers requests for a part with that part.
        sizes: whether it says how much is to come.
        cuts: for the next requests, after how many bytes it hangs up; None: not at all.
        codes: for the next requests, the status that it answers with instead.
        redirects: new address by path.
        asked: (path, Range header) of every request so far.
    """

    files: dict[str, bytes]
    ranges: bool = True
    sizes: bool = True
    cuts: list[int | None] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[FileServer]:
    """Serve files from a thread while the block runs."""
    state = FileServer(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, state)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


def answer(request: BaseHTTPRequestHandler, state: FileServer) -> None:
    """Answer one request as the state says."""
    wanted = request.headers.get("Range")
    state.asked.append((request.path, wanted))
    if state.codes:
        request.send_error(state.codes.pop(0))
    elif request.path in state.redirects:
        request.send_response(302)
        request.send_header("Location", state.redirects[request.path])
        request.end_headers()
    elif request.path not in state.files:
        request.send_error(404)
    else:
        send(request, state, state.files[request.path], wanted if state.ranges else None)


def send(
    request: BaseHTTPRequestHandler, state: FileServer, content: bytes, wanted: str | None
) -> None:
    """Send a file, or the part of it that is wanted, up to where the state cuts it off."""
    size, start = len(content), 0
    if wanted:
        match = re.fullmatch(r"bytes=(\d+)-", wanted)
        assert match, wanted
        start = int(match[1])
        if start >= size:
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{size}")
            request.end_headers()
            return
        request.send_response(206)
        request.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
    else:
        request.send_response(200)
    if state.sizes:
        request.send_header("Content-Length", str(size - start))
    request.end_headers()
    cut = state.cuts.pop(0) if state.cuts else None
    with suppress(ConnectionError):  # the client may have had enough
        request.wfile.write(content[start:] if cut is None else content[start : start + cut])
