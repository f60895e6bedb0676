"""Dense CRF of class activation maps: affinity labels for one shard of images (rule refine_cam).

`refine_cam` raises one `SSENetError` that names every image whose files are bad.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssenet_core.crf import dense_crfs
from ssenet_core.errors import SSENetError
from ssenet_core.io.maps import ClassMaps, RefinedScores, write_refined
from ssenet_core.jobs import progress
from ssenet_core.scores import (
    constant_background,
    labels_from_scores,
    power_background,
    power_name,
    with_background,
)
from ssenet_core.settings import RefineSettings
from ssenet_core.shard import Shard, maps_on


def refine_cam(shard: Shard, settings: RefineSettings, *, maps_dir: str | Path) -> None:
    """Refine the class activation maps of one shard's images.

    An image's HDF5 file has the posteriors with the background of each power, and the labels with
    the constant background.

    Args:
        shard: the job's images.
        settings: backgrounds, iterations and kernels.
        maps_dir: class activation maps, `{image id}.h5` each.

    Raises:
        SSENetError: names every image whose files are missing, damaged or do not fit together.
    """
    pairs, faults = shard.pairs(), []
    for image, output in progress(pairs, total=len(pairs), description="dense CRF"):
        try:
            photograph = image.photograph()
            maps = maps_on(photograph, image, Path(maps_dir) / f"{image.id}.h5")
            write_refined(output, refine(np.array(photograph), maps, settings))
        except SSENetError as error:
            faults.append(str(error))
    if faults:
        raise SSENetError("\n".join(faults))
    shard.finish("dense CRF")


def refine(
    photograph: NDArray[np.uint8], maps: ClassMaps, settings: RefineSettings
) -> RefinedScores:
    """CRF posteriors of one image for each background, all from one inference.

    Args:
        photograph: RGB, (H, W, 3) uint8.
        maps: class maps of the same H and W; without classes all is background.
        settings: as in `refine_cam`.

    Returns:
        Posteriors of the backgrounds of `settings.powers`, and labels of the constant background.
    """
    backgrounds = {
        power_name(power): power_background(maps.maps, power) for power in settings.powers
    }
    stacks = [with_background(maps.maps, background) for background in backgrounds.values()]
    constant = constant_background(maps.maps, settings.alpha)
    stacks.append(with_background(maps.maps, constant))
    answers = dense_crfs(photograph, stacks, settings)
    labels = labels_from_scores(answers.pop(), maps.classes)
    posteriors = dict(zip(backgrounds, answers, strict=True))
    return RefinedScores(maps.image_id, maps.classes, posteriors, labels)
