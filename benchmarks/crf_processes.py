"""The dense CRF of several images in two processes against one: how far it is from twice as fast.

Measured is `refine_cam`, files read and written, the start of the processes included. They import
this file too, so it leaves torch and the generated images to the first one. Where other work has
the cores, processor time says what two processes cost beyond one.

    python benchmarks/crf_processes.py [--runs 2] [--number 72] [--images FOLDER]
"""

import os
import tempfile
from pathlib import Path

from compare import median_seconds, must, options, row, verdict

from ssenet_core.io.maps import ClassMaps, write_maps
from ssenet_core.refine import refine_cam
from ssenet_core.settings import RefineSettings
from ssenet_core.shard import Shard

SETTINGS = RefineSettings.model_validate(
    {
        "powers": (4, 24),
        "alpha": 0.2,
        "iterations": 10,
        "gaussian": {"sxy": 3, "compat": 3},
        "bilateral": {"sxy": 80, "srgb": 13, "compat": 10},
    }
)


def shard_of(number: int, root: Path, folder: Path | None) -> Shard:
    """Photographs and their maps on disk, as `refine_cam` reads them."""
    import numpy as np
    from inputs import class_maps, write_photographs, write_split

    records = write_photographs(root, number, folder=folder)
    write_split(root / "manifest.json", records)
    for place, record in enumerate(records):
        maps = class_maps(classes=len(record.known_tags), number=place)
        write_maps(
            root / f"{record.id}.h5", ClassMaps(record.id, maps, np.array(record.known_tags))
        )
    files = [root / "out" / f"{record.id}.h5" for record in records]
    return Shard(root / "manifest.json", files, root / "out" / "record.json", 0)


def processor_time() -> float:
    """Seconds that this process and those that it has ended spent computing."""
    return sum(os.times()[:4])


def main() -> None:
    """Take turns with one process and two, and compare the files."""
    parser = options(__doc__, runs=2)
    parser.add_argument("--number", type=int, default=72, help="images; a shard of VOC 2012 has 73")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        shard = shard_of(given.number, root, given.images)

        spent = {}

        def refine(workers: int) -> list[bytes]:
            before = processor_time()
            refine_cam(shard, SETTINGS, maps_dir=root, workers=workers)
            spent[workers] = processor_time() - before
            return [Path(file).read_bytes() for file in shard.files]

        must(refine(1) == refine(2), "files of one process and of two")
        one, two = median_seconds(lambda: refine(1), lambda: refine(2), runs=given.runs)
    share, load = one / two / 2, os.getloadavg()[0]
    print(f"{given.number} images: {one:.1f} s in one process, {two:.1f} s in two; load {load:.1f}")
    print(f"processor time: {spent[1]:.1f} s in one process, {spent[2]:.1f} s in two")
    row(
        f"dense CRF of {given.number} images in 2 processes",
        "one process",
        ">= 0.9 of twice as fast",
        f"{share:.2f} ({one:.1f} to {two:.1f} s, their start included; processor time "
        f"{spent[1]:.1f} to {spent[2]:.1f} s; load {load:.1f} on {len(os.sched_getaffinity(0))} "
        "cores): " + verdict(share >= 0.9),
        "files bitwise",
    )


if __name__ == "__main__":
    main()
