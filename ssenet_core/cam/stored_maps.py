"""Class activation maps of an image, read back for the stages that lay them on its photograph."""

from pathlib import Path

from PIL import Image

from ssenet_core.data.manifest import ImageRecord
from ssenet_core.errors import SSENetError
from ssenet_core.io.maps import ClassMaps, read_maps


def maps_on(photograph: Image.Image, record: ImageRecord, path: Path) -> ClassMaps:
    """Read the maps of one image.

    Args:
        photograph: the image that the maps are for.
        record: the manifest's of it.
        path: HDF5 of the maps.

    Raises:
        SSENetError: missing or damaged, of another image, or of another size than the photograph.
    """
    maps = read_maps(path)
    if maps.image_id != record.id:
        raise SSENetError(
            f"{path}: expected maps of image {record.id}, found {maps.image_id}; "
            "delete the file and run the workflow again"
        )
    size = (photograph.height, photograph.width)
    if maps.maps.shape[1:] != size:
        raise SSENetError(
            f"{path}: expected maps of {record.image}'s size {size} (height, width), "
            f"found {maps.maps.shape[1:]}; delete the file and run the workflow again"
        )
    return maps
