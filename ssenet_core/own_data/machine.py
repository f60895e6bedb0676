"""What this machine has to compute with: CPU cores, memory, and a GPU's memory if there is one."""

import os
from dataclasses import dataclass

from ssenet_core.compute import gpus_a_job

GIBIBYTE = 2**30


@dataclass(frozen=True)
class Machine:
    """What there is to compute with.

    Attributes:
        cores: CPU cores that this process may use.
        memory: of the whole machine, GiB.
        gpu: name of the first GPU; None without one that can be used.
        gpu_memory: of that GPU, GiB; 0 without one.
    """

    cores: int
    memory: float
    gpu: str | None = None
    gpu_memory: float = 0.0

    def described(self) -> str:
        """In a few words."""
        cores = f"{self.cores} CPU core{'s' if self.cores > 1 else ''}"
        gpu = f"{self.gpu} with {self.gpu_memory:.0f} GiB" if self.gpu else "no GPU"
        return f"{cores}, {self.memory:.0f} GiB of memory, {gpu}"


def this_machine() -> Machine:
    """The machine that this runs on."""
    with_affinity = hasattr(os, "sched_getaffinity")  # Linux has it, macOS has not
    cores = len(os.sched_getaffinity(0)) if with_affinity else os.cpu_count() or 1
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIBIBYTE
    if not gpus_a_job("auto"):
        return Machine(cores, memory)
    import torch  # seconds, which a machine without a GPU need not wait

    if not torch.cuda.is_available():
        return Machine(cores, memory)
    found = torch.cuda.get_device_properties(0)
    return Machine(cores, memory, found.name, found.total_memory / GIBIBYTE)
