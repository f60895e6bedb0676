"""How a job runs: its log and threads, its progress, processes beside it, a GPU's memory.

What a user can mend is an `SSENetError`; no number that a job writes depends on this module.
"""

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from ssenet_core.errors import SSENetError

LOG = logging.getLogger("ssenet")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
SECONDS_BETWEEN_LINES = 15.0
AHEAD = 2  # items read ahead: more would only take memory

Item = TypeVar("Item")
Found = TypeVar("Found")


@contextmanager
def job(log: str | None, threads: int = 1) -> Iterator[None]:
    """Send messages to `log`, keep to `threads` threads, and end a user's error in one message.

    Args:
        log: the log file; None logs to standard error alone.
        threads: CPU threads that numerical libraries may use in this process.

    Raises:
        SystemExit: status 1 after an `SSENetError`, whose text went to the log and standard error;
            130 after Ctrl-C.
    """
    log_to(log)
    _limit_threads(threads)
    try:
        yield
    except SSENetError as error:
        LOG.error("%s", error)
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        LOG.error("interrupted")
        print("interrupted; the same command goes on from what is done", file=sys.stderr)
        raise SystemExit(130) from None
    except Exception:
        LOG.exception("failed")
        raise


def log_to(log: str | None, append: bool = False) -> None:
    """Send messages to a file, or to standard error where it is None.

    Args:
        append: keep what the file has; all processes that write to it append.
    """
    handler: logging.Handler
    if log is None:
        handler = logging.StreamHandler()
    else:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        if not append:
            Path(log).write_bytes(b"")
        handler = logging.FileHandler(log)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    LOG.handlers[:] = [handler]
    LOG.setLevel(logging.INFO)


def _limit_threads(threads: int) -> None:
    # Libraries that are not loaded yet read the variables; torch, if it is loaded, needs telling.
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def progress(
    items: Iterable[Item],
    *,
    total: int,
    description: str,
    done: int = 0,
    unit: str = "",
    size: int = 1,
) -> Iterator[Item]:
    """Yield `items` with a bar on a terminal, and a line in the log now and then.

    Both say how fast it goes and how long it will take.

    Args:
        items: what is worked on.
        total: number of items in all, those done earlier included.
        description: a few words in front of the figures.
        done: items that an earlier, interrupted run has finished.
        unit: what is counted in the rate, "images".
        size: how many of them an item is: the images of a step of training.
    """
    start = last = time.monotonic()
    # None: no bar where there is no terminal.
    with tqdm(total=total, initial=done, desc=description, disable=None) as bar:
        for count, item in enumerate(items, start=1):
            yield item
            now = time.monotonic()
            rate = count / max(now - start, 1e-9)
            speed = f"{rate * size:.1f} {unit}".rstrip()
            if unit:
                bar.set_postfix_str(f"{speed}/s", refresh=False)
            bar.update()
            finished = done + count
            if now - last > SECONDS_BETWEEN_LINES or finished == total:
                last = now
                if finished == total:
                    rest = f"took {rough_duration(now - start)}"
                else:
                    rest = f"{rough_duration((total - finished) / rate)} to go"
                LOG.info("%s: %d of %d, %s a second, %s", description, finished, total, speed, rest)


def rough_duration(seconds: float) -> str:
    """Seconds as "42 s", "3 min 05 s" or "2 h 10 min"."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


@contextmanager
def gpu_memory(work: str, remedy: str) -> Iterator[None]:
    """Turn torch's out-of-memory error into one that says what to change.

    Args:
        work: what is done inside: "step 3 of cam training with 8 images".
        remedy: what needs less memory.

    Raises:
        SSENetError: GPU memory ran out inside.
    """
    try:
        yield
    except RuntimeError as error:
        # Known by its name, so that stages without a network need not import torch.
        if type(error).__name__ != "OutOfMemoryError":
            raise
        said = (str(error).splitlines() or ["no more is known"])[0]
        raise SSENetError(f"{work}: out of GPU memory; {remedy} ({said})") from error


@contextmanager
def write_pool(workers: int) -> Iterator[Callable[..., None]]:
    """Yield what calls a function, given in front of its arguments, in one of some processes.

    The processes have one thread each. All calls are done when the block ends well; the first that
    failed ends it with its error, and what is not begun is not done. A call waits while all workers
    have enough to do. With no workers it is an ordinary call.

    Raises:
        SSENetError: a process was killed.
    """
    if not workers:
        yield lambda function, *arguments: function(*arguments)
        return
    pending: deque[Future[None]] = deque()

    def call(function: Callable[..., None], *arguments: Any) -> None:
        if len(pending) > workers:  # one waits, so that none has to
            pending.popleft().result()
        pending.append(pool.submit(function, *arguments))

    # Fresh processes: forked ones may inherit locks of the threads of libraries such as torch.
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin
    )
    try:
        yield call
        for outcome in pending:
            outcome.result()
    except BrokenProcessPool as error:
        raise SSENetError(
            f"one of {workers} worker processes was killed, most likely for lack of memory; give "
            "the job more memory (compute.shard_mem_mb) or fewer (compute.inference_threads)"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def read_ahead(read: Callable[[Item], Found], items: Iterable[Item]) -> Iterator[Found]:
    """`map(read, items)`, with the next few read by a thread while one is worked on."""
    with ThreadPoolExecutor(1) as thread:
        try:
            reading: deque[Future[Found]] = deque()
            for item in items:
                reading.append(thread.submit(read, item))
                if len(reading) > AHEAD:
                    yield reading.popleft().result()
            while reading:
                yield reading.popleft().result()
        finally:
            thread.shutdown(cancel_futures=True)


def _begin() -> None:
    """Set a new worker up: one thread, and an end when the process that it works for ends.

    Ctrl-C reaches all processes; it is for that one to say what becomes of the work.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit_threads(1)
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """End this process, whatever it waits for, when the one that started it has ended."""
    # A worker waits for calls in a pipe whose other end it has itself, so it would wait for ever.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
