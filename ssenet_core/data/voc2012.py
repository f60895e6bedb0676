"""PASCAL VOC 2012 among the downloads: what a configuration needs of it and is not on disk.

The workflow asks while it is read, so nothing slow is imported here.
"""

import os
from pathlib import Path

from ssenet_core.settings import Settings

LISTS = "ImageSets/Segmentation"
IMAGES = "JPEGImages"
AUG = "SegmentationClassAug"  # the masks of VOC and of the Semantic Boundaries Dataset
TRAIN_AUG = f"{LISTS}/train_aug.txt"


def voc2012_root(settings: Settings) -> Path:
    """The folder that VOC 2012 is downloaded into."""
    return Path(settings.download.folder) / "VOC2012"


def missing_voc2012(settings: Settings) -> list[Path]:
    """Folders and lists that the dataset lacks; none where it lies anywhere but in `voc2012_root`.

    Args:
        settings: the whole configuration.
    """
    dataset, root = settings.dataset, voc2012_root(settings)
    if dataset.source != "voc" or dataset.root is None or dataset.list_dir != LISTS:
        return []
    if os.path.realpath(dataset.root) != os.path.realpath(root):
        return []
    needed = [IMAGES]
    if "train_aug" in dataset.lists.plain().values() and not (root / TRAIN_AUG).exists():
        needed += [AUG, TRAIN_AUG]
    elif dataset.mask_dir == AUG:
        needed.append(AUG)
    return [root / name for name in needed if not (root / name).exists()]
