"""Class activation maps on a GPU, four scales and flips: bf16, a view with its mirror image.

The plain way computes one view at a time in float32. Maps are compared for the three classes of
each photograph that are highest on average, as a random network has no tagged ones. Timed besides,
once, is the whole stage, from photographs on disk to HDF5 files, its loading of the network
included: with all in turn, and with processes that write beside the GPU.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cards import (
    ENOUGH,
    NAMES,
    card_options,
    list_kernels,
    rate_of_products,
    said,
    sound_network,
    training_data,
    whole_float32,
)
from compare import row, verdict
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from ssenet_core.cam.inference import infer_cam, multi_scale_maps, normalised_maps
from ssenet_core.data.augment import to_tensor
from ssenet_core.data.manifest import ImageRecord, load_manifest
from ssenet_core.data.views import image_tensor, views_at
from ssenet_core.models.catalogue import IMAGENET
from ssenet_core.models.checkpoints import load_checkpoint, save_checkpoint
from ssenet_core.models.device import autocast
from ssenet_core.shard import Shard

STAGE = "CAM inference, GPU, 4 scales and flips, 500 x 375"
PLAIN, BOUND = "one forward a view, batch 1, float32 without TF32", ">= 3 x images/s"
WORKERS = 3
LONG = 4.0  # seconds of a way


def one_view_at_a_time(network: nn.Module, image: ImageRecord, scales: Sequence[float]) -> Tensor:
    """Summed maps as Eq. 3 says them; plain resizing, as the paper's settings have it."""
    photograph = image.photograph()
    total = torch.zeros(())
    for pixels in views_at(photograph, scales):
        view = image_tensor(pixels, network)[None]
        for mirrored in (False, True):
            full = network(view.flip(3) if mirrored else view)
            for size in (view.shape[2:], (image.height, image.width)):
                full = functional.interpolate(full, size, mode="bilinear").relu()
            total = (full.flip(3) if mirrored else full)[0] + total.to(full.device)
    return total


def distance(one: Tensor, other: Tensor) -> float:
    """The largest difference of the three highest normalised maps."""
    highest = [int(index) + 1 for index in one.mean(dim=(1, 2)).topk(3).indices]
    return float(np.abs(normalised_maps(one, highest) - normalised_maps(other, highest)).max())


def main() -> None:
    """Both ways on the same photographs, and the stage."""
    card, given = card_options(__doc__, STAGE, PLAIN, BOUND, runs=2, photographs=8)
    settings = card.settings()
    if card.small:
        settings["inference"] = {**settings["inference"], "scales": [0.5, 0.25]}
    scales, alignment = settings["inference"]["scales"], settings["alignment"]
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        training_data(root, 1 if card.small else given.photographs, card, given.images)
        checkpoint, manifest = root / "model.pt", root / "manifest.json"
        images = load_manifest(manifest).images
        network = sound_network(card, torch.stack([to_tensor(images[0].photograph(), IMAGENET)]))
        save_checkpoint(checkpoint, network, kind="cam", settings=settings, classes=NAMES)
        plain = network.eval().to(card.device)
        ours, _ = load_checkpoint(checkpoint, "cam", card.device)
        dense = rate_of_products(card)

        def in_turn(record: ImageRecord, precision: str = "32-true") -> Tensor:
            with torch.inference_mode(), autocast(card.device, precision):
                return one_view_at_a_time(plain, record, scales)

        def together(record: ImageRecord, precision: str) -> Tensor:
            with torch.inference_mode(), autocast(card.device, precision):
                return multi_scale_maps(ours, record.photograph(), scales, True, alignment)

        def slowly(record: ImageRecord) -> Tensor:
            with whole_float32():
                return in_turn(record)

        def exactly(record: ImageRecord) -> Tensor:
            with whole_float32():
                return together(record, "32-true")

        def farthest(way: Callable[[ImageRecord], Tensor]) -> float:
            return max(distance(slowly(image), way(image)) for image in images[:2])

        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            multi_scale_maps(ours, images[0].photograph(), scales, True, alignment)
        operations = counter.get_total_flops() / 1e12
        print(f"{operations:.2f} x 10^12 operations an image", flush=True)
        ways: dict[str, Callable[[ImageRecord], Tensor]] = {
            "bf16": lambda image: together(image, "bf16-mixed"),
            "one view at a time, float32": slowly,
            "float16": lambda image: together(image, "16-mixed"),
            "float32": exactly,
            "float32, TF32": lambda image: together(image, "32-true"),
            "one view at a time, bf16": lambda image: in_turn(image, "bf16-mixed"),
        }
        seconds: dict[str, float] = {}
        apart: dict[str, float] = {}

        def measure(name: str) -> None:
            card.tidy()
            rounds: list[float] = []
            # The first one does not count; slow ways have one more.
            while len(rounds) < 2 or (len(rounds) <= given.runs and sum(rounds) < LONG):
                rounds.append(card.seconds(lambda: [ways[name](image) for image in images], 1))
            seconds[name] = statistics.median(rounds[1:]) / len(images)
            rate = operations / seconds[name]
            print(
                f"{name}: {1 / seconds[name]:.2f} images/s, {rate:.1f} TFLOP/s, "
                f"{rate / dense:.0%} of the dense rate, {card.peak():.1f} GiB",
                flush=True,
            )
            apart[name] = farthest(ways[name])
            print(f"{name}: maps differ by {apart[name]:.1e}", flush=True)
            if name == "bf16" and rate < ENOUGH * dense:
                list_kernels(card, "CAM inference in bf16, an image", lambda: ways[name](images[0]))

        for name in ways:
            card.tried(name, lambda name=name: measure(name))

        def stage(workers: int) -> None:
            files = [root / f"maps of {workers}" / f"{image.id}.h5" for image in images]
            shard = Shard(manifest, files, files[0].parent / "record.json", 0)
            how: dict[str, Any] = {**settings["inference"], "precision": "bf16-mixed"}
            started = time.perf_counter()
            infer_cam(shard, how, checkpoint=checkpoint, workers=workers)
            taken = time.perf_counter() - started
            print(
                f"the stage, {workers} processes beside: {taken:.1f} s for {len(images)} images, "
                "starting included",
                flush=True,
            )

        for workers in (0, 1 if card.small else WORKERS):
            card.tried(f"the stage, {workers} processes", lambda n=workers: stage(n))
    nothing = float("nan")
    slow, fast, exact, half = (
        seconds.get("one view at a time, float32", nothing),
        seconds.get("bf16", nothing),
        apart.get("float32", nothing),
        apart.get("bf16", nothing),
    )
    rounded = seconds.get("float32, TF32", nothing)
    alike = seconds.get("one view at a time, bf16", nothing)
    row(
        STAGE,
        PLAIN,
        BOUND,
        said(
            card,
            f"{slow / fast:.1f} x ({1 / slow:.1f} to {1 / fast:.1f} images/s): "
            f"{verdict(slow / fast >= 3)}; {alike / fast:.1f} x one view at a time in bf16, "
            f"{rounded / fast:.1f} x ours in float32 with TF32; "
            f"{operations / fast / dense:.0%} of the card's {dense:.0f} TFLOP/s",
        ),
        f"maps to {exact:.0e} in float32 (< 1e-4), to {half:.0e} in bf16 (< 2e-2), to "
        f"{apart.get('float16', nothing):.0e} in float16: " + verdict(exact < 1e-4 and half < 2e-2),
    )


if __name__ == "__main__":
    main()
