"""A SLURM cluster of one node on the loopback interface, with pretended GPUs.

In: a folder. Out: the environment in which sbatch, squeue and Snakemake find the cluster. All files
lie in the folder, no service of the system is touched. Needs root and the programs of Debian's
packages munge, slurmctld, slurmd and slurm-client. Fails with `NoSlurm`, which says what is wrong.
"""

import os
import resource
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
GPU_FILES = ("/dev/null", "/dev/zero")  # SLURM wants a device a GPU; nothing opens these
DAEMONS = ("slurmd", "slurmctld", "munged")  # in the order in which they are stopped

SLURM_CONF = """\
ClusterName=tests
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# cred_expire: seconds, and how long a preempted job waits before it may start again.
AuthInfo=socket={folder}/munge/socket,cred_expire=12
CredType=cred/munge
{network}
MailProg=/bin/true
MpiDefault=none
StateSaveLocation={folder}/controller
SlurmdSpoolDir={folder}/node
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
# Without cgroups: the node finds a job's processes in /proc, samples their memory every second, and
# kills a job that has more than it asked for.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0,bf_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=5
# The node is what the next lines say, not what the machine is.
SlurmdParameters=config_overrides
ReturnToService=2
# The tests look at jobs when all are done.
MinJobAge=7200
GresTypes=gpu
NodeName=localhost NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=16000 Gres=gpu:{gpus} State=UNKNOWN
PartitionName=cpu Nodes=ALL Default=YES MaxTime=2-00:00:00 PriorityTier=1
PartitionName=gpu Nodes=ALL MaxTime=2-00:00:00 PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=10 PriorityTier=10 PreemptMode=OFF
"""


class NoSlurm(Exception):
    """There can be no cluster here; the text says why."""


class Cluster:
    """A running cluster.

    Attributes:
        folder: holds its files and logs.
        environment: finds it.
    """

    CPUS = 8  # more than there may be: a training asks for five

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = dict(os.environ)
        self.environment["PATH"] = f"{folder}/bin:{os.environ['PATH']}:{SYSTEM_PATH}"
        self.environment["SLURM_CONF"] = str(folder / "slurm.conf")

    def start(self) -> None:
        """Start the daemons and wait until the node takes jobs.

        Raises:
            NoSlurm: something is missing, or a daemon did not start.
        """
        _require_programs()
        self._write_files()
        munge = [f"--{name}={self.folder}/munge/{name}" for name in ("socket", "seed-file")]
        munge += [
            "--force",
            f"--key-file={self.folder}/munge/key",
            f"--pid-file={self.folder}/munged.pid",
        ]
        self._daemon("munged", *munge, f"--log-file={self.folder}/munged.log")
        self._daemon("slurmctld", "-i")
        self._wait("the controller", self._answers)
        self._daemon("slurmd")
        self._wait("the node", self._is_idle)

    def stop(self) -> None:
        """End all jobs, then the daemons, each by its own process id."""
        if self._answers():
            self.ask("scancel", "--user=root", "--full")
            time.sleep(1)  # the node ends their processes
        for name in DAEMONS:
            _end(name, self.folder / f"{name}.pid")

    def ask(self, *command: str) -> str:
        """The output of a SLURM command, which must succeed."""
        run = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=True
        )
        return run.stdout.strip()

    def jobs(self) -> list[dict[str, str]]:
        """Every job that the controller remembers, by its id: what squeue tells of it."""
        names = ("id", "state", "rule", "memory", "partition")
        rows = self.ask("squeue", "--states=all", "--noheader", "--format=%A|%T|%k|%m|%P")
        found = [dict(zip(names, row.split("|"), strict=True)) for row in rows.splitlines()]
        return sorted(found, key=lambda job: int(job["id"]))

    def _write_files(self) -> None:
        for name in ("bin", "munge", "controller", "node"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        key = self.folder / "munge" / "key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(1024))
        controller_port, node_port = _free_ports(2)
        facts: Mapping[str, object] = {
            "folder": self.folder,
            "controller_port": controller_port,
            "node_port": node_port,
            "cpus": self.CPUS,
            "gpus": len(GPU_FILES),
            "network": _network(),
        }
        (self.folder / "slurm.conf").write_text(SLURM_CONF.format(**facts))
        gpus = "".join(f"Name=gpu File={file}\n" for file in GPU_FILES)
        (self.folder / "gres.conf").write_text(gpus)
        # On the node, Snakemake drops SLURM_CONF before it calls srun.
        srun = self.folder / "bin" / "srun"
        real = shutil.which("srun", path=SYSTEM_PATH)
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {real} "$@"\n')
        srun.chmod(0o755)

    def _daemon(self, *command: str) -> None:
        path = shutil.which(command[0], path=SYSTEM_PATH)
        run = subprocess.run(
            [str(path), *command[1:]],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_limit_files,
            check=False,
        )
        if run.returncode:
            raise NoSlurm(f"{command[0]} ended with status {run.returncode}: {self._last_words()}")

    def _wait(self, what: str, happened: Callable[[], bool], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not happened():
            if time.monotonic() > end:
                raise NoSlurm(f"{what} was not ready after {seconds} s: {self._last_words()}")
            time.sleep(0.2)

    def _answers(self) -> bool:
        ping = [shutil.which("scontrol", path=SYSTEM_PATH) or "false", "ping"]
        run = subprocess.run(ping, env=self.environment, capture_output=True, check=False)
        return run.returncode == 0

    def _is_idle(self) -> bool:
        try:
            return self.ask("sinfo", "--noheader", "--format=%T") == "idle"
        except subprocess.CalledProcessError:  # the controller has only just come up
            return False

    def _last_words(self) -> str:
        logs = sorted(self.folder.glob("*.log"), key=lambda log: log.stat().st_mtime)
        return " / ".join(logs[-1].read_text().splitlines()[-3:]) if logs else "no log"


def _require_programs() -> None:
    if os.getuid() != 0:
        raise NoSlurm("only root can start SLURM's daemons")
    absent = [name for name in PROGRAMS if shutil.which(name, path=SYSTEM_PATH) is None]
    if absent:
        raise NoSlurm(f"no {', '.join(absent)}: apt-get install slurmctld slurmd slurm-client")


def _network() -> str:
    """SLURM listens on loopback alone where the machine's own name is there; else everywhere."""
    try:
        local = socket.gethostbyname(socket.gethostname()).startswith("127.")
    except OSError:
        local = False
    return "CommunicationParameters=NoCtldInAddrAny,NoInAddrAny" if local else ""


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [held.getsockname()[1] for held in sockets]
    for held in sockets:
        held.close()
    return ports


def _limit_files() -> None:
    # The daemons walk through all descriptors that there could be: a billion, in some containers.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY or most > 65536:
        resource.setrlimit(resource.RLIMIT_NOFILE, (65536, 65536))


def _end(name: str, pid_file: Path) -> None:
    """End the process of a pid file, if it still is what it was."""
    try:
        pid = int(pid_file.read_text())
        if not Path(f"/proc/{pid}/comm").read_text().startswith(name):
            return
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + 10
        while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
            time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        return
