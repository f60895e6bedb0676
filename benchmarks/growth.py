"""How time and memory of each stage of one image grow with its size: 250 to 2000 pixels.

Photographs are 4 : 3, with two classes; each stage works on arrays in memory, once, on one thread.
CAM inference takes four scales and their mirror images; the widths are the synthetic dataset's and
the paper's. A size that would take too long is extrapolated by the pixels, from the size before,
which is what a stage that is linear in them does.

    python benchmarks/growth.py [--edges 250 500 1000 2000] [--images FOLDER] [--full-up-to 500]
"""

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import settings
import torch
from compare import Work, measured_peak, options, table
from inputs import affinities, class_maps, mask, photograph

from ssenet_core.affinity.labels import confident_labels
from ssenet_core.affinity.random_walk import propagate
from ssenet_core.cam.inference import multi_scale_maps
from ssenet_core.crf import dense_crfs
from ssenet_core.evaluation.confusion import confusion_matrix
from ssenet_core.models.networks import build_network
from ssenet_core.scores import (
    block_average,
    constant_background,
    labels_at_threshold,
    power_background,
    with_background,
)
from ssenet_core.settings import BilateralKernel, CamSettings, CrfSettings, GaussianKernel

CLASSES = 2
NAMES = [f"class {label}" for label in range(20)]
CRF = CrfSettings(
    iterations=10,
    gaussian=GaussianKernel(sxy=3, compat=3),
    bilateral=BilateralKernel(sxy=80, srgb=13, compat=10),
)


def cam_inference(chosen: CamSettings, width: int, height: int, folder: Path | None) -> Work:
    torch.manual_seed(0)
    network = build_network(chosen, NAMES).eval()
    image = photograph(width, height, folder=folder)

    def work() -> object:
        with torch.inference_mode():
            scales = [1.0, 0.5, 1.5, 2.0]
            return multi_scale_maps(network, image, scales, True, "plain")

    return work


def toy_inference(width: int, height: int, folder: Path | None) -> Work:
    return cam_inference(settings.toy("cam", "ssenet"), width, height, folder)


def full_inference(width: int, height: int, folder: Path | None) -> Work:
    return cam_inference(settings.paper("cam", "ssenet"), width, height, folder)


def crf(width: int, height: int, folder: Path | None) -> Work:
    image = np.array(photograph(width, height, folder=folder))
    maps = class_maps(width, height, classes=CLASSES)
    stacks = [with_background(maps, power_background(maps, power)) for power in (4, 24)]
    return lambda: dense_crfs(image, stacks, CRF)


def walk(stride: int) -> Callable[[int, int, Path | None], Work]:
    def prepare(width: int, height: int, folder: Path | None) -> Work:
        cells = block_average(class_maps(width, height, classes=CLASSES), stride)
        scores = torch.from_numpy(with_background(cells, constant_background(cells, 0.2)))
        pairs = affinities(photograph(width, height, folder=folder), stride)
        return lambda: propagate(scores, pairs, beta=8, steps=256)

    return prepare


def labels(width: int, height: int, folder: Path | None) -> Work:
    maps = class_maps(width, height, classes=CLASSES)
    low, high = (with_background(maps, power_background(maps, power)) for power in (4, 24))
    return lambda: confident_labels(low, high, np.arange(1, CLASSES + 1), 8)


def scoring(width: int, height: int, folder: Path | None) -> Work:
    maps, truth = class_maps(width, height, classes=CLASSES), mask(width, height)

    def work() -> object:
        found = labels_at_threshold(maps, np.arange(1, CLASSES + 1), 0.2)
        return confusion_matrix(truth, found, 21)

    return work


STAGES: dict[str, Callable[[int, int, Path | None], Work]] = {
    "CAM inference, toy width": toy_inference,
    "CAM inference, full width": full_inference,
    "dense CRF, 2 backgrounds, 3 labels": crf,
    "random walk, stride 8": walk(8),
    "random walk, stride 4": walk(4),
    "confident labels": labels,
    "labels and scoring": scoring,
}


def measure(stage: str, edges: list[int], folder: Path | None) -> list[tuple[float, float]]:
    """Seconds and MiB of one stage on one image of each edge, in this process."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # random weights give numbers that processors are slow with
    prepare = STAGES[stage]
    prepare(64, 48, folder)()  # the libraries' own memory and first calls

    def timed() -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    found = []
    for edge in edges:
        work = prepare(edge, edge * 3 // 4, folder)
        found.append(measured_peak(timed))
    return found


def main() -> None:
    """Print a table of times and one of memory; extrapolated figures are marked."""
    parser = options(__doc__)
    parser.add_argument("--edges", type=int, nargs="+", default=[250, 500, 1000, 2000])
    parser.add_argument("--full-up-to", type=int, default=500, help="edge at full width")
    parser.add_argument("--toy-up-to", type=int, default=1000, help="edge at toy width")
    given = parser.parse_args()
    last = {
        "CAM inference, toy width": given.toy_up_to,
        "CAM inference, full width": given.full_up_to,
    }
    rows = []
    for stage in STAGES:
        edges = [edge for edge in given.edges if edge <= last.get(stage, edge)]
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            found = pool.submit(measure, stage, edges, given.images).result()
        cells = [f"{seconds:.3g} s, {memory:.0f} MiB" for seconds, memory in found]
        for edge in given.edges[len(edges) :]:
            seconds, memory = (value * (edge / edges[-1]) ** 2 for value in found[-1])
            cells.append(f"≈ {seconds:.3g} s, {memory:.0f} MiB")
        rows.append([stage, *cells])
        print(*rows[-1], sep="; ", flush=True)
    print("\nTime and peak memory of one image; ≈ marks what is extrapolated by the pixels.\n")
    sizes = [f"{edge} x {edge * 3 // 4}" for edge in given.edges]
    print(table(["stage", *sizes], rows))


if __name__ == "__main__":
    main()
