"""Work beside the thread that computes: files read ahead, and processes for what comes after.

Without workers everything runs in turn, where and when it is asked for. In: functions and what they
are called with. Fails with `SSENetError` when a worker is killed; an error of the work is raised
where its outcome is asked for.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from ssenet_core.errors import SSENetError

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
AHEAD = 2  # items read ahead: more would only take memory

Item = TypeVar("Item")
Found = TypeVar("Found")


@contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes of one thread each; what is not begun when the block fails is not done.

    Raises:
        SSENetError: one of them was killed.
    """
    # Fresh processes: forked ones may inherit locks of the threads of libraries such as torch.
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin
    )
    try:
        yield pool
    except BrokenProcessPool as error:
        raise SSENetError(
            f"one of {workers} worker processes was killed, most likely for lack of memory; give "
            "the job more memory (compute.shard_mem_mb) or fewer (compute.inference_threads)"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def later(workers: int) -> Iterator[Callable[..., None]]:
    """Yield what calls a function, given in front of its arguments, in one of some processes.

    All calls are done when the block ends well; the first that failed ends it with its error. A
    call waits while all workers have enough to do. With no workers it is an ordinary call.
    """
    if not workers:
        yield _call
        return
    with worker_pool(workers) as pool:
        pending: deque[Future[None]] = deque()

        def call(function: Callable[..., None], *arguments: Any) -> None:
            if len(pending) > workers:  # one waits, so that none has to
                pending.popleft().result()
            pending.append(pool.submit(function, *arguments))

        yield call
        for outcome in pending:
            outcome.result()


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


def _call(function: Callable[..., None], *arguments: Any) -> None:
    function(*arguments)


def _begin() -> None:
    """Set a new worker up: one thread, and an end when the process that it works for ends.

    Ctrl-C reaches all processes; it is for that one to say what becomes of the work.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for variable in THREAD_VARIABLES:
        os.environ[variable] = "1"
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """End this process, whatever it waits for, when the one that started it has ended."""
    # A worker waits for calls in a pipe whose other end it has itself, so it would wait for ever.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
