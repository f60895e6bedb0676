"""Class activation maps on a GPU, four scales and flips: bf16, a view with its mirror image.

The plain way computes one view at a time in float32. Both have the views ready, as the stage reads
and resizes the next photograph while the GPU computes. Maps are compared for the three classes of
each photograph that are highest on average, as a random network has no tagged ones. Timed besides,
once, is the whole stage, from photographs on disk to HDF5 files, its loading of the network
included: with all in turn, and with processes that write beside the GPU.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from cards import (
    ENOUGH,
    NAMES,
    Card,
    list_kernels,
    said,
    sound_network,
    training_data,
    whole_float32,
)
from compare import row, verdict
from settings import changed
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from ssenet_core.cam.inference import infer_cam, normalised_maps, sum_maps, view_maps
from ssenet_core.data.augment import Pixels, image_tensor, to_tensor, views_at
from ssenet_core.data.manifest import load_manifest
from ssenet_core.models.catalogue import IMAGENET
from ssenet_core.models.checkpoints import load_checkpoint, save_checkpoint
from ssenet_core.models.device import autocast
from ssenet_core.settings import CamTraining
from ssenet_core.shard import Shard

STAGE = "CAM inference, GPU, 4 scales and flips, 500 x 375"
PLAIN, BOUND = "one forward a view, batch 1, float32 without TF32", ">= 3 x images/s"
PHOTOGRAPHS, COMPARED = 8, 2
WORKERS = 3
ROUNDS, LONG = 2, 4.0  # rounds of a way, and seconds after which there is no other
PLAIN_WAY = "one view at a time, float32"
# Of the maps, from those of the plain way.
BOUNDS = {"float32": 1e-4, "bf16": 2e-2}


@dataclass(frozen=True)
class Photograph:
    """The views of a photograph, and its height and width."""

    views: list[Pixels]
    size: tuple[int, int]


def one_view_at_a_time(network: nn.Module, photograph: Photograph) -> Tensor:
    """Summed maps as Eq. 3 says them; plain resizing, as the paper's settings have it."""
    total = torch.zeros(())
    for pixels in photograph.views:
        view = image_tensor(pixels, network)[None]
        for mirrored in (False, True):
            maps = network(view.flip(3) if mirrored else view).relu()
            full = functional.interpolate(
                maps, photograph.size, mode="bilinear", align_corners=False
            )
            total = (full.flip(3) if mirrored else full)[0] + total.to(full.device)
    return total


def distance(one: Tensor, other: Tensor) -> float:
    """The largest difference of the three highest normalised maps."""
    highest = [int(index) + 1 for index in one.mean(dim=(1, 2)).topk(3).indices]
    return float(np.abs(normalised_maps(one, highest) - normalised_maps(other, highest)).max())


def measure(card: Card) -> None:
    """Both ways on the same photographs, and the stage."""
    settings = card.settings()
    if card.small:
        settings = changed(settings, {"inference": {"scales": [0.5, 0.25]}})
    scales, alignment = settings.inference.scales, settings.alignment
    seconds: dict[str, float] = {}
    apart: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        training_data(root, 1 if card.small else PHOTOGRAPHS, card)
        checkpoint, manifest = root / "model.pt", root / "manifest.json"
        images = load_manifest(manifest).images
        network = sound_network(card, torch.stack([to_tensor(images[0].photograph(), IMAGENET)]))
        save_checkpoint(checkpoint, network, settings=settings, classes=NAMES)
        plain = network.eval().to(card.device)
        ours, _ = load_checkpoint(checkpoint, CamTraining, card.device)

        photographs = [
            Photograph(views_at(image.photograph(), scales), (image.height, image.width))
            for image in images
        ]

        def in_turn(photograph: Photograph, precision: str = "32-true") -> Tensor:
            with torch.inference_mode(), autocast(card.device, precision):
                return one_view_at_a_time(plain, photograph)

        def together(photograph: Photograph, precision: str) -> Tensor:
            views, size = photograph.views, photograph.size
            with torch.inference_mode(), autocast(card.device, precision):
                return sum_maps(view_maps(ours, view, size, True, alignment) for view in views)

        def slowly(photograph: Photograph) -> Tensor:
            with whole_float32():
                return in_turn(photograph)

        def exactly(photograph: Photograph) -> Tensor:
            with whole_float32():
                return together(photograph, "32-true")

        with FlopCounterMode(display=False) as counter:
            together(photographs[0], "bf16-mixed")
        operations = counter.get_total_flops() / 1e12
        print(f"{operations:.2f} x 10^12 operations an image", flush=True)
        expected = [slowly(photograph) for photograph in photographs[:COMPARED]]
        ways: dict[str, Callable[[Photograph], Tensor]] = {
            "bf16": lambda one: together(one, "bf16-mixed"),
            PLAIN_WAY: slowly,
            "float16": lambda one: together(one, "16-mixed"),
            "float32": exactly,
            "float32, TF32": lambda one: together(one, "32-true"),
            "one view at a time, bf16": lambda one: in_turn(one, "bf16-mixed"),
        }

        def timed(name: str) -> None:
            card.tidy()
            rounds: list[float] = []
            # The first one does not count; slow ways have one more.
            while len(rounds) < 2 or (len(rounds) <= ROUNDS and sum(rounds) < LONG):
                rounds.append(card.seconds(lambda: list(map(ways[name], photographs)), 1))
            seconds[name] = statistics.median(rounds[1:]) / len(images)
            rate = operations / seconds[name]
            found = map(ways[name], photographs[:COMPARED])
            apart[name] = max(map(distance, expected, found))
            print(
                f"{name}: {1 / seconds[name]:.2f} images/s, {rate:.1f} TFLOP/s, "
                f"{rate / card.dense:.0%} of the dense rate, {card.peak():.1f} GiB; maps differ by "
                f"{apart[name]:.1e}",
                flush=True,
            )
            if name == "bf16" and rate < ENOUGH * card.dense:
                list_kernels(
                    card, "CAM inference in bf16, an image", lambda: ways[name](photographs[0])
                )

        def stage(workers: int) -> None:
            files = [root / f"maps of {workers}" / f"{image.id}.h5" for image in images]
            shard = Shard(manifest, files, files[0].parent / "record.json", 0)
            how = settings.inference.model_copy(update={"precision": "bf16-mixed"})
            started = time.perf_counter()
            infer_cam(shard, how, checkpoint=checkpoint, workers=workers)
            taken = time.perf_counter() - started
            print(
                f"the stage, {workers} processes beside: {taken:.1f} s for {len(images)} images, "
                "starting included",
                flush=True,
            )

        for name in ways:
            card.tried(name, lambda name=name: timed(name))
        for workers in (0, 1 if card.small else WORKERS):
            card.tried(f"the stage, {workers} processes", lambda n=workers: stage(n))
    row(STAGE, PLAIN, BOUND, said(card, _speed(card, seconds, operations)), _answer(card, apart))


def _speed(card: Card, seconds: dict[str, float], operations: float) -> str:
    """A row's words on the speed in bf16, as far as it was measured."""
    if "bf16" not in seconds:
        return card.missing("bf16")
    fast = seconds["bf16"]
    words = [
        f"{1 / fast:.1f} images/s in bf16, {operations / fast / card.dense:.0%} of the "
        f"card's {card.dense:.0f} TFLOP/s"
    ]
    if PLAIN_WAY in seconds:
        slow = seconds[PLAIN_WAY]
        words.insert(
            0,
            f"{slow / fast:.1f} x ({1 / slow:.1f} to {1 / fast:.1f} images/s): "
            + verdict(slow / fast >= 3),
        )
    for name in (PLAIN_WAY, "one view at a time, bf16", "float32, TF32"):
        if name not in seconds:
            words.append(f"{name} {card.missing(name)}")
        elif name != PLAIN_WAY:
            words.append(f"{seconds[name] / fast:.1f} x {name}")
    return "; ".join(words)


def _answer(card: Card, apart: dict[str, float]) -> str:
    """A row's words on how far the maps are from the plain way's."""
    words = []
    for name in ("float32", "bf16", "float16"):
        if name not in apart:
            words.append(f"{name} {card.missing(name)}")
        elif name in BOUNDS:
            reached = verdict(apart[name] < BOUNDS[name])
            words.append(f"to {apart[name]:.0e} in {name} (< {BOUNDS[name]:.0e}): {reached}")
        else:
            words.append(f"to {apart[name]:.0e} in {name}")
    return "maps " + "; ".join(words)
