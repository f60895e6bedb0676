"""The frame around a script: where messages go, how many threads run, and how errors end."""

import logging
import os
from collections.abc import Iterator

import pytest
import torch

from ssenet_core.errors import SSENetError
from ssenet_core.job import job

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
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
