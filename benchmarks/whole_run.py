"""An estimate of one SSENet row of the paper's Table 1, through DeepLab, on NVIDIA H200 cards.

The whole run was never made. The operations of each stage are counted (PyTorch's counter, two a
multiplication and addition) on the networks and settings of recipes/voc2012.yaml, and divided by
what one card was measured to do in bf16 (docs/benchmarks/on_gpu.txt), in a CAM training step with
batches of 8 for all trainings, and in CAM inference for all inference. What cores do is measured
here, an image at a time on one of them, and divided by theirs. Several cards share the images of a
stage; trainings run on as many as have two images of a batch each, at three quarters of the speed.

    python benchmarks/whole_run.py [--training 348] [--compiled 478] [--inference 230] [--cores 16]
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from compare import options, table
from growth import CLASSES, CRF, scoring, walk
from inputs import HEIGHT, WIDTH, class_maps, photograph
from settings import paper
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ssenet_core.affinity.training import pair_loss
from ssenet_core.cam.training import cam_loss
from ssenet_core.crf import dense_crf, dense_crfs
from ssenet_core.deeplab.training import pixel_loss
from ssenet_core.models.networks import build_network
from ssenet_core.scores import power_background, with_background
from ssenet_core.segmenter import DENSE_CRF

TRAIN, VAL = 10_582, 1_449  # images of VOC 2012 with SBD
CROP, CELLS = 448, 56
NAMES = [f"class {number}" for number in range(20)]
TRAINING_LOSS = 0.75  # of the speed that is left when a batch is spread over cards


@dataclass(frozen=True)
class Stage:
    """One stage of the run: tera-operations and core-seconds of all its images."""

    name: str
    images: int
    operations: float
    core_seconds: float
    batch: int | None = None  # of trainings

    def seconds(
        self, cards: int, training: float, inference: float, cores: int
    ) -> tuple[float, str]:
        """What the stage takes, and what bounds it; cards and cores work side by side.

        Args:
            training, inference: TFLOP/s of a card.
            cores: beside each card.
        """
        speed = inference if self.batch is None else training
        if self.batch is not None and cards > 1:
            cards = min(cards, self.batch // 2)
            speed *= TRAINING_LOSS
        times = {
            "cards": self.operations / (speed * cards),
            "cores": self.core_seconds / (cores * cards),
        }
        bound = max(times, key=lambda name: times[name])
        return times[bound], bound


def network(section: str, name: str) -> nn.Module:
    """A network of the paper's size without numbers: nothing is computed with it."""
    with torch.device("meta"):
        return build_network(paper(section, name), NAMES)


def counted(work: Callable[[], object]) -> float:
    """Tera-operations of some work."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 1e12


def step(
    section: str, name: str, loss: Callable[..., Any], batch: dict[str, torch.Tensor]
) -> float:
    """Tera-operations of a training step with one image, forward and backward."""
    trained = network(section, name).train()
    image = torch.empty(1, 3, CROP, CROP, device="meta")
    return counted(lambda: loss(trained, {"image": image, **batch})["loss"].backward())


def views(section: str, name: str, scales: list[float]) -> float:
    """Tera-operations of one photograph at some scales, mirrored too."""
    frozen = network(section, name).eval()
    images = [
        torch.empty(2, 3, round(HEIGHT * scale), round(WIDTH * scale), device="meta")
        for scale in scales
    ]

    def work() -> None:
        with torch.no_grad():
            for image in images:
                frozen(image)

    return counted(work)


def crfs(backgrounds: int) -> Callable[[], object]:
    """The dense CRF of a training image's maps with some backgrounds at once."""
    image, maps = np.array(photograph()), class_maps(classes=CLASSES)
    stacks = [with_background(maps, power_background(maps, 4.0)) for _ in range(backgrounds)]
    return lambda: dense_crfs(image, stacks, CRF)


def last_crf() -> object:
    """The dense CRF of DeepLab's 21 labels, one iteration."""
    maps = class_maps(classes=20)
    scores = np.concatenate([1 - maps.max(axis=0, keepdims=True), maps]) + 1e-3
    scores /= scores.sum(axis=0)
    image = np.array(photograph())
    return dense_crf(image, scores, DENSE_CRF)


def core_seconds(work: Callable[[], object]) -> float:
    """Processor time of some work on this machine: the least of a few rounds."""
    times = []
    for _ in range(6):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def run_of_the_paper(decoding: float) -> list[Stage]:
    """The stages from photographs to the score of DeepLab.

    Args:
        decoding: seconds to read one training image and to cut a crop of it, one core.
    """
    cam, deeplab = paper("cam", "ssenet"), paper("deeplab", "default")
    affinity = paper("affinity", "default")
    tags = torch.ones(1, len(NAMES), device="meta")
    cells = torch.zeros(1, CELLS, CELLS, dtype=torch.uint8, device="meta")
    pixels = torch.zeros(1, CROP, CROP, dtype=torch.uint8, device="meta")
    refined = core_seconds(crfs(3))  # two for the affinity labels, one for the score
    walked = core_seconds(walk(8)(WIDTH, HEIGHT, None))
    scored = core_seconds(scoring(WIDTH, HEIGHT, None))
    trained = {
        "CAM training": (
            cam.epochs * TRAIN,
            step("cam", "ssenet", cam_loss(cam), {"tags": tags}),
            cam.batch_size,
        ),
        "AffinityNet training": (
            affinity.epochs * TRAIN,
            step("affinity", "default", pair_loss(affinity), {"labels": cells}),
            affinity.batch_size,
        ),
        "DeepLab training": (
            deeplab.iterations * deeplab.batch_size,
            step("deeplab", "default", pixel_loss, {"labels": pixels}),
            deeplab.batch_size,
        ),
    }
    trainings = [
        Stage(name, images, images * operations, images * decoding, batch)
        for name, (images, operations, batch) in trained.items()
    ]
    inferred = views("cam", "ssenet", cam.inference.scales)
    pairs = views("affinity", "default", [1.0]) / 2  # not mirrored
    predicted = views("deeplab", "default", deeplab.prediction.scales)
    return [
        trainings[0],
        Stage("CAM inference", TRAIN, TRAIN * inferred, TRAIN * decoding),
        Stage("dense CRF, affinity labels", TRAIN, 0, TRAIN * refined),
        trainings[1],
        Stage("random walk, pseudo labels", TRAIN, TRAIN * pairs, TRAIN * walked),
        trainings[2],
        Stage("prediction with CRF", VAL, VAL * predicted, VAL * core_seconds(last_crf)),
        Stage("scores of all stages", 3 * 1_464 + VAL, 0, (3 * 1_464 + VAL) * scored),
    ]


def main() -> None:
    """Print the estimate, stage by stage."""
    parser = options(__doc__)
    for name, reached, what in (
        ("training", 348, "a training step"),
        ("compiled", 478, "a compiled training step"),
        ("inference", 230, "inference"),
    ):
        parser.add_argument(
            f"--{name}", type=float, default=reached, help=f"TFLOP/s of a card in {what}"
        )
    parser.add_argument("--cores", type=int, default=16, help="processor cores beside each card")
    parser.add_argument("--decoding", type=float, default=1 / 42, help="core-seconds a crop")
    given = parser.parse_args()
    torch.set_num_threads(1)
    stages = run_of_the_paper(given.decoding)
    columns = {
        "1 card": (1, given.training),
        "1 card, torch.compile": (1, given.compiled),
        "16 cards": (16, given.training),
    }
    totals = dict.fromkeys(columns, 0.0)
    rows = []
    for stage in stages:
        cells = []
        for name, (cards, training) in columns.items():
            seconds, bound = stage.seconds(cards, training, given.inference, given.cores)
            totals[name] += seconds
            cells.append(f"≈ {seconds / 60:.1f} min ({bound})")
        work = [f"{stage.operations:.3g}", f"{stage.core_seconds / 3600:.2f}"]
        rows.append([stage.name, str(stage.images), *work, *cells])
    operations, hours = (
        sum(stage.operations for stage in stages),
        sum(stage.core_seconds for stage in stages) / 3600,
    )
    whole = [f"≈ {seconds / 60:.0f} min" for seconds in totals.values()]
    rows.append(["everything", "", f"{operations:.3g}", f"{hours:.2f}", *whole])
    print(
        f"Estimated from the measured speed of an H200: {given.training:.0f} TFLOP/s in a training "
        f"step, {given.compiled:.0f} with torch.compile, {given.inference:.0f} in inference; "
        f"{given.cores} cores beside each card; in brackets what bounds a stage. Jobs' starts, "
        "compiling, writing and the queue come on top.\n"
    )
    print(table(["stage", "images", "10^12 operations", "core hours", *columns], rows))


if __name__ == "__main__":
    main()
