"""A training on several machines: the nodes of a SLURM allocation.

Snakemake starts a job once, on the first node. From there `srun` starts this module on every node,
which reads a pickled call from its standard input and makes it. What the nodes log comes back as
lines of JSON. Fails with the `SSENetError` that a node failed with.
"""

import json
import logging
import os
import pickle
import re
import socket
import subprocess
import sys
from collections.abc import Callable

from ssenet_core.errors import SSENetError

LOG = logging.getLogger("ssenet")


def on_all_nodes(call: Callable[[], None], nodes: int) -> None:
    """Make a call on every node of the SLURM allocation that this process is in.

    Args:
        call: something that pickles. Its processes find each other by `MASTER_ADDR` and
            `MASTER_PORT`, and their node's number in `NODE_RANK`.

    Raises:
        SSENetError: this is no SLURM job, it has too few nodes, or the call failed.
    """
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
        "ssenet_core.training.nodes",
    ]
    environment = os.environ | {"MASTER_PORT": str(_free_port())}
    try:
        running = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
    except FileNotFoundError:
        raise SSENetError(
            "training on several nodes needs SLURM's srun, which is not here"
        ) from None
    with running:
        assert running.stdin
        assert running.stdout
        running.stdin.write(pickle.dumps(call))
        running.stdin.close()
        faults = [fault for line in running.stdout if (fault := _relayed(line)) is not None]
    if running.returncode:
        unsaid = f"srun ended with status {running.returncode}; SLURM's log of the job says why"
        raise SSENetError(faults[0] if faults else unsaid)


def _free_port() -> int:
    with socket.create_server(("", 0)) as server:
        return int(server.getsockname()[1])


def _relayed(line: bytes) -> str | None:
    """Log what a node says; the text of its `SSENetError` if it is one."""
    try:
        level, text = json.loads(line)
    except ValueError:
        LOG.info("%s", line.decode(errors="replace").rstrip())
        return None
    if level == "fault":
        return str(text)
    LOG.log(level, "%s", text)
    return None


class _Lines(logging.Handler):
    """Writes log records as lines of JSON."""

    def emit(self, record: logging.LogRecord) -> None:
        _say(record.levelno, record.getMessage())


def _say(level: int | str, text: str) -> None:
    # In one call, or lines of nodes that share a pipe could run into each other.
    os.write(sys.stdout.fileno(), f"{json.dumps([level, text])}\n".encode())


def main() -> None:
    """Make the call that comes in, as one node of several."""
    LOG.handlers[:] = [_Lines()]
    LOG.setLevel(logging.INFO)
    call = pickle.loads(sys.stdin.buffer.read())
    try:
        os.environ["NODE_RANK"] = os.environ["SLURM_NODEID"]
        os.environ["MASTER_ADDR"] = first_node(os.environ["SLURM_STEP_NODELIST"])
        call()
    except SSENetError as error:
        _say("fault", str(error))
        raise SystemExit(1) from None


def first_node(nodes: str) -> str:
    """The first name of SLURM's list of nodes: gpu03 of "gpu[03-04,07],cpu1".

    Raises:
        SSENetError: it has no address here.
    """
    found = re.match(r"([^,\[]+)(?:\[([^\],-]+)[^\]]*\])?([^,]*)", nodes)
    name = "".join(filter(None, found.groups())) if found else nodes
    try:
        socket.gethostbyname(name)
    except OSError as error:
        raise SSENetError(f"node {name}: no address for this name ({error})") from None
    return name


if __name__ == "__main__":
    main()
