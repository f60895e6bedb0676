"""How a job runs: its log, threads and errors, its progress, and the work beside its own thread."""

import io
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from worker_tasks import (
    call_for_ever,
    end_this_process,
    go_on_after_interrupt,
    is_running,
    note,
    refuse,
    wait_for,
)

from ssenet_core import jobs
from ssenet_core.errors import SSENetError
from ssenet_core.jobs import (
    AHEAD,
    THREAD_VARIABLES,
    gpu_memory,
    job,
    progress,
    read_ahead,
    rough_duration,
    write_pool,
)

LOG = logging.getLogger("ssenet")


@pytest.fixture(autouse=True)
def _restored(monkeypatch) -> Iterator[None]:
    """Put back what a job sets for its whole process."""
    for variable in THREAD_VARIABLES:
        monkeypatch.setenv(variable, "1")
    handlers, level, threads = LOG.handlers[:], LOG.level, torch.get_num_threads()
    yield
    for handler in LOG.handlers:
        if handler not in handlers:
            handler.close()
    LOG.handlers[:] = handlers
    LOG.setLevel(level)
    torch.set_num_threads(threads)


def test_a_users_error_ends_with_status_1_and_its_message(tmp_path, capsys):
    log = tmp_path / "logs" / "a.log"
    with pytest.raises(SystemExit) as caught, job(str(log)):
        raise SSENetError("tags.csv: expected 2 columns, found 3")
    assert caught.value.code == 1
    text = log.read_text()
    assert "tags.csv: expected 2 columns, found 3" in text
    assert "Traceback" not in text
    assert "error: tags.csv: expected 2 columns, found 3" in capsys.readouterr().err


def test_an_interrupt_ends_in_one_line(tmp_path, capsys):
    log = tmp_path / "a.log"
    with pytest.raises(SystemExit) as caught, job(str(log)):
        raise KeyboardInterrupt
    assert caught.value.code == 130
    assert log.read_text().endswith("ERROR interrupted\n")
    assert capsys.readouterr().err == "interrupted; the same command goes on from what is done\n"


def test_any_other_error_goes_on_and_its_traceback_is_logged(tmp_path):
    log = tmp_path / "a.log"
    with pytest.raises(ZeroDivisionError), job(str(log)):
        raise ZeroDivisionError("by nothing")
    assert "Traceback" in log.read_text()
    assert "by nothing" in log.read_text()


def test_messages_of_one_job_do_not_reach_the_log_of_another(tmp_path):
    for name in ("first", "second"):
        with job(str(tmp_path / f"{name}.log")):
            LOG.info("message of the %s", name)
    assert "message of the first" in (tmp_path / "first.log").read_text()
    second = (tmp_path / "second.log").read_text()
    assert "message of the second" in second
    assert "first" not in second


def test_without_a_log_messages_go_to_standard_error(capsys):
    with job(None):
        LOG.info("here")
    assert "here" in capsys.readouterr().err


def test_threads_are_limited(tmp_path):
    with job(str(tmp_path / "a.log"), threads=2):
        assert torch.get_num_threads() == 2
        assert {os.environ[variable] for variable in THREAD_VARIABLES} == {"2"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that stands still between the items."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(jobs, "time", found)
    return found


def work(clock, seconds, **settings):
    """Spend so many seconds on each of ten items, of which `done` were done earlier."""
    for _ in progress(range(10 - settings.get("done", 0)), total=10, **settings):
        clock.now += seconds


def lines(caplog):
    return [record.getMessage() for record in caplog.records]


def test_a_log_has_few_lines_with_rate_and_rest(clock, caplog):
    caplog.set_level(logging.INFO, "ssenet")
    work(clock, 4.0, description="training cam", unit="images", size=8)
    assert lines(caplog) == [
        "training cam: 4 of 10, 2.0 images a second, 24 s to go",
        "training cam: 8 of 10, 2.0 images a second, 8 s to go",
        "training cam: 10 of 10, 2.0 images a second, took 40 s",
    ]


def test_what_was_done_earlier_does_not_count_as_fast(clock, caplog):
    caplog.set_level(logging.INFO, "ssenet")
    work(clock, 20.0, description="masks", done=8)
    assert lines(caplog) == [
        "masks: 9 of 10, 0.1 a second, 20 s to go",
        "masks: 10 of 10, 0.1 a second, took 40 s",
    ]


def test_a_file_gets_no_bar_and_a_terminal_does(clock, monkeypatch):
    file, terminal = io.StringIO(), Terminal()
    monkeypatch.setattr(sys, "stderr", file)
    work(clock, 1.0, description="masks")
    assert file.getvalue() == ""
    monkeypatch.setattr(sys, "stderr", terminal)
    work(clock, 1.0, description="masks", unit="images", size=3)
    assert "masks: 100%" in terminal.getvalue()
    assert "10/10" in terminal.getvalue()
    assert "3.0 images/s" in terminal.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7790, "2 h 09 min")],
)
def test_durations_are_short(seconds, text):
    assert rough_duration(seconds) == text


def test_gpu_memory_that_runs_out_says_what_was_done_and_what_to_lower() -> None:
    full = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.\nmore")
    message = r"^maps of a: .*lower the scales \(CUDA.*9 GiB\.\)$"
    with pytest.raises(SSENetError, match=message), gpu_memory("maps of a", "lower the scales"):
        raise full


def test_other_errors_than_gpu_memory_pass() -> None:
    with pytest.raises(RuntimeError, match="shapes differ"), gpu_memory("maps", "lower"):
        raise RuntimeError("shapes differ")


def test_without_workers_calls_are_made_at_once(tmp_path: Path) -> None:
    with write_pool(0) as call:
        call(note, tmp_path / "a", "x")
        assert (tmp_path / "a").read_text() == f"x {os.getpid()}"


def test_workers_are_done_when_the_block_ends(tmp_path: Path) -> None:
    with write_pool(2) as call:
        for name in "abcdefgh":
            call(note, tmp_path / name, name)
    texts = [(tmp_path / name).read_text().split() for name in "abcdefgh"]
    assert [text for text, _ in texts] == list("abcdefgh")
    assert str(os.getpid()) not in {process for _, process in texts}


def test_a_call_returns_before_it_is_done_unless_enough_wait(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with write_pool(1) as call:
        call(wait_for, gate)  # begun
        call(wait_for, gate)  # waits
        opener = threading.Timer(0.2, gate.touch)
        opener.start()
        call(wait_for, gate)
        assert gate.exists()


def test_a_workers_error_is_raised(tmp_path: Path) -> None:
    with pytest.raises(SSENetError, match="a: refused"), write_pool(1) as call:
        call(refuse, tmp_path / "a")


def test_a_killed_worker_is_told() -> None:
    with (
        pytest.raises(
            SSENetError, match=r"was killed.* more memory \(compute.shard_mem_mb\) or fewer"
        ),
        write_pool(1) as call,
    ):
        call(end_this_process)


def test_a_worker_leaves_an_interrupt_to_its_process(tmp_path: Path) -> None:
    with write_pool(1) as call:
        call(go_on_after_interrupt, tmp_path / "done")
    assert (tmp_path / "done").exists()


def test_a_worker_ends_with_the_process_that_it_works_for(tmp_path: Path) -> None:
    caller = multiprocessing.get_context("spawn").Process(
        target=call_for_ever, args=(tmp_path / "worker",)
    )
    caller.start()
    wait_for(tmp_path / "worker")
    worker = int((tmp_path / "worker").read_text())
    os.kill(caller.pid or 0, signal.SIGKILL)
    caller.join()
    deadline = time.monotonic() + 30
    while is_running(worker):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_items_come_in_order_and_are_read_ahead() -> None:
    read: list[int] = []
    caught_up = threading.Event()

    def slow(item: int) -> int:
        read.append(item)
        if len(read) == 1 + AHEAD:
            caught_up.set()
        return item * 10

    found = read_ahead(slow, range(6))
    assert next(found) == 0
    assert caught_up.wait(60)  # while nothing more is asked for
    assert read == list(range(1 + AHEAD))
    assert [*found] == [10, 20, 30, 40, 50]
    assert read == list(range(6))


def test_an_error_comes_at_its_items_place() -> None:
    def read(item: int) -> int:
        if item == 2:
            raise SSENetError("image 2 is damaged")
        return item

    found = read_ahead(read, range(5))
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(SSENetError, match="image 2"):
        next(found)
