"""How long a run will take on this machine, from a few steps of its first training."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from ssenet_core.settings import read_configuration

STEPS, BATCH = 3, 4
# Processor time of an image in the run of PASCAL VOC photographs (docs/results.md).
LOADING = 1.2  # of the CAM network's training, in its steps
# In forward passes of the CAM network, of a training crop:
AFFINITY_STEP, DEEPLAB_STEP = 4.5, 2.3
MAPS_OF_A_SCALE = 8.5
CRF_AND_WALK = 19


def estimated_minutes(configuration: Path, images: int, classes: int, cores: int) -> float:
    """Minutes of a run on the CPU, within a factor of about 1.5.

    Args:
        configuration: as `ssenet init` wrote it.
        images: to train on.
        classes: foreground classes.
        cores: CPU cores to compute with.
    """
    # As in the workflow's jobs: threads that wait take no time. It counts before torch is loaded,
    # which takes seconds.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    from ssenet_core.cam.training import cam_loss
    from ssenet_core.models.networks import build_network

    settings = read_configuration([configuration])
    cam = settings.cam.resolve("ssenet")
    affinity, deeplab = settings.affinity.defaults, settings.deeplab.defaults
    network = build_network(cam, [str(number) for number in range(classes)]).train()
    loss = cam_loss(cam)
    crops = torch.rand(BATCH, 3, cam.crop, cam.crop)
    batch = {"image": crops, "tags": torch.ones(BATCH, classes)}
    step = _seconds_an_image(lambda: loss(network, batch)["loss"].backward())
    with torch.no_grad():
        forward = _seconds_an_image(lambda: network(crops))
    passes = (
        AFFINITY_STEP * affinity.epochs
        + DEEPLAB_STEP * deeplab.iterations * deeplab.batch_size / images
        + MAPS_OF_A_SCALE * len(cam.inference.scales)
        + CRF_AND_WALK
    )
    return images * (LOADING * cam.epochs * step + passes * forward) / cores / 60


def _seconds_an_image(compute: Callable[[], object]) -> float:
    """Processor time of a computation on a batch; the first time, which is slower, is left out."""
    compute()
    start = time.process_time()
    for _ in range(STEPS - 1):
        compute()
    return (time.process_time() - start) / ((STEPS - 1) * BATCH)
