"""Start the processes of a training: torchrun's agent on each node, one process per GPU.

A training on one device runs in the calling process. Raises the `SSENetError` of the process that
failed first, or one that says that a process was killed or that the devices are not there.
"""

import json
import logging
import multiprocessing
import os
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import torch
from torch import distributed
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, get_error_handler
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from ssenet_core.errors import SSENetError
from ssenet_core.jobs import end_with_parent, log_to
from ssenet_core.training.run import TrainingRun

LOG = logging.getLogger("ssenet")
FAULT = "ssenet training failed: "  # in front of a node's error, as JSON, on its standard output
SECONDS_FOR_THE_CAUSE = 5.0


def launch(train: Callable[..., None], run: TrainingRun, *arguments: Any, **options: Any) -> None:
    """Call `train(run, *arguments, **options)` in every process of a training; wait for all.

    Args:
        train: a module's function, as processes are told its name.
        run: says how many processes there are; a single one is this one.

    Raises:
        SSENetError: `train` raised it, a process was killed, or the devices are not there.
        KeyboardInterrupt: this process was told to end; all others have ended.
    """
    call = partial(train, run, *arguments, **options)
    if run.devices.processes == 1:
        call()
    elif run.devices.nodes == 1:
        _run_node(call, run, "localhost:0", local_address="localhost")
    else:
        _run_all_nodes(call, run)


def _run_node(
    call: Callable[[], None], run: TrainingRun, endpoint: str, local_address: str | None = None
) -> None:
    """Run the processes of one node by torchrun's agent.

    Args:
        endpoint: host and port where the nodes' agents meet.
        local_address: of this node for the others; None: the name that it has in its network.
    """
    devices = run.devices
    devices.check()
    gpus = [] if devices.on_cpu else devices.claim()
    threads = max(1, torch.get_num_threads() // devices.processes_per_node)
    # One process imports the libraries; those that train are forked from it.
    multiprocessing.set_forkserver_preload(["ssenet_core.training.engine"])
    for name in ("torch.distributed.elastic", "torch.multiprocessing.spawn"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # their tables, beside our one message
    with TemporaryDirectory() as folder:
        config = LaunchConfig(
            min_nodes=devices.nodes,
            max_nodes=devices.nodes,
            nproc_per_node=devices.processes_per_node,
            run_id="ssenet",
            rdzv_backend="c10d",
            rdzv_endpoint=endpoint,
            local_addr=local_address,
            max_restarts=0,
            start_method="forkserver",
            logs_specs=DefaultLogsSpecs(folder),
        )
        try:
            elastic_launch(config, _process)(call, run.log, gpus, threads)
        except ChildFailedError as error:
            raise _cause(error, devices.processes) from None
        except SignalException as signal:
            raise KeyboardInterrupt from signal


def _process(call: Callable[[], None], log: str | None, gpus: list[int], threads: int) -> None:
    """What each process does; torchrun's environment variables say which one it is."""
    Thread(target=end_with_parent, daemon=True).start()
    if gpus:
        _show_only(gpus)
    torch.set_num_threads(threads)
    if os.environ["RANK"] == "0":
        log_to(log, append=True)
    else:
        LOG.handlers[:] = [logging.NullHandler()]
    try:
        call()
    except Exception as error:
        get_error_handler().record_exception(error)
        if not isinstance(error, SSENetError):
            # Perhaps it is but the broken connection to a process that failed or was killed.
            time.sleep(SECONDS_FOR_THE_CAUSE)
        # An orderly exit waits for GPUs that wait for the other processes. They are ended next.
        os._exit(1)
    distributed.destroy_process_group()


def _show_only(gpus: list[int]) -> None:
    """Hide all GPUs from this process but some of those that it may see."""
    names = list(filter(None, os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")))
    shown = [names[index] for index in gpus] if names else gpus
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, shown))


def _cause(error: ChildFailedError, processes: int) -> Exception:
    """The `SSENetError` that one process raised, or that tells of its kill; else torch's error."""
    rank, failure = error.get_first_failure()
    if failure.exitcode < 0:
        return SSENetError(
            f"process {rank} of the {processes} that train ended with {failure.signal_name()}; "
            "if it was killed for want of memory, raise compute.train_mem_mb or lower "
            "compute.workers"
        )
    recorded: Any = failure.message
    text = recorded["message"] if isinstance(recorded, dict) else recorded
    ours = f"{SSENetError.__name__}: "
    return SSENetError(text.removeprefix(ours)) if text.startswith(ours) else error


def _run_all_nodes(call: Callable[[], None], run: TrainingRun) -> None:
    """Run `_run_node` on every node of the SLURM allocation that this process is in, by srun."""
    nodes = run.devices.nodes
    if "SLURM_JOB_ID" not in os.environ:
        raise SSENetError(
            f"training asks for {nodes} nodes, and this job is in no SLURM allocation; "
            "set compute.train_nodes to 1, or run with the profile for SLURM"
        )
    command = [
        "srun",
        f"--nodes={nodes}",
        f"--ntasks={nodes}",
        "--ntasks-per-node=1",
        "--cpu-bind=none",
        "--overlap",  # the step that this process is in may hold the first node's cores
        "--kill-on-bad-exit=1",
        sys.executable,
        "-m",
        "ssenet_core.training.launch",
    ]
    endpoint = f"{socket.gethostname()}:{_free_port()}"
    try:
        done = subprocess.run(
            command,
            input=pickle.dumps((call, run, endpoint)),
            stdout=subprocess.PIPE,
            check=False,
        )
    except FileNotFoundError:
        raise SSENetError(
            "training on several nodes needs SLURM's srun, which is not here"
        ) from None
    if done.returncode:
        lines = done.stdout.decode(errors="replace").splitlines()
        faults = [json.loads(line.removeprefix(FAULT)) for line in lines if line.startswith(FAULT)]
        unsaid = f"srun ended with status {done.returncode}; SLURM's log of the job says why"
        raise SSENetError(faults[0] if faults else unsaid)


def _free_port() -> int:
    with socket.create_server(("", 0)) as server:
        return int(server.getsockname()[1])


def main() -> None:
    """Run one node's processes; srun gives the call on standard input."""
    call, run, endpoint = pickle.load(sys.stdin.buffer)
    log_to(run.log, append=True)
    try:
        _run_node(call, run, endpoint)
    except SSENetError as error:
        print(FAULT + json.dumps(str(error)), flush=True)
        raise SystemExit(1) from None
    except KeyboardInterrupt:  # srun ends all nodes when one fails
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
