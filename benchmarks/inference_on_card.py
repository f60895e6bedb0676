"""Class activation maps on a GPU, four scales and flips: bf16, a view with its mirror image.

The plain way computes one view at a time in float32. Maps are compared for the three classes of
each photograph that are highest on average, as a random network has no tagged ones. Timed besides
is the whole stage, from photographs on disk to HDF5 files, its loading of the network included:
with all in turn, and with processes that write beside the GPU.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from cards import NAMES, card_options, said, sound_network, training_data, whole_float32
from compare import must, row, verdict
from torch import Tensor, nn
from torch.nn import functional

from ssenet_core.cam.inference import infer_cam, multi_scale_maps, normalised_maps
from ssenet_core.data.augment import to_tensor
from ssenet_core.data.manifest import ImageRecord, load_manifest
from ssenet_core.data.views import image_tensor, views_at
from ssenet_core.models.catalogue import IMAGENET
from ssenet_core.models.checkpoints import load_checkpoint, save_checkpoint
from ssenet_core.models.device import autocast
from ssenet_core.settings import CamTraining
from ssenet_core.shard import Shard

STAGE = "CAM inference, GPU, 4 scales and flips, 500 x 375"
PLAIN, BOUND = "one forward a view, batch 1, float32 without TF32", ">= 3 x images/s"
WORKERS = 3


def one_view_at_a_time(network: nn.Module, image: ImageRecord, scales: Sequence[float]) -> Tensor:
    """Summed maps as Eq. 3 says them; plain resizing, as the paper's settings have it."""
    photograph = image.photograph()
    total = torch.zeros(())
    for pixels in views_at(photograph, scales):
        view = image_tensor(pixels, network)[None]
        for mirrored in (False, True):
            maps = network(view.flip(3) if mirrored else view).relu()
            full = functional.interpolate(
                maps, (image.height, image.width), mode="bilinear", align_corners=False
            )
            total = (full.flip(3) if mirrored else full)[0] + total.to(full.device)
    return total


def distance(one: Tensor, other: Tensor) -> float:
    """The largest difference of the three highest normalised maps."""
    highest = [int(index) + 1 for index in one.mean(dim=(1, 2)).topk(3).indices]
    return float(np.abs(normalised_maps(one, highest) - normalised_maps(other, highest)).max())


def main() -> None:
    """Both ways on the same photographs, and the stage."""
    card, given = card_options(__doc__, STAGE, PLAIN, BOUND, runs=3, photographs=32)
    settings = card.settings()
    scales, alignment = settings.inference.scales, settings.alignment
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        training_data(root, given.photographs, card, given.images)
        checkpoint, manifest = root / "model.pt", root / "manifest.json"
        images = load_manifest(manifest).images
        network = sound_network(card, torch.stack([to_tensor(images[0].photograph(), IMAGENET)]))
        save_checkpoint(checkpoint, network, settings=settings, classes=NAMES)
        plain = network.eval().to(card.device)
        ours, _ = load_checkpoint(checkpoint, CamTraining, card.device)

        def in_turn(record: ImageRecord) -> Tensor:
            with torch.inference_mode(), whole_float32():
                return one_view_at_a_time(plain, record, scales)

        def together(record: ImageRecord, precision: str) -> Tensor:
            with torch.inference_mode(), autocast(card.device, precision):
                return multi_scale_maps(ours, record.photograph(), scales, True, alignment)

        def exactly(record: ImageRecord) -> Tensor:
            with whole_float32():
                return together(record, "32-true")

        few = images[: min(8, len(images))]
        exact = max(distance(in_turn(image), exactly(image)) for image in few)
        half, sixteen = (
            max(distance(in_turn(image), together(image, precision)) for image in few)
            for precision in ("bf16-mixed", "16-mixed")
        )

        def stage(workers: int) -> None:
            files = [root / "maps" / f"{image.id}.h5" for image in images]
            shard = Shard(manifest, files, root / "maps" / "record.json", 0)
            how = settings.inference.model_copy(update={"precision": "bf16-mixed"})
            infer_cam(shard, how, checkpoint=checkpoint, workers=workers)

        def every(way: Callable[[ImageRecord], object]) -> Callable[[], object]:
            return lambda: [way(image) for image in images]

        seconds = card.medians(
            {
                "one view at a time, float32": every(in_turn),
                "float32": every(exactly),
                "float32, TF32": every(lambda image: together(image, "32-true")),
                "bf16": every(lambda image: together(image, "bf16-mixed")),
                "float16": every(lambda image: together(image, "16-mixed")),
                "the stage, all in turn": lambda: stage(0),
                f"the stage, {WORKERS} processes beside": lambda: stage(WORKERS),
            },
            runs=given.runs,
        )
    for name, found in seconds.items():
        print(f"{name}: {len(images) / found:.2f} images/s")
    slow, fast = seconds["one view at a time, float32"], seconds["bf16"]
    print(f"maps differ by {exact:.1e} in float32, {half:.1e} in bf16, {sixteen:.1e} in float16")
    turn, beside = (found for name, found in seconds.items() if name.startswith("the stage"))
    row(
        STAGE,
        PLAIN,
        BOUND,
        said(
            card,
            f"{slow / fast:.1f} x ({len(images) / slow:.1f} to {len(images) / fast:.1f} "
            f"images/s): {verdict(slow / fast >= 3)}; {seconds['float32, TF32'] / fast:.1f} x ours "
            f"in float32 with TF32; the stage, starting included, "
            f"{len(images) / turn:.1f}, with processes beside it {len(images) / beside:.1f}",
        ),
        f"maps to {exact:.0e} in float32 (< 1e-4), to {half:.0e} in bf16 (< 2e-2): "
        + verdict(half < 2e-2),
    )
    must(exact < 1e-4, f"float32 maps by {exact}")


if __name__ == "__main__":
    main()
