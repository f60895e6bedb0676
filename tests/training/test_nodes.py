"""A call on every node of a SLURM allocation; srun is pretended, its nodes are processes here."""

import logging
import os
import sys
from functools import partial
from pathlib import Path

import pytest

from ssenet_core.errors import SSENetError
from ssenet_core.training.nodes import first_node, on_all_nodes

# Starts the command that ends its arguments once a node, as srun does.
SRUN = """#!{python}
import os, subprocess, sys
nodes = int(sys.argv[1].removeprefix("--nodes="))
call = sys.stdin.buffer.read()
running = []
for node in range(nodes):
    place = {{"SLURM_NODEID": str(node), "SLURM_STEP_NODELIST": "localhost"}}
    running.append(
        subprocess.Popen(sys.argv[-3:], stdin=subprocess.PIPE, env=os.environ | place)
    )
    running[-1].stdin.write(call)
    running[-1].stdin.close()
sys.exit(max(process.wait() for process in running))
"""


@pytest.fixture
def allocation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a SLURM job."""
    srun = tmp_path / "srun"
    srun.write_text(SRUN.format(python=sys.executable))
    srun.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    monkeypatch.setenv("SLURM_JOB_ID", "1")


def note(folder: Path) -> None:
    """Write down who this node is, and what it knows of the first."""
    names = ("NODE_RANK", "MASTER_ADDR", "MASTER_PORT")
    rank, *known = (os.environ[name] for name in names)
    (folder / f"node{rank}").write_text(" ".join(known))
    logging.getLogger("ssenet").info("node %s was here", rank)
    print("a library's word")


def fail_on_the_second() -> None:
    if os.environ["NODE_RANK"] == "1":
        raise SSENetError("image7.jpg: truncated")


@pytest.mark.usefixtures("allocation")
def test_every_node_is_called_and_heard(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="ssenet"):
        on_all_nodes(partial(note, tmp_path), 2)
    first, second = ((tmp_path / f"node{rank}").read_text() for rank in (0, 1))
    assert first == second
    address, port = first.split()
    assert address == "localhost"
    assert int(port) > 0
    said = ["a library's word", "a library's word", "node 0 was here", "node 1 was here"]
    assert sorted(caplog.messages) == said


@pytest.mark.usefixtures("allocation")
def test_a_nodes_fault_is_the_trainings() -> None:
    with pytest.raises(SSENetError, match=r"image7\.jpg: truncated"):
        on_all_nodes(fail_on_the_second, 2)


def test_without_an_allocation_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(SSENetError, match=r"asks for 3 nodes.*compute.train_nodes to 1"):
        on_all_nodes(fail_on_the_second, 3)


@pytest.mark.parametrize(
    ("nodes", "name"),
    [
        ("localhost", "localhost"),
        ("localhost,gpu1", "localhost"),
        ("local[host,1-2],gpu[03-04]", "localhost"),
        ("l[oca-ocb]lhost,gpu1", "localhost"),
    ],
)
def test_the_first_node_of_a_list(nodes: str, name: str) -> None:
    assert first_node(nodes) == name


def test_a_node_without_address_is_named() -> None:
    with pytest.raises(SSENetError, match=r"node gpu03\.invalid: no address"):
        first_node("gpu[03-04].invalid")
