"""The three trainings on a GPU, full-size ResNet-38 from random weights on real photographs.

With `--data FOLDER` in VOC layout (`JPEGImages`, `SegmentationClass`, `ImageSets/Segmentation/
train.txt`, `classes.txt`), else with drawn ones. The settings are those of `recipes/voc2012.yaml`.
AffinityNet and DeepLab learn from the set's masks here, AffinityNet from every eighth pixel: how
fast they are does not depend on where labels come from. Each trains in bf16, then for as long as
there is time in float32 with TF32, from the same weights on the same batches; the loss must fall.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from cards import (
    ENOUGH,
    Batch,
    Card,
    Trained,
    apart,
    list_kernels,
    loaded,
    on,
    running_means,
    said,
    sound_network,
)
from compare import row, verdict
from inputs import mask, write_photographs
from PIL import Image
from torch import nn

from ssenet_core.affinity.training import pair_loss
from ssenet_core.cam.training import TaggedViews, cam_loss
from ssenet_core.data.check import examine_images
from ssenet_core.data.dataset import dataset_root, listed_ids
from ssenet_core.data.manifest import Manifest, load_manifest, write_manifest
from ssenet_core.deeplab.training import LabelledViews, pixel_loss
from ssenet_core.errors import SSENetError
from ssenet_core.settings import DatasetSettings
from ssenet_core.settings.sections import SplitLists
from ssenet_core.training.engine import LossFunction

STAGE = "training, GPU, full-size ResNet-38"
PLAIN, BOUND = "float32 with TF32", "the loss falls, no NaN"
STRIDE = 8
PHOTOGRAPHS = 256  # at the most
STEPS = 200
LOADED = 40  # batches, which the steps go round
OVERLAY = 0.05


def photographs(root: Path, card: Card) -> tuple[Manifest, Path]:
    """The images of a training split, and the folder of their masks."""
    folder = card.data
    number = 4 if card.small else PHOTOGRAPHS
    if folder is None:
        dataset = DatasetSettings(name="benchmark", source="voc", root=str(root))
        records = write_photographs(root, number)
        for place, record in enumerate(records, start=1):
            labels = mask(record.width, record.height, number=place)
            Image.fromarray(labels).save(root / f"{record.id}.png")
        masks = root
    else:
        dataset = DatasetSettings(
            name="benchmark",
            source="voc",
            root=str(folder),
            classes=str(folder / "classes.txt"),
            tags=["masks"],
            mask_dir="SegmentationClass",
            lists=SplitLists(train="train"),
        )
        ids = listed_ids(dataset, "train")[:number]
        records, problems = examine_images(dataset, "train", ids)
        if problems:
            raise SSENetError("\n".join(problems[:10]))
        masks = dataset_root(dataset) / "SegmentationClass"
    manifest = root / "manifest.json"
    write_manifest(manifest, dataset, "train", records)
    return load_manifest(manifest), masks


def of_cells(batches: list[Batch], size: int) -> list[Batch]:
    """DeepLab's batches as AffinityNet's: of `size` images, with the cells' labels."""
    middle = STRIDE // 2
    return [
        {
            "image": batch["image"][:size],
            "labels": batch["labels"][:size, middle::STRIDE, middle::STRIDE].contiguous(),
        }
        for batch in batches
    ]


class Case:
    """One of the trainings, with what was measured of it."""

    def __init__(
        self, card: Card, section: str, name: str, loss: LossFunction, batches: list[Batch]
    ) -> None:
        self.card, self.section, self.loss, self.batches = card, section, loss, batches
        self.settings = card.settings(section, name)
        self.name = name
        self.curves: dict[str, list[float]] = {}
        self.network: nn.Module | None = None
        self.speed: str | None = None

    def trial(self, precision: str) -> str:
        """The name under which the card knows a training in some precision."""
        return f"{self.section} in {precision}"

    def train(self, precision: str, steps: int, seconds: float) -> None:
        """Train in one precision, and print how."""
        card, size = self.card, len(self.batches[0]["image"])
        if self.network is None:
            images = self.batches[0]["image"]
            self.network = sound_network(card, images, self.section, self.name)
        card.tidy()
        trained = Trained(self.network, card, self.settings, self.loss, precision)
        losses, step = trained.curve(self.batches, steps, seconds)
        peak = card.peak()
        if not losses:
            raise RuntimeError("no time for a step")
        self.curves[precision] = losses
        means = running_means(losses)
        said_rate = f"batch {size}, {size / step:.1f} images/s, {peak:.1f} GiB"
        print(
            f"{self.section}, {precision}: {len(losses)} steps, {said_rate}; mean loss of the "
            f"first ten steps {means[0]:.4f}, of the last ten {means[-1]:.4f}; losses "
            + " ".join(f"{loss:.3f}" for loss in losses),
            flush=True,
        )
        if precision != "bf16-mixed":
            return
        batch = on(card, self.batches[0])
        rate = trained.operations(batch) / step
        self.speed = f"{said_rate}, {rate / card.dense:.0%} of the card's {card.dense:.0f} TFLOP/s"
        print(f"{self.section}: {rate:.1f} TFLOP/s, {rate / card.dense:.0%} of the dense rate")
        if rate < ENOUGH * card.dense:
            name = f"{self.section} training in bf16"
            list_kernels(card, name, lambda: trained.step(batch))

    def print_row(self) -> None:
        """How its losses went in bf16, and how far they are from float32's."""
        losses = self.curves.get("bf16-mixed", [])
        exact = self.curves.get("32-true", [])
        if losses and exact:
            distance = apart(losses, exact)
            common = min(len(losses), len(exact))
            answer = f"losses within {distance:.1%} over {common} steps (< 5%): " + verdict(
                distance <= OVERLAY
            )
        else:
            answer = f"float32 {self.card.missing(self.trial('32-true'))}"
        measured = self.speed or self.card.missing(self.trial("bf16-mixed"))
        if losses:
            means = running_means(losses)
            measured += (
                f"; loss {means[0]:.3f} to {means[-1]:.3f} over {len(losses)} steps: "
                + verdict(bool(means[-1] < means[0]))
            )
        row(f"{self.section} {STAGE}", PLAIN, BOUND, said(self.card, measured), answer)


def measure(card: Card) -> None:
    """Each training in bf16, then each in float32 while there is time."""
    steps = 3 if card.small else STEPS
    count = min(steps, LOADED)
    with tempfile.TemporaryDirectory() as temporary:
        images, masks = photographs(Path(temporary), card)
        print(f"{len(images.images)} photographs, {len(images.classes)} classes", flush=True)
        cam, deeplab = card.settings(), card.settings("deeplab", "default")
        sizes = (2, 2) if card.small else (cam.batch_size, deeplab.batch_size)
        tagged = loaded(TaggedViews(images, cam), sizes[0], count, card)
        labelled = loaded(LabelledViews(images, masks, deeplab), sizes[1], count, card)
    affinity = card.settings("affinity", "default")
    cells = of_cells(labelled, 2 if card.small else affinity.batch_size)
    padded = [{**batch, "tags": _twenty(batch["tags"])} for batch in tagged]
    cases = [
        Case(card, "cam", "ssenet", cam_loss(cam), padded),
        Case(card, "affinity", "default", pair_loss(affinity), cells),
        Case(card, "deeplab", "default", pixel_loss, labelled),
    ]
    print(f"{card.left:.0f} s are left for the trainings", flush=True)
    for precision in ("bf16-mixed", "32-true"):
        for place, case in enumerate(cases):
            share = card.left / (len(cases) - place)
            work: Callable[[], None] = lambda case=case, precision=precision, share=share: (  # noqa: E731
                case.train(precision, steps, share)
            )
            card.tried(case.trial(precision), work)
    for case in cases:
        case.print_row()


def _twenty(tags: torch.Tensor) -> torch.Tensor:
    """Tags of a set with fewer classes for a network with VOC's twenty; the others are absent."""
    return torch.nn.functional.pad(tags, (0, 20 - tags.shape[1]))
