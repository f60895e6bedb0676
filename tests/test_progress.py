"""Progress: lines in a log file, a bar on a terminal, and never both in a file."""

import io
import logging
import sys

import pytest

from ssenet_core import progress as module
from ssenet_core.progress import progress, rough_duration


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
    monkeypatch.setattr(module, "time", found)
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
