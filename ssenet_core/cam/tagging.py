"""Probabilities of the classes of whole images, from CAM networks' classification scores.

`score_tags` raises `SSENetError` for invalid checkpoints and images, and scores that are not
finite.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ssenet_core.cam.alignment import pixel_mean
from ssenet_core.data.augment import Pixels, mirrored_batch, read_views
from ssenet_core.data.manifest import load_manifest
from ssenet_core.data.tag_scores import TagScores
from ssenet_core.io.files import write_json
from ssenet_core.jobs import gpu_memory, progress
from ssenet_core.models.checkpoints import load_checkpoint
from ssenet_core.models.device import autocast, check_finite, pick_device
from ssenet_core.settings import CamTraining


def score_tags(
    *,
    checkpoints: Sequence[str | Path],
    manifests: Sequence[str | Path],
    output: str | Path,
    held_out: bool,
    scale: float,
    flip: bool,
    precision: str,
) -> None:
    """Write the classes' probabilities of all images of some manifests, see `TagScores`.

    Args:
        checkpoints: of CAM networks.
        manifests: of the images that each network is asked about.
        output: JSON to write.
        held_out: whether each network was trained without its images.
        scale: of the image, as a factor of its size.
        flip: whether the mirrored image is asked about too.
        precision: Lightning's name of it.
    """
    device = pick_device()
    found, classes = dict[str, list[float]](), list[str]()
    for checkpoint, manifest in zip(checkpoints, manifests, strict=True):
        network, _ = load_checkpoint(checkpoint, CamTraining, device)
        split = load_manifest(manifest)
        classes = list(split.classes)
        steps = progress(split.images, total=len(split.images), description="class probabilities")
        for image in steps:
            _, (view,) = read_views(image, [scale])
            with (
                torch.inference_mode(),
                autocast(device, precision),
                gpu_memory(f"classes of {image.id}", "use a smaller first scale of the inference"),
            ):
                chances = class_probabilities(network, view, flip)
            found[image.id] = [round(p, 6) for p in check_finite(chances, precision).tolist()]
    write_json(output, TagScores(classes, held_out, found).to_json())


def class_probabilities(network: nn.Module, view: Pixels, flip: bool) -> Tensor:
    """Probability of each class in an image, (classes,): the sigmoid of what training pools.

    Args:
        network: a CAM network in evaluation mode.
        view: the image at some scale.
        flip: whether scores are the mean of the image's and its mirror image's.
    """
    maps = network(mirrored_batch(view, network, flip)).float()
    return torch.sigmoid(pixel_mean(maps, view.shape[:2]).mean(dim=0)).cpu()
