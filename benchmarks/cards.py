"""What the benchmarks of GPU stages share: the card, a network with sound activations, timing.

Without a GPU such a script prints a row that says so, and `--small` runs it on the CPU with a tiny
network, to see that it works: its row then says that it measured no GPU.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from compare import median_seconds, options, row
from inputs import write_photographs, write_split
from settings import changed, paper
from torch import Tensor, nn

from ssenet_core.cam.training import TaggedViews
from ssenet_core.data.manifest import load_manifest
from ssenet_core.models.checkpoints import build_network
from ssenet_core.settings import CamSettings

NAMES = [f"class {number}" for number in range(20)]
TINY = {"backbone": {"width": 1 / 32}, "crop": 96, "resize": [96, 160]}


@dataclass(frozen=True)
class Card:
    """Where a script runs.

    Attributes:
        device: the GPU, or the CPU to try the script.
        small: whether the network and the crops are tiny.
    """

    device: torch.device
    small: bool

    def settings(self) -> CamSettings:
        """The paper's `ssenet`, or a tiny one."""
        chosen = paper("cam", "ssenet")
        if not self.small:
            return chosen
        return changed(chosen, TINY)

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

    def medians(
        self, ways: Mapping[str, Callable[[], object]], *, runs: int, times: int = 1
    ) -> dict[str, float]:
        """Median time of each way, in turns, after a round that does not count."""

        def waited(way: Callable[[], object]) -> Callable[[], object]:
            return lambda: self.seconds(way, times)

        found = median_seconds(*map(waited, ways.values()), runs=runs)
        return {name: seconds / times for name, seconds in zip(ways, found, strict=True)}

    def described(self) -> str:
        """Its name, and that of the library that computes on it."""
        if self.device.type == "cpu":
            return "no GPU: a trial on the CPU with a tiny network"
        memory = torch.cuda.get_device_properties(self.device).total_memory / 2**30
        cudnn = torch.backends.cudnn.version()
        return f"{torch.cuda.get_device_name(self.device)}, {memory:.0f} GiB, cuDNN {cudnn}"


def card_options(
    description: str, stage: str, plain: str, bound: str, *, runs: int, **numbers: int
) -> tuple[Card, argparse.Namespace]:
    """The card and the options; without a card the row is printed, and the script ends.

    Args:
        numbers: further options and their defaults.
    """
    parser = options(description, runs=runs)
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--small", action="store_true", help="try the script on the CPU")
    given = parser.parse_args()
    if not given.small and not torch.cuda.is_available():
        row(stage, plain, bound, "not measured: no GPU", "")
        sys.exit()
    card = Card(torch.device("cpu" if given.small else "cuda"), given.small)
    print(card.described(), flush=True)
    torch.manual_seed(0)
    return card, given


def said(card: Card, measured: str) -> str:
    """What was measured; of a trial, that it is none."""
    return "not measured: no GPU (a trial on the CPU)" if card.small else measured


def training_data(root: Path, number: int, card: Card, folder: Path | None) -> TaggedViews:
    """Photographs of the usual size, written to a folder, as the CAM training sees them."""
    manifest = root / "manifest.json"
    write_split(manifest, write_photographs(root, number, folder=folder))
    return TaggedViews(load_manifest(manifest), card.settings())


def sound_network(card: Card, images: Tensor) -> nn.Module:
    """The CAM network, random weights, on the CPU.

    Its frozen normalisation has the statistics of some images: with none a random network's numbers
    grow from layer to layer, and what is multiplied decides how fast a card is.
    """
    network = build_network(card.settings(), NAMES)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    network.to(card.device)
    with torch.no_grad():
        network(images.to(card.device))
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


def rate_of_products(card: Card) -> float:
    """What the card reaches with a large dense bf16 product, TFLOP/s."""
    edge = 256 if card.small else 8192
    a, b = (torch.randn(edge, edge, device=card.device).bfloat16() for _ in range(2))
    card.seconds(lambda: a @ b, 3)
    return 2 * edge**3 / card.seconds(lambda: a @ b, 20) / 1e12
