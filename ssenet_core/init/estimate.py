"""How long a run will take on this machine, from a few steps of its first training."""

import os
import time
from pathlib import Path

from ssenet_core.settings import read_configuration

STEPS, BATCH = 3, 4
# Processor time of a run on PASCAL VOC photographs with the settings that init writes, in units of
# one image in a step of the CAM network's training (docs/results.md). DeepLab's training is counted
# by its steps, as a small set of images has as many as some hundreds of images.
FOR_EACH_IMAGE = 17  # for each training image, all else
DEEPLAB_IMAGE = 0.38  # for an image in a step of DeepLab's training


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

    whole = read_configuration([configuration])
    settings, deeplab = whole.cam.resolve("ssenet"), whole.deeplab.resolve("default")
    network = build_network(settings, [str(number) for number in range(classes)]).train()
    loss = cam_loss(settings)
    batch = {
        "image": torch.rand(BATCH, 3, settings.crop, settings.crop),
        "tags": torch.ones(BATCH, classes),
    }
    start = 0.0
    for step in range(STEPS):
        if step == 1:  # the first step is slower
            start = time.process_time()
        loss(network, batch)["loss"].backward()
    seconds = (time.process_time() - start) / ((STEPS - 1) * BATCH)
    deeplab_images = deeplab.iterations * deeplab.batch_size
    units = FOR_EACH_IMAGE * images + DEEPLAB_IMAGE * deeplab_images
    return units * seconds / cores / 60
