"""One training step and one inference at the paper's full size, on the CPU: time and memory.

ResNet-38 at full width with the settings of recipes/voc2012.yaml, random weights and noise for
images: batches of 2 crops of 448 pixels, and maps of a 500 x 375 image at four scales. Each part
runs in a process of its own, so that its peak memory is its own.

    python benchmarks/full_size.py [--threads N] [PART ...]
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from settings import paper

from ssenet_core.affinity.training import pair_loss
from ssenet_core.cam.inference import multi_scale_maps
from ssenet_core.cam.training import cam_loss
from ssenet_core.deeplab.training import pixel_loss
from ssenet_core.models.networks import build_network
from ssenet_core.training.optimizer import build_optimizer

CLASSES = [f"class {number}" for number in range(20)]
BATCH, CROP, STRIDE = 2, 448, 8


def step(section: str, name: str, loss: Callable[..., Any], batch: dict[str, Any]) -> float:
    """One step of gradient descent; returns the loss."""
    chosen = paper(section, name)
    network = build_network(chosen, CLASSES).train()
    optimizer = build_optimizer(network, network.head(), chosen.optimizer)
    batch["image"] = torch.randn(BATCH, 3, CROP, CROP)
    total = loss(network, batch)["loss"]
    total.backward()
    optimizer.step()
    return float(total.detach())


def cam_step() -> float:
    tags = torch.zeros(BATCH, len(CLASSES))
    tags[:, :2] = 1
    return step("cam", "ssenet", cam_loss(paper("cam", "ssenet")), {"tags": tags})


def affinity_step() -> float:
    labels = torch.randint(0, 3, (BATCH, CROP // STRIDE, CROP // STRIDE), dtype=torch.uint8)
    loss = pair_loss(paper("affinity", "default"))
    return step("affinity", "default", loss, {"labels": labels})


def deeplab_step() -> float:
    labels = torch.randint(0, len(CLASSES) + 1, (BATCH, CROP, CROP), dtype=torch.uint8)
    return step("deeplab", "default", pixel_loss, {"labels": labels})


def cam_inference() -> float:
    chosen = paper("cam", "ssenet")
    network = build_network(chosen, CLASSES).eval()
    noise = np.random.default_rng(0).integers(0, 256, (375, 500, 3), dtype=np.uint8)
    inference = chosen.inference
    with torch.inference_mode():
        maps = multi_scale_maps(
            network,
            Image.fromarray(noise),
            inference.scales,
            inference.flip,
            chosen.alignment,
        )
    return float(maps.max())


PARTS = {
    "cam training, SSENet": cam_step,
    "AffinityNet training": affinity_step,
    "DeepLab training": deeplab_step,
    "CAM inference": cam_inference,
}


def main() -> None:
    """Run the parts that are asked for, each in its own process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"out of: {', '.join(PARTS)}")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.here:
        for part in options.parts or PARTS:
            command = [sys.executable, __file__, "--here", "--threads", str(options.threads), part]
            subprocess.run(command, check=True)
        return
    (part,) = options.parts
    torch.set_num_threads(options.threads)
    # Random weights give features far apart, and gradients too small for normal numbers, which
    # processors work through very slowly; trained networks have neither.
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    started = time.perf_counter()
    result = PARTS[part]()
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{part}: {seconds:.0f} s, {peak:.1f} GiB, {options.threads} threads (result {result:.4g})"
    )


if __name__ == "__main__":
    main()
