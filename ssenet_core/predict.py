"""Segmentation of photographs in any folder: masks, overlays and the classes' areas.

Writes `masks/{stem}.png`, on demand `overlays/{stem}.png`, and `areas.json`. Raises `SSENetError`
before anything is written for photographs with the same stem, and after all others are done for
unreadable ones.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssenet_core.data.originals import (
    PHOTOGRAPH_SUFFIXES,
    UNREAD_SUFFIXES,
    pictures_in,
    subfolders_with_pictures,
)
from ssenet_core.errors import SSENetError, listing
from ssenet_core.io.files import LONGEST_ID, is_file, read_json, write_json
from ssenet_core.io.images import write_label_png, write_png
from ssenet_core.io.photographs import read_photograph
from ssenet_core.jobs import progress
from ssenet_core.pictures import label_overlay
from ssenet_core.segmenter import Segmenter


def find_photographs(places: Sequence[str | Path]) -> dict[str, Path]:
    """Photographs by their stems, in the stems' order.

    Args:
        places: files of any suffix, and folders whose files with a picture's suffix are meant,
            without those of their subfolders and without hidden ones.

    Raises:
        SSENetError: a place does not exist, a folder has no photograph, or two photographs have
            the same stem; all are listed.
    """
    found: dict[str, list[Path]] = {}
    problems = []
    for place in map(Path, places):
        if not place.exists():
            problems.append(f"{place}: no such file or folder")
            continue
        files = pictures_in(place) if place.is_dir() else [place]
        if not files:
            problems.append(f"{place}: no {', '.join(PHOTOGRAPH_SUFFIXES)} file in this folder")
        for file in files:
            same = found.setdefault(file.stem, [])
            if file.absolute() not in [other.absolute() for other in same]:
                same.append(file)
    problems += [
        f"{' and '.join(map(str, files))}: their masks would have the same name"
        for files in found.values()
        if len(files) > 1
    ]
    if problems:
        raise SSENetError(listing("these photographs cannot be segmented", problems))
    return {stem: found[stem][0] for stem in sorted(found)}


def skipped_files(places: Sequence[str | Path]) -> list[str]:
    """What `find_photographs` skips in some folders although it may have been meant, a line each.

    Args:
        places: as there.
    """
    lines = []
    for folder in (place for place in map(Path, places) if place.is_dir()):
        lines += [
            f"{path} is left out: {path.suffix} is not read, save it as JPEG or PNG"
            for path in pictures_in(folder, UNREAD_SUFFIXES)
        ]
        lines += [
            f"{path} is left out: photographs in folders below are not looked for, name the folder"
            for path in subfolders_with_pictures(folder)
        ]
    return lines


def segment_photographs(
    segmenter: Segmenter,
    photographs: Mapping[str, Path],
    out: str | Path,
    *,
    overlays: bool = False,
) -> Path:
    """Write `masks/{stem}.png` of photographs, and each class's share of the pixels (`areas.json`).

    Masks and areas of other photographs in `out`, segmented with the same classes, are kept.

    Args:
        photographs: by their stems, as from `find_photographs`.
        out: folder to write to.
        overlays: whether to write `overlays/{stem}.png`, photographs with their labels' colours,
            at the size that the network looks at.

    Returns:
        The path of `areas.json`: by stem, class name to share of the pixels.

    Raises:
        SSENetError: `out` cannot be written to, holds the answers of a network with other classes,
            or would have a photograph overwritten; or, after all others are done, photographs could
            not be read.
    """
    masks, coloured, table = (Path(out, name) for name in ("masks", "overlays", "areas.json"))
    areas = _earlier_areas(table, masks, segmenter.classes)
    _prepare(photographs, [masks, coloured] if overlays else [masks])
    problems = []
    for stem, path in progress(photographs.items(), total=len(photographs), description="masks"):
        try:
            _check_name(stem, path)
            photograph = read_photograph(path, segmenter.longest_edge)
        except SSENetError as error:
            problems.append(str(error))
            continue
        labels = segmenter.labels(photograph.image, photograph.upright_size)
        write_label_png(masks / f"{stem}.png", labels)
        if overlays:
            small = Image.fromarray(labels).resize(photograph.image.size, Image.Resampling.NEAREST)
            overlay = label_overlay(photograph.image, np.asarray(small))
            write_png(coloured / f"{stem}.png", overlay)
        areas[stem] = shares(labels, segmenter.classes)
    write_json(table, dict(sorted(areas.items())))
    if problems:
        heading = f"{len(problems)} of {len(photographs)} photographs were left out"
        raise SSENetError(listing(heading, problems))
    return table


def shares(labels: NDArray[np.uint8], classes: Sequence[str]) -> dict[str, float]:
    """Each class's share of the pixels; they sum to one."""
    counts = np.bincount(labels.ravel(), minlength=len(classes))
    return {name: int(count) / labels.size for name, count in zip(classes, counts, strict=True)}


def _prepare(photographs: Mapping[str, Path], folders: Sequence[Path]) -> None:
    """Make the folders; refuse to if a file to write there is a photograph to read."""
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SSENetError(f"{folder}: cannot make this folder ({error.strerror})") from error
    overwritten = [
        str(path)
        for stem, path in photographs.items()
        if path.resolve() in [(folder / f"{stem}.png").resolve() for folder in folders]
    ]
    if overwritten:
        heading = "masks would overwrite these photographs, choose another folder"
        raise SSENetError(listing(heading, overwritten))


def _earlier_areas(table: Path, masks: Path, classes: Sequence[str]) -> dict[str, object]:
    """What earlier calls wrote into `table` of photographs whose masks are still there.

    Raises:
        SSENetError: the table cannot be read, or is of a network with other classes.
    """
    if not table.exists():
        return {}
    found = read_json(table)
    if not isinstance(found, dict) or not all(isinstance(areas, dict) for areas in found.values()):
        raise SSENetError(f"{table}: expected classes' areas by photograph; move it away")
    earlier = {stem: areas for stem, areas in found.items() if is_file(masks / f"{stem}.png")}
    for areas in earlier.values():
        if [*areas] != [*classes]:
            raise SSENetError(
                f"{table}: it is of a network with the classes {', '.join(areas)}, this one has "
                f"{', '.join(classes)}; give another folder"
            )
    return earlier


def _check_name(stem: str, path: Path) -> None:
    """Refuse a stem that other files' names cannot hold."""
    try:
        length = len(stem.encode())
    except UnicodeEncodeError:
        raise SSENetError(f"{str(path)!r}: its name is not UTF-8, rename it") from None
    if length > LONGEST_ID:
        raise SSENetError(f"{path}: its name is longer than {LONGEST_ID} bytes, shorten it")
