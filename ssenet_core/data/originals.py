"""Original photographs of a dataset: where they are, and the dataset of their working copies.

The workflow asks while it is read, so nothing slow is imported here. `find_originals` raises an
`SSENetError` for images without a photograph, or with several.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from ssenet_core.errors import SSENetError, listing
from ssenet_core.io.files import read_json, sha256_file
from ssenet_core.settings import DatasetSettings

PHOTOGRAPH_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp"),
    *(".gif", ".ppm", ".pgm", ".heic", ".heif", ".avif"),
)
# What cameras write besides; whoever has such files wants to hear that they are not read.
UNREAD_SUFFIXES = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".jp2")


def find_originals(folder: str | Path, ids: Iterable[str]) -> dict[str, Path]:
    """The photograph of each id in a folder and its subfolders, whatever its suffix.

    Args:
        folder: of photographs.
        ids: as `image_id` makes them, in the order to return.

    Raises:
        SSENetError: an id has no photograph, or several; all are listed.
    """
    ids, found = list(ids), photographs_in(folder)
    wrong = {image: found.get(image, []) for image in ids if len(found.get(image, [])) != 1}
    problems = [
        f"image {image}: {' and '.join(map(str, files)) or 'no such photograph'}"
        for image, files in wrong.items()
    ]
    if problems:
        suffixes = ", ".join(PHOTOGRAPH_SUFFIXES)
        heading = f"{folder}: expected one photograph an image ({suffixes})"
        raise SSENetError(listing(heading, problems))
    return {image: found[image][0] for image in ids}


def photographs_in(folder: str | Path) -> dict[str, list[Path]]:
    """All photographs in a folder and its subfolders, by id; hidden ones are left out."""
    root = Path(folder)
    found: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        hidden = any(part.startswith(".") for part in inside.parts)
        if path.suffix.lower() in PHOTOGRAPH_SUFFIXES and not hidden and path.is_file():
            found.setdefault(image_id(inside), []).append(path)
    return found


def pictures_in(folder: Path, suffixes: tuple[str, ...] = PHOTOGRAPH_SUFFIXES) -> list[Path]:
    """Files of a folder with a photograph's suffix, sorted; hidden ones are left out."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()
    )


def subfolders_with_pictures(folder: Path) -> list[Path]:
    """Folders in a folder that have pictures in them, sorted."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and pictures_in(path))


def correction_files(source: str | Path) -> list[Path]:
    """The files of `dataset.corrections`: masks and JSON of a folder, sorted, or the one file.

    Raises:
        SSENetError: there is no such folder or file.
    """
    source = Path(source)
    if not source.exists():
        raise SSENetError(
            f"dataset.corrections: {source}: no such folder or file (seen from {Path.cwd()})"
        )
    if not source.is_dir():
        return [source]
    return sorted(
        path
        for path in source.rglob("*")
        if path.suffix.lower() in {".png", ".json"} and not path.name.startswith(".")
    )


def image_id(inside: Path) -> str:
    """The id of a photograph by its path below the folder: red_001 of red/001.jpg."""
    return "_".join(inside.with_suffix("").parts)


def working_dataset(
    source: DatasetSettings, folder: str | Path, classes: Sequence[str]
) -> DatasetSettings:
    """The dataset of the working copies; its lists and labels stay where they are.

    Args:
        source: of the originals.
        folder: of the working copies.
        classes: names of the foreground classes.
    """
    root = Path(source.root or "").absolute()
    tables = {split: name and str(root / name) for split, name in source.tags_csv}
    return source.model_copy(
        update={
            "root": str(folder),
            "classes": tuple(classes),
            "image_dir": Path(source.image_dir).name or "JPEGImages",
            "image_suffix": ".jpg",
            "mask_dir": "SegmentationClass" if source.mask_dir else None,
            "annotation_dir": str(root / source.annotation_dir),
            "list_dir": str(root / source.list_dir),
            "tags_csv": source.tags_csv.model_copy(update=tables),
        }
    )


def originals_digest(files: Iterable[Path | None], record: str | Path) -> str:
    """A text that changes when photographs or masks do.

    Their sizes and dates tell; where only a date is another than when they were prepared, their
    content does.

    Args:
        files: photographs and masks.
        record: of their preparation, if there was one.
    """
    known = _recorded_states(record)
    states = [file and (str(file), *_state(file, known.get(str(file)))) for file in files]
    return sha256(repr(states).encode()).hexdigest()[:16]


def file_state(file: Path) -> list[Any]:
    """Size (bytes), date (nanoseconds) and SHA-256 checksum of a file, for the record."""
    status = file.stat()
    return [status.st_size, status.st_mtime_ns, sha256_file(file)]


def _recorded_states(record: str | Path) -> dict[str, list[Any]]:
    try:
        found = read_json(record)["files"]
    except (SSENetError, KeyError, TypeError):  # none yet, or a damaged one, which is made again
        return {}
    return found if isinstance(found, dict) else {}


def _state(file: Path, known: Sequence[Any] | None) -> tuple[int, int]:
    try:
        status = file.stat()
    except OSError:  # the job says which file is missing
        return 0, 0
    size, date = status.st_size, status.st_mtime_ns
    touched = known and known[0] == size and known[1] != date
    if known and touched and sha256_file(file) == known[2]:
        return size, known[1]
    return size, date
