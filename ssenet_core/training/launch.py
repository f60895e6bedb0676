"""Start the processes of a training, and end all of them when one fails.

A training on one device runs in this process. On several, this process starts one a device, waits,
and handles what the first one logs. Fails with the `SSENetError` that one of them failed with.
"""

import logging
import logging.handlers
import multiprocessing
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any

import torch
from lightning_fabric import Fabric
from torch.multiprocessing import ProcessExitedException

from ssenet_core.errors import SSENetError
from ssenet_core.jobs import end_with_parent
from ssenet_core.training.devices import Devices
from ssenet_core.training.nodes import on_all_nodes

LOG = logging.getLogger("ssenet")
# One process imports the libraries; those that train are forked from it.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["ssenet_core.training.run"])
SECONDS_FOR_LAST_LINES = 10.0

Job = Callable[[Fabric], None]


def launch(job: Job, devices: Devices, precision: str) -> None:
    """Call `job(fabric)` in every process of a training, and wait for all of them.

    Args:
        job: something that pickles; each process builds its own network and data in it.
        precision: Fabric's name of it.

    Raises:
        SSENetError: `job` raised it, a process was killed, or the devices are not there.
    """
    if devices.nodes > 1:
        on_all_nodes(partial(launch_here, job, devices, precision), devices.nodes)
    else:
        launch_here(job, devices, precision)


def launch_here(job: Job, devices: Devices, precision: str) -> None:
    """What `launch` does on one node."""
    fabric = devices.fabric(precision)
    if devices.processes == 1:
        job(fabric)
        return
    errors = CONTEXT.SimpleQueue()
    threads = max(1, torch.get_num_threads() // devices.processes_a_node)
    try:
        with _first_process_lines() as lines, _no_child_left():
            fabric.launch(partial(_process, job, threads, errors, lines))
    except Exception as error:
        if not errors.empty():
            raise SSENetError(errors.get()) from None
        if isinstance(error, ProcessExitedException):
            raise SSENetError(_killed(error, devices)) from error
        raise
    finally:
        if devices.nodes == 1:
            os.environ.pop("MASTER_PORT", None)  # Fabric's launcher leaves it; it was for this run


def _process(job: Job, threads: int, errors: Any, lines: Connection, fabric: Fabric) -> None:
    """What one process does, from its start to its end."""
    Thread(target=end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    LOG.propagate = False
    LOG.handlers[:] = [_Sender(lines) if fabric.is_global_zero else logging.NullHandler()]
    LOG.setLevel(logging.INFO)
    try:
        job(fabric)
    except SSENetError as error:
        errors.put(str(error))
        # An orderly exit waits for GPUs that wait for the other processes. They are ended next.
        os._exit(1)
    torch.distributed.destroy_process_group()


@contextmanager
def _no_child_left() -> Iterator[None]:
    """End the processes that were started inside, if this one was interrupted."""
    before = set(multiprocessing.active_children())
    try:
        yield
    finally:
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()


class _Sender(logging.handlers.QueueHandler):
    """Sends log records through a pipe."""

    def __init__(self, pipe: Connection) -> None:
        super().__init__(pipe)  # type: ignore[arg-type]
        self.pipe = pipe

    def enqueue(self, record: logging.LogRecord) -> None:
        self.pipe.send(record)


@contextmanager
def _first_process_lines() -> Iterator[Connection]:
    """Yield the end of a pipe; log records that are sent there are handled in this process."""
    reader, writer = CONTEXT.Pipe(duplex=False)
    thread = Thread(target=_handle_all, args=(reader,), daemon=True)
    thread.start()
    try:
        yield writer
    finally:
        writer.close()
        thread.join(SECONDS_FOR_LAST_LINES)


def _handle_all(reader: Connection) -> None:
    try:
        while True:
            LOG.handle(reader.recv())
    except (EOFError, OSError, pickle.UnpicklingError):  # all writers are gone, one in mid-record
        reader.close()


def _killed(error: ProcessExitedException, devices: Devices) -> str:
    how = getattr(error, "signal_name", None) or f"exit code {getattr(error, 'exit_code', '?')}"
    return (
        f"process {error.error_index} of the {devices.processes} that train ended with {how}; "
        "if it was killed for want of memory, raise compute.train_mem_mb or lower compute.workers"
    )
