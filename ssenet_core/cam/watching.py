"""Class activation maps of a few training images, shown in TensorBoard during the training.

The images are the same every time. The training's results do not depend on this module.
"""

import numpy as np
import torch
from torch import Tensor, nn

from ssenet_core.cam.inference import normalised_maps, single_scale_maps
from ssenet_core.data import augment
from ssenet_core.data.dataset import evenly_spaced
from ssenet_core.data.manifest import ImageRecord, Manifest
from ssenet_core.pictures import heat_overlay
from ssenet_core.settings import CamTraining

WATCHED = 4  # images
HEAT_SHARE = 0.6  # opacity of a map over its image


class WatchedMaps:
    """Draws the class activation maps of a few tagged images.

    Args:
        manifest: of the train split.
        settings: of the training; `resize` and `alignment` are read.
    """

    def __init__(self, manifest: Manifest, settings: CamTraining) -> None:
        tagged = [record for record in manifest.images if record.tags]
        self.records = evenly_spaced(tagged, WATCHED)
        self.classes = manifest.classes
        self.longest = max(settings.resize)
        self.alignment = settings.alignment

    def __call__(self, network: nn.Module) -> dict[str, Tensor]:
        """Image and class maps side by side, (3, H, W) in [0, 1], by "id: classes".

        The network's mode (training or evaluation) is restored.
        """
        training = network.training
        network.eval()
        try:
            with torch.no_grad():
                return {
                    self._name(record): self._picture(network, record) for record in self.records
                }
        finally:
            network.train(training)

    def _name(self, record: ImageRecord) -> str:
        return f"{record.id}: {', '.join(self.classes[tag - 1] for tag in record.known_tags)}"

    def _picture(self, network: nn.Module, record: ImageRecord) -> Tensor:
        photograph = augment.resize_longest(record.photograph(), self.longest)
        scores = single_scale_maps(network, photograph, 1.0, False, self.alignment)
        heats = normalised_maps(scores, record.known_tags)
        overlays = [heat_overlay(photograph, heat, HEAT_SHARE) for heat in heats]
        row = np.concatenate([np.asarray(picture) for picture in (photograph, *overlays)], axis=1)
        return torch.from_numpy(row).permute(2, 0, 1) / 255
