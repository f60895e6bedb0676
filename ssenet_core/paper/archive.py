"""The archive of predictions that VOC's evaluation server takes."""

import logging
import tarfile
from collections.abc import Sequence
from pathlib import Path

from ssenet_core.errors import SSENetError
from ssenet_core.io.files import atomic_path

LOG = logging.getLogger("ssenet")
FOLDER = "results/VOC2012/Segmentation/comp6_test_cls"


def pack_predictions(
    images: Sequence[str], predictions_dir: str | Path, archive: str | Path
) -> None:
    """Pack indexed PNGs as `results/VOC2012/Segmentation/comp6_test_cls/{image id}.png`.

    Args:
        images: ids of the test split.
        predictions_dir: predicted labels, `{image id}.png` each.
        archive: gzipped tar file to write.

    Raises:
        SSENetError: predictions are missing; it says how many and names the first.
    """
    paths = [Path(predictions_dir) / f"{image}.png" for image in images]
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise SSENetError(
            f"{len(missing)} of {len(paths)} predictions are missing, the first: {missing[0]}; "
            "run the workflow again"
        )
    with atomic_path(archive) as temporary, tarfile.open(temporary, "w:gz") as tar:
        for path in paths:
            tar.add(path, f"{FOLDER}/{path.name}", recursive=False)
    LOG.info("%s: predictions of %d images", archive, len(paths))
