"""What the benchmarks of GPU stages share: the card, networks with sound activations, timing.

`on_gpu.py` runs them. Its `--small` runs them on the CPU with tiny networks, to see that they work:
their rows then say that no GPU was measured.
"""

import copy
import gc
import math
import os
import statistics
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import torch
from compare import machine
from inputs import write_photographs, write_split
from lightning_fabric import Fabric
from settings import changed, paper
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import default_collate
from torch.utils.flop_counter import FlopCounterMode

from ssenet_core.cam.training import TaggedViews
from ssenet_core.data.manifest import load_manifest
from ssenet_core.models.device import to_device
from ssenet_core.models.networks import build_network
from ssenet_core.settings import AnyTraining
from ssenet_core.training.batches import StepBatches
from ssenet_core.training.engine import LossFunction
from ssenet_core.training.optimizer import build_optimizer, poly_rate, set_rate

NAMES = [f"class {number}" for number in range(20)]
TINY = {"backbone": {"width": 1 / 32}, "crop": 96, "resize": [96, 160]}
ENOUGH = 0.4  # of the card's dense rate: below it the kernels are listed
KERNELS = 20
NO_TIME = "not measured: no time was left"
TIMED, MOST_TIMED = 1.5, 30  # seconds and steps that are timed; three steps at the least

Batch = dict[str, Any]
Result = TypeVar("Result")


@dataclass
class Card:
    """Where the parts run.

    Attributes:
        device: the GPU, or the CPU to try them.
        small: whether the networks and the crops are tiny.
        data: folder in VOC layout; None for drawn photographs and masks.
        ends: when nothing more is to be begun, as `time.monotonic` counts.
        failed: what `tried` saw fail since `begin`.
    """

    device: torch.device
    small: bool
    data: Path | None = None
    ends: float = math.inf
    failed: set[str] = field(default_factory=set)

    @classmethod
    def found(cls, small: bool, data: Path | None) -> "Card":
        """The first GPU; the CPU for a trial. `NoGPU` where there is none."""
        if not small and not torch.cuda.is_available():
            raise NoGPU(f"torch {torch.__version__} finds no GPU; --small tries the CPU")
        torch.manual_seed(0)
        return cls(torch.device("cpu" if small else "cuda"), small, data)

    def begin(self, seconds: float) -> None:
        """Give the next part its time."""
        self.ends = time.monotonic() + seconds
        self.failed.clear()
        self.tidy()

    @property
    def images(self) -> Path | None:
        """The folder of photographs, if there is one."""
        return None if self.data is None else self.data / "JPEGImages"

    def settings(self, section: str = "cam", name: str = "ssenet") -> Any:
        """The paper's settings of a variant, or tiny ones."""
        chosen = paper(section, name)
        if not self.small:
            return chosen
        known = type(chosen).model_fields
        return changed(chosen, {key: value for key, value in TINY.items() if key in known})

    @property
    def left(self) -> float:
        """Seconds that the script has left."""
        return self.ends - time.monotonic()

    def tried(self, name: str, work: Callable[[], Result]) -> Result | None:
        """What some work returns; None where it fails, which is printed, or no time is left."""
        if self.left <= 0:
            print(f"{name}: left out, no time is left", flush=True)
            return None
        try:
            return work()
        except Exception as error:  # the rest is measured all the same
            self.failed.add(name)
            print(f"{name}: failed, {type(error).__name__}: {str(error)[:500]}")
            print("".join(traceback.format_tb(error.__traceback__)[-4:]), flush=True)
            error.__traceback__ = None
        self.tidy()
        return None

    def missing(self, name: str) -> str:
        """What a row says in place of a value that `tried` did not give."""
        return "**failed**" if name in self.failed else NO_TIME

    def tidy(self) -> None:
        """Give back the memory of what is no longer used, and forget the highest use so far."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)

    def peak(self) -> float:
        """GiB of tensors at the most since `tidy`; 0 on the CPU."""
        if self.device.type == "cpu":
            return 0.0
        return torch.cuda.max_memory_allocated(self.device) / 2**30

    def wait(self) -> None:
        """Until the card has done what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, work: Callable[[], object], times: int) -> float:
        """Mean time of some work done a few times in a row, the card's included."""
        self.wait()
        started = time.perf_counter()
        for _ in range(times):
            work()
        self.wait()
        return (time.perf_counter() - started) / times

    def median(self, work: Callable[[], object]) -> float:
        """Median time of some work, after two rounds that do not count."""
        self.seconds(work, 1 if self.small else 2)
        if self.small:
            return self.seconds(work, 1)
        found: list[float] = []
        while len(found) < 3 or (sum(found) < TIMED and len(found) < MOST_TIMED):
            found.append(self.seconds(work, 1))
        return statistics.median(found)

    @cached_property
    def dense(self) -> float:
        """What the card reaches with a large dense bf16 product, TFLOP/s."""
        edge = 256 if self.small else 8192
        a, b = (torch.randn(edge, edge, device=self.device).bfloat16() for _ in range(2))
        self.seconds(lambda: a @ b, 5)
        found = statistics.median(self.seconds(lambda: a @ b, 10) for _ in range(5))
        rate = 2 * edge**3 / found / 1e12
        print(f"dense bf16 product of {edge} x {edge}: {rate:.1f} TFLOP/s", flush=True)
        return rate

    def described(self) -> str:
        """The machine, the card's name, and that of the library that computes on it."""
        if self.device.type == "cpu":
            return f"{machine()}\nno GPU: a trial on the CPU with a tiny network"
        memory = torch.cuda.get_device_properties(self.device).total_memory / 2**30
        cudnn = torch.backends.cudnn.version()
        name = torch.cuda.get_device_name(self.device)
        return f"{machine()}\n{name}, {memory:.0f} GiB, cuDNN {cudnn}"


class NoGPU(Exception):
    """There is no GPU to measure."""


class NotFinite(Exception):
    """A loss is infinite or no number."""


class Trained:
    """A network in training; `step` is one step on a batch, and returns the loss.

    Args:
        network: stays as it is; a copy is trained.
        settings: of which `optimizer` is read.
        precision: Fabric's name of it.
        last: whether the channels are last in memory, as in a training.
        compiler: of torch.compile; None leaves the network as it is.
    """

    def __init__(
        self,
        network: nn.Module,
        card: Card,
        settings: AnyTraining,
        loss: LossFunction,
        precision: str,
        *,
        last: bool = True,
        compiler: str | None = None,
    ) -> None:
        fabric = Fabric(accelerator=card.device.type, devices=1, precision=precision)  # type: ignore[arg-type]
        own = copy.deepcopy(network).train()
        self.settings = settings.optimizer
        optimizer = build_optimizer(own, own.head(), self.settings)  # type: ignore[operator]
        own = to_device(own, card.device) if last else own.to(card.device)
        if compiler is not None:
            own.compile(dynamic=False, backend=compiler)
        self.card, self.loss, self.backward = card, loss, fabric.backward
        self.network, self.optimizer = fabric.setup(own, optimizer)

    def step(self, batch: Batch) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.network, batch)["loss"]
        if not math.isfinite(float(loss.detach())):  # a training waits for the card here too
            raise NotFinite("the loss is not finite")
        self.backward(loss)
        self.optimizer.step()
        return loss.detach()

    def operations(self, batch: Batch) -> float:
        """10^12 operations of a step, two a multiplication and addition."""
        with FlopCounterMode(display=False) as counter:
            self.step(batch)
        return counter.get_total_flops() / 1e12

    def curve(
        self, batches: list[Batch], steps: int, seconds: float = math.inf
    ) -> tuple[list[float], float]:
        """Losses of some steps with the falling learning rate, and a step's median seconds.

        It ends with the first loss that is not finite.

        Args:
            batches: gone round; on whatever device.
            steps: of the schedule.
            seconds: after which it stops, with fewer steps.
        """
        device = self.card.device
        losses: list[float] = []
        times: list[float] = []
        began = time.monotonic()
        for step in range(steps):
            if time.monotonic() - began > seconds or self.card.left <= 0:
                break
            started = time.perf_counter()
            batch = {
                name: value.to(device, non_blocking=True)
                for name, value in batches[step % len(batches)].items()
            }
            torch.manual_seed(step)  # of dropout, the same in all precisions
            set_rate(self.optimizer, poly_rate(step, steps, self.settings.lr, self.settings.power))
            try:
                losses.append(float(self.step(batch)))
            except NotFinite:
                losses.append(math.nan)
                break
            self.card.wait()
            times.append(time.perf_counter() - started)
        return losses, statistics.median(times) if times else math.inf


def running_means(losses: list[float]) -> Tensor:
    """Means over ten steps."""
    values = torch.tensor(losses, dtype=torch.float64)
    return values.unfold(0, min(10, len(losses)), 1).mean(dim=1)


def apart(losses: list[float], exact: list[float]) -> float:
    """The largest relative difference of two curves' running means, over the steps of both."""
    common = min(len(losses), len(exact))
    if common == 0:
        return math.nan
    one, other = running_means(losses[:common]), running_means(exact[:common])
    return float(((one - other).abs() / other.abs()).max())


def said(card: Card, measured: str) -> str:
    """What was measured; of a trial, that it is none."""
    return "not measured: no GPU (a trial on the CPU)" if card.small else measured


def training_data(root: Path, number: int, card: Card) -> TaggedViews:
    """Photographs of the usual size, written to a folder, as the CAM training sees them."""
    manifest = root / "manifest.json"
    write_split(manifest, write_photographs(root, number, folder=card.images))
    return TaggedViews(load_manifest(manifest), card.settings())


def loaded(data: Any, size: int, steps: int, card: Card) -> list[Batch]:
    """Batches of some steps of a training, in the machine's memory, without the images' ids."""
    order = StepBatches(len(data), size, first=0, steps=steps, seed=0)
    # By threads: a machine may have little of the memory that loading processes share.
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = [default_collate(list(pool.map(data.__getitem__, draws))) for draws in order]
    return [
        {
            name: value.pin_memory() if card.device.type == "cuda" else value
            for name, value in batch.items()
            if name != "id"
        }
        for batch in found
    ]


def on(card: Card, batch: Batch) -> Batch:
    """A batch on the card."""
    return {name: value.to(card.device) for name, value in batch.items()}


def sound_network(
    card: Card, images: Tensor, section: str = "cam", name: str = "ssenet"
) -> nn.Module:
    """A network with random weights, on the CPU.

    Its frozen normalisation has the statistics of some images: with none a random network's numbers
    grow from layer to layer, and what is multiplied decides how fast a card is.
    """
    with card.device:
        network = build_network(card.settings(section, name), NAMES)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    with torch.no_grad():
        network(images.to(card.device))
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
    return network.cpu()


@contextmanager
def whole_float32() -> Iterator[None]:
    """Float32 products with all their bits; PyTorch rounds those of convolutions (TF32)."""
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.allow_tf32, products.allow_tf32
    convolutions.allow_tf32 = products.allow_tf32 = False
    try:
        yield
    finally:
        convolutions.allow_tf32, products.allow_tf32 = before


def list_kernels(card: Card, name: str, work: Callable[[], object]) -> None:
    """Print on what a card spends its time, by PyTorch's profiler."""
    on_card = card.device.type == "cuda"
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * on_card

    def listed() -> None:
        card.seconds(work, 1)
        with profile(activities=activities, acc_events=True) as found:
            card.seconds(work, 2)
        table = found.key_averages().table(
            sort_by="self_cuda_time_total" if on_card else "self_cpu_time_total",
            row_limit=KERNELS,
            max_name_column_width=80,
        )
        print(f"{name}, two rounds:\n{table}", flush=True)

    card.tried(f"{name}: kernels", listed)
