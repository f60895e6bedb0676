"""What a training job reads and writes, and what it runs on.

Raises `SSENetError` where a job asks for more GPUs than there are.
"""

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy

from ssenet_core.errors import SSENetError
from ssenet_core.io.files import remove_leftovers
from ssenet_core.models.device import claim_gpu, lock_folder, pick_device, visible_gpus

LOG = logging.getLogger("ssenet")


@dataclass(frozen=True)
class Devices:
    """What a training runs on.

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
    def processes_per_node(self) -> int:
        return max(1, self.gpus)

    @property
    def processes(self) -> int:
        """Processes on all nodes."""
        return self.processes_per_node * self.nodes

    def compiler(self, device: torch.device) -> str | None:
        """The backend of torch.compile for a network on a device; None where it is not compiled."""
        return "inductor" if self.compile and device.type == "cuda" else None

    def fabric(self, precision: str) -> Fabric:
        """Lightning Fabric on the device of this process, which has joined the others.

        Args:
            precision: Fabric's name of it.

        Raises:
            SSENetError: there are fewer GPUs here than are asked for.
        """
        self.check()
        if self.processes == 1:
            warnings.filterwarnings("ignore", message="The `srun` command is available")
            return Fabric(**self._one_device(), precision=precision)  # type: ignore[arg-type]
        fabric = Fabric(
            accelerator="cpu" if self.on_cpu else "cuda",
            devices=self.processes_per_node,
            num_nodes=self.nodes,
            # Statistics of batch normalisation are the same in all processes. To send them before
            # each of a step's two views would change what the first view's gradient needs.
            strategy=DDPStrategy(broadcast_buffers=False),
            precision=precision,  # type: ignore[arg-type]
        )
        fabric.launch()
        return fabric

    def check(self) -> None:
        """See that there are as many GPUs here as are asked for.

        Raises:
            SSENetError: there are fewer.
        """
        found = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if self.gpus > found and not self.on_cpu:
            raise SSENetError(
                f"training asks for {self.gpus} GPUs on a machine and torch {torch.__version__} "
                f"finds {found}; set compute.train_gpus to what there is, or compute.gpus to 0 to "
                "train on the CPU (on a cluster, see that the job asks for as many GPUs)"
            )

    def claim(self) -> list[int]:
        """Take as many GPUs as are asked for; those that no other process of this user has first.

        Returns:
            Their indices, ascending.
        """
        gpus = visible_gpus()
        left = list(range(len(gpus)))
        for _ in range(self.gpus):
            left.pop(claim_gpu([gpus[index] for index in left], lock_folder()))
        chosen = sorted(set(range(len(gpus))) - set(left))
        LOG.info("training on GPUs %s of %d", ", ".join(map(str, chosen)), len(gpus))
        return chosen

    def _one_device(self) -> dict[str, Any]:
        """Fabric's arguments for a training of one process."""
        if self.on_cpu:
            return {"accelerator": "cpu", "devices": 1}
        device = pick_device()
        if device.type == "cuda":
            return {"accelerator": "cuda", "devices": [device.index]}
        return {"accelerator": "auto", "devices": 1}  # other kinds of GPU are Fabric's to find


ANY_DEVICE = Devices()


@dataclass(frozen=True)
class TrainingRun:
    """The files of a training job, and how it is run.

    Attributes:
        manifest: JSON of the train split.
        checkpoint: written on success; `resume/` and `tensorboard/` lie beside it.
        metrics: CSV of loss parts and learning rate, written on success.
        weights: file of backbone weights, or a network's checkpoint to take them from; None takes
            ImageNet's of an installed package where the settings say so, else random ones.
        code: fingerprint of the code, so that an interrupted run of older code is not resumed.
        workers: processes that load data, for each process that trains.
        save_every: steps between resume points.
        devices: what it runs on.
        log: the job's log, to which the first of several processes appends; None: standard error.
    """

    manifest: str | Path
    checkpoint: str | Path
    metrics: str | Path
    weights: str | Path | None = None
    code: str = ""
    workers: int = 0
    save_every: int = 200
    devices: Devices = ANY_DEVICE
    log: str | None = None

    @classmethod
    def of_job(cls, job: Any) -> "TrainingRun":
        """The run that a training rule describes, from a workflow script's `snakemake` object."""
        remove_leftovers([job.output.checkpoint, job.output.metrics])
        return cls(
            manifest=job.input.manifest,
            checkpoint=job.output.checkpoint,
            metrics=job.output.metrics,
            weights=job.input.get("weights") or None,
            code=job.params.code,
            workers=job.params.workers,
            save_every=job.params.save_every,
            devices=Devices(**job.params.get("devices", {})),
            log=job.log[0],
        )
