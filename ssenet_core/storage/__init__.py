"""What the stages pass on to each other, as files: each is either whole or absent.

`files` writes atomically and holds JSON and checksums, `images` photographs and label pictures,
`maps` the per-image HDF5 formats.
"""

from ssenet_core.storage.files import (
    atomic_path,
    read_json,
    remove_leftovers,
    sha256_file,
    write_json,
    write_record,
    write_text,
)
from ssenet_core.storage.images import (
    VOID,
    label_picture,
    load_image,
    read_label_png,
    voc_palette,
    write_label_png,
    write_png,
)
from ssenet_core.storage.maps import (
    ClassMaps,
    RefinedScores,
    read_maps,
    read_refined,
    write_maps,
    write_refined,
)

__all__ = [
    "VOID",
    "ClassMaps",
    "RefinedScores",
    "atomic_path",
    "label_picture",
    "load_image",
    "read_json",
    "read_label_png",
    "read_maps",
    "read_refined",
    "remove_leftovers",
    "sha256_file",
    "voc_palette",
    "write_json",
    "write_label_png",
    "write_maps",
    "write_png",
    "write_record",
    "write_refined",
    "write_text",
]
