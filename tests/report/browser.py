"""A headless Chromium for tests, driven over ChromeDriver's HTTP protocol (W3C WebDriver)."""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
CHROMEDRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
SECONDS_TO_WAIT = 30
# No proxy: the driver listens on this machine.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Browser:
    """One window of a browser."""

    def __init__(self, session: str) -> None:
        self._session = session

    def command(self, path: str, **values: Any) -> Any:
        """Send a command of the protocol; give its value back."""
        return _call(f"{self._session}/{path}", values)

    def devtools(self, name: str, **values: Any) -> Any:
        """Send a command of Chromium's own protocol."""
        return self.command("goog/cdp/execute", cmd=name, params=values)

    def open(self, page: Path) -> None:
        """Load a file, and wait until all of it is there."""
        self.command("url", url=page.resolve().as_uri())
        # On a busy machine the driver comes back while a large page is still being read.
        self.wait_for("document.readyState === 'complete'")

    def wait_for(self, condition: str) -> None:
        """Wait until a condition of the page holds; `AssertionError` if it never does."""
        deadline = time.monotonic() + SECONDS_TO_WAIT
        while not self.run(f"return {condition}"):
            assert time.monotonic() < deadline, condition
            time.sleep(0.05)

    def run(self, script: str, *arguments: Any) -> Any:
        """The value that a script in the page returns."""
        return self.command("execute/sync", script=script, args=list(arguments))

    def press(self, *keys: str) -> None:
        """Press and let go of keys, one after the other, where the focus is."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.command("actions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])

    def look(self, width: int, height: int, theme: str = "light") -> None:
        """Set the size of the window in CSS pixels, and the theme that the reader prefers."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self.devtools("Emulation.setEmulatedMedia", features=features)

    def log(self, kind: str) -> list[dict[str, Any]]:
        """Entries of the "browser" log (console, errors) or the "performance" log (requests)."""
        return list(self.command("se/log", type=kind))

    def screenshot(self, path: Path, whole: bool = False) -> None:
        """Write what is seen, or the whole page, as PNG."""
        found = self.devtools("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with a profile of its own in `folder`; closed with its driver at the end."""
    assert CHROMIUM
    assert CHROMEDRIVER
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = f"http://127.0.0.1:{port}"
    driver = subprocess.Popen([CHROMEDRIVER, f"--port={port}", "--silent"])
    try:
        _wait(f"{server}/status")
        options = {
            "binary": CHROMIUM,
            "args": [*FLAGS, f"--user-data-dir={folder / 'profile'}"],
        }
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        found = _call(f"{server}/session", {"capabilities": {"alwaysMatch": wanted}})
        session = f"{server}/session/{found['sessionId']}"
        try:
            yield Browser(session)
        finally:
            _call(session, method="DELETE")
    finally:
        driver.terminate()
        driver.wait()


def _call(address: str, values: Any = None, method: str = "POST") -> Any:
    body = None if method != "POST" else json.dumps(values or {}).encode()
    request = urllib.request.Request(address, data=body, method=method)
    request.add_header("Content-Type", "application/json")
    try:
        with OPENER.open(request, timeout=120) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{address}: {json.load(error)['value']['message']}") from None


def _wait(address: str) -> None:
    """Wait until the driver answers."""
    deadline = time.monotonic() + SECONDS_TO_WAIT
    while True:
        try:
            return _call(address, method="GET")
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
