"""What a training runs on: one device, or several GPUs, of one machine or of several.

In: how many GPUs and machines are asked for. Out: a Lightning Fabric on them. Fails with
`SSENetError` when they are not there.
"""

import logging
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.strategies import DDPStrategy

from ssenet_core.errors import SSENetError
from ssenet_core.models.device import claim_gpu, lock_folder, pick_device, visible_gpus

LOG = logging.getLogger("ssenet")


@dataclass(frozen=True)
class Devices:
    """What a training asks for.

    Attributes:
        gpus: of each node, one process each; 0 takes a GPU if there is one, else the CPU.
        nodes: machines, of one SLURM allocation when there are several.
        on_cpu: run the processes on the CPU, whatever GPUs there are.
        compile: compute the network by torch.compile where it is on a GPU.
    """

    gpus: int = 0
    nodes: int = 1
    on_cpu: bool = False
    compile: bool = False

    @property
    def processes_a_node(self) -> int:
        """Processes on one machine."""
        return max(1, self.gpus)

    @property
    def processes(self) -> int:
        """Processes in all."""
        return self.processes_a_node * self.nodes

    def compiler(self, device: torch.device) -> str | None:
        """The backend of torch.compile for a network on a device; None where it is not compiled."""
        return "inductor" if self.compile and device.type == "cuda" else None

    def fabric(self, precision: str) -> Fabric:
        """A Fabric on these devices; with several processes its `launch` starts this node's.

        Raises:
            SSENetError: there are fewer GPUs here than are asked for.
        """
        self._check()
        flags = self._flags()
        if self.processes == 1:
            warnings.filterwarnings("ignore", message="The `srun` command is available")
            return Fabric(**flags, precision=precision)  # type: ignore[arg-type]
        strategy = DDPStrategy(
            # Lightning would take a SLURM job of one task for one process of its own making.
            cluster_environment=LightningEnvironment(),
            # Not by running the job's script again: it is Snakemake's, with its log and outputs.
            start_method="forkserver",
            # The statistics are the same in all processes. To send them before each of a step's
            # two views would change what the first view's gradient needs.
            broadcast_buffers=False,
        )
        return Fabric(
            **flags,
            num_nodes=self.nodes,
            strategy=strategy,
            precision=precision,  # type: ignore[arg-type]
        )

    def _check(self) -> None:
        found = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if self.gpus > found and not self.on_cpu:
            raise SSENetError(
                f"training asks for {self.gpus} GPUs on a machine and torch {torch.__version__} "
                f"finds {found}; set compute.train_gpus to what there is, or compute.gpus to 0 to "
                "train on the CPU (on a cluster, see that the job asks for as many GPUs)"
            )

    def _flags(self) -> dict[str, Any]:
        """Fabric's arguments for this machine's devices."""
        if self.processes == 1 and not self.on_cpu:
            device = pick_device()
            if device.type == "cuda":
                return {"accelerator": "cuda", "devices": [device.index]}
            return {"accelerator": "auto", "devices": 1}  # other kinds of GPU are Fabric's to find
        if self.on_cpu or not torch.cuda.is_available():
            return {"accelerator": "cpu", "devices": self.processes_a_node}
        return {"accelerator": "cuda", "devices": self.claimed()}

    def claimed(self) -> list[int]:
        """GPUs that no other process of this user has, if there are so many."""
        gpus = visible_gpus()
        left = list(range(len(gpus)))
        for _ in range(self.processes_a_node):
            left.pop(claim_gpu([gpus[index] for index in left], lock_folder()))
        chosen = sorted(set(range(len(gpus))) - set(left))
        LOG.info("training on GPUs %s of %d", ", ".join(map(str, chosen)), len(gpus))
        return chosen


ANY_DEVICE = Devices()
