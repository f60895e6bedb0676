"""What the tests of workers have them do, in a module that loads at once."""

import os
import signal
import time
from pathlib import Path

from ssenet_core.errors import SSENetError
from ssenet_core.jobs import write_pool


def note(path: Path, text: str) -> None:
    path.write_text(f"{text} {os.getpid()}")


def refuse(path: Path) -> None:
    raise SSENetError(f"{path}: refused")


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def go_on_after_interrupt(path: Path) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    path.touch()


def say_who_waits(path: Path) -> None:
    path.with_suffix(".part").write_text(str(os.getpid()))
    path.with_suffix(".part").rename(path)
    time.sleep(120)


def call_for_ever(path: Path) -> None:
    with write_pool(1) as call:
        call(say_who_waits, path)


def end_this_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def is_running(process: int) -> bool:
    """Whether a process is there, and more than an entry that nobody has asked for."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
