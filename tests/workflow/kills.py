"""Killing a workflow at random moments, stage after stage, and what must come out all the same."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

NOT_COMPARED = (
    "report/index.html",
    "tensorboard/",
    "benchmarks/",
    "logs/",
)  # they say when, and how long it took


@dataclass(frozen=True)
class Workflow:
    """A folder with the workflow in it, and the command that runs it there."""

    folder: Path
    command: Sequence[str]

    def start(self) -> subprocess.Popen[bytes]:
        """Start Snakemake and its jobs as a process group of their own."""
        return subprocess.Popen(
            self.command,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def unlock(self) -> None:
        """Take away the lock that a killed Snakemake leaves in the folder."""
        subprocess.run(
            [*self.command, "--unlock"], cwd=self.folder, check=True, capture_output=True
        )

    def finish(self) -> None:
        """Run to the end; an error carries what Snakemake said."""
        run = subprocess.run(
            self.command, cwd=self.folder, check=False, capture_output=True, text=True
        )
        if run.returncode:
            raise RuntimeError(run.stdout[-4000:] + run.stderr[-8000:])


def kill_once(workflow: Workflow, rule: str, delay: float, *, patience: float = 600) -> str | None:
    """Run until a job of `rule` has been at work for `delay` seconds, then kill -9 everything.

    Args:
        rule: what the job's rule starts with.
        delay: a job that is done earlier is killed with whatever runs then.
        patience: seconds after which such a job must have begun.

    Returns:
        The rule of the job that was killed, "" between jobs; None when the workflow ended before.
    """
    process = workflow.start()
    end = time.monotonic() + patience
    while not any(name.startswith(rule) for name in running(workflow.folder)):
        if process.poll() is not None:
            if process.returncode:
                raise RuntimeError(f"the workflow failed with status {process.returncode}")
            return None
        if time.monotonic() > end:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise TimeoutError(f"no job of {rule} within {patience} s")
        time.sleep(0.02)
    time.sleep(delay)
    if process.poll() is not None:
        return None
    victims = sorted(set(running(workflow.folder)))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    while list(running(workflow.folder)):  # the kernel buries them one after the other
        time.sleep(0.02)
    workflow.unlock()
    return ", ".join(victims)


def running(folder: Path) -> Iterator[str]:
    """The rules whose scripts are running for the workflow in `folder`."""
    scripts = f"{folder.resolve()}/.snakemake/scripts/"
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it has just ended
        for argument in arguments:
            if argument.startswith(scripts):
                yield Path(argument).name.split(".")[1]


def differences(folder: Path, other: Path) -> list[str]:
    """Files of two folders of results that one alone has, or whose bytes differ."""
    ours, theirs = (
        {
            path.relative_to(root)
            for path in root.rglob("*")
            if path.is_file()
            and not path.name.startswith(".")  # what a killed writer left; the job removes it
            and not any(part in str(path) for part in NOT_COMPARED)
        }
        for root in (folder, other)
    )
    return sorted(
        str(path)
        for path in ours | theirs
        if path not in ours & theirs or (folder / path).read_bytes() != (other / path).read_bytes()
    )
