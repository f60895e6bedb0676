"""Masks as COCO's JSON holds them: polygons and run lengths, by pycocotools.

It is imported where it is used, as a machine that only trains may lack it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def encode_mask(pixels: NDArray[Any]) -> dict[str, Any]:
    """The compressed run lengths of a mask (H, W), zero outside."""
    from pycocotools import mask

    found = mask.encode(np.asfortranarray(pixels, np.uint8))
    return {"size": list(pixels.shape), "counts": found["counts"].decode("ascii")}


def decode_mask(segmentation: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask (H, W) of polygons, or of run lengths, compressed or not.

    Args:
        segmentation: a list of polygons [x, y, x, y, ...], or run lengths.
        size: height and width, pixels.

    Raises:
        ValueError: the run lengths are of another size, or none.
    """
    from pycocotools import mask

    if isinstance(segmentation, list):
        return mask.decode(mask.merge(mask.frPyObjects(segmentation, *size))).astype(bool)
    if tuple(segmentation["size"]) != size:
        raise ValueError(f"run lengths of size {segmentation['size']}, its image has {[*size]}")
    if isinstance(segmentation["counts"], list):
        if sum(segmentation["counts"]) != size[0] * size[1]:
            raise ValueError("run lengths that do not add up to the image's pixels")
        segmentation = mask.frPyObjects(segmentation, *size)
    return mask.decode(segmentation).astype(bool)
