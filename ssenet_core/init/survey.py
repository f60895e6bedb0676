"""Survey of a folder of photographs, their tags and their masks.

Raises one `SSENetError` that names every bad photograph, row or mask.
"""

import difflib
import os
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ssenet_core.data.check import learning_problem, tags_from_mask
from ssenet_core.data.dataset import class_names
from ssenet_core.data.manifest import ImageRecord, Original
from ssenet_core.data.originals import PHOTOGRAPH_SUFFIXES, UNREAD_SUFFIXES, photographs_in
from ssenet_core.data.prepare import drawn_as_stored, original_of
from ssenet_core.data.tags import (
    TagTable,
    label_values,
    read_tag_table,
    tags_from_annotations,
    tags_from_coco,
    tags_from_folders,
)
from ssenet_core.errors import SSENetError, listing, some_of
from ssenet_core.io.files import sha256_file
from ssenet_core.io.images import check_label_values, read_label_png
from ssenet_core.io.photographs import read_photograph
from ssenet_core.jobs import progress
from ssenet_core.settings import DatasetSettings, validated


@dataclass(frozen=True)
class Survey:
    """Photographs and their tags, all of them readable.

    Attributes:
        folder: of the photographs.
        tags: the table, or what took its place.
        table: the file of the tags, if the workflow can read them from it as they are.
        classes: names of the foreground classes, in the order of their label values.
        records: the photographs that have tags, in the table's order, at the working copies' sizes.
        originals: what these photographs are stored as, by id.
        without_row: names of photographs in the folder that have no tags, and are left out.
        twins: ids of photographs whose files are the same, a group each.
    """

    folder: Path
    tags: TagTable
    table: Path | None
    classes: tuple[str, ...]
    records: tuple[ImageRecord, ...]
    originals: Mapping[str, Original]
    without_row: tuple[str, ...]
    twins: tuple[tuple[str, ...], ...]

    @property
    def ids(self) -> list[str]:
        """The photographs' ids, in the table's order."""
        return [record.id for record in self.records]

    def count_of(self, ids: Sequence[str]) -> dict[str, int]:
        """How many of some photographs have each class."""
        wanted = set(ids)
        tags = [tag for record in self.records if record.id in wanted for tag in record.known_tags]
        counts = Counter(tags)
        return {name: counts[value] for value, name in enumerate(self.classes, start=1)}

    def without_classes(self, ids: Sequence[str]) -> int:
        """How many of some photographs have none of the classes."""
        wanted = set(ids)
        return sum(record.id in wanted and not record.known_tags for record in self.records)

    @property
    def rotated(self) -> int:
        """How many are turned upright, as EXIF says."""
        return sum(original.orientation != 1 for original in self.originals.values())

    @property
    def suffixes(self) -> dict[str, int]:
        """How many photographs have each suffix, the most frequent first."""
        names = (Path(original.file).suffix for original in self.originals.values())
        return dict(Counter(names).most_common())


def survey(
    folder: str | Path,
    tags: str | Path | None,
    classes: str | Path | None = None,
    working_size: int | None = None,
) -> Survey:
    """Look at every photograph and row.

    Args:
        folder: of the photographs, with its subfolders.
        tags: a table, a COCO file, or a folder of VOC annotations; None for the names of the
            subfolders.
        classes: file with one class name a line, in the order of the masks' label values; without
            it the tags' names count, in alphabetical order.
        working_size: longest edge of the working copies, pixels; None: as stored.

    Raises:
        SSENetError: see the module.
    """
    folder = Path(folder).absolute()
    photographs = _photographs(folder)
    read = _read_tags(folder, photographs, None if tags is None else Path(tags).absolute())
    table = _without_folder(read, folder, photographs)
    known = _class_names(table, classes)
    values = {name: value for value, name in enumerate(known, start=1)}
    there = [image for image in table.rows if len(photographs.get(image, ())) == 1]
    look = partial(_look, photographs=photographs, table=table, values=values, edge=working_size)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        seen = [*progress(pool.map(look, there), total=len(there), description="photographs")]
    problems = [
        *table.problems,
        *_missing(folder, photographs, table),
        *(found for found in seen if isinstance(found, str)),
    ]
    if problem := learning_problem(table.rows.values(), known):
        problems.append(f"{table.path}: {problem}")
    if problems:
        heading = f"{folder} and {table.path}: {len(problems)} problem(s), nothing is written"
        raise SSENetError(listing(heading, problems))
    pairs = [found for found in seen if not isinstance(found, str)]
    return Survey(
        folder=folder,
        tags=table,
        table=Path(read.path) if table is read and _is_csv(tags) else None,
        classes=known,
        records=tuple(record for record, _ in pairs),
        originals={record.id: original for record, original in pairs},
        without_row=tuple(
            str(files[0].relative_to(folder))
            for image, files in photographs.items()
            if image not in table.rows
        ),
        twins=_twins([record for record, _ in pairs]),
    )


def _look(
    image: str,
    *,
    photographs: Mapping[str, Sequence[Path]],
    table: TagTable,
    values: Mapping[str, int],
    edge: int | None,
) -> tuple[ImageRecord, Original] | str:
    """One photograph's record and what it is stored as; a text if something is wrong with it."""
    path = photographs[image][0]
    try:
        photograph = read_photograph(path, edge)
        tags = label_values(table.rows[image], values, f"{table.path}: image {image}")
    except SSENetError as error:
        return str(error)
    width, height = photograph.image.size
    record = ImageRecord(
        id=image,
        image=path,
        mask=None,
        width=width,
        height=height,
        tags=tags,
        sha256=sha256_file(path),
    )
    return record, original_of(path, photograph)


def _twins(records: Sequence[ImageRecord]) -> tuple[tuple[str, ...], ...]:
    groups: dict[str, list[str]] = {}
    for record in records:
        groups.setdefault(record.sha256, []).append(record.id)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def _read_tags(
    folder: Path, photographs: Mapping[str, Sequence[Path]], tags: Path | None
) -> TagTable:
    """The tags from wherever they are, of which at least one row can be used."""
    if tags is None:
        table = tags_from_folders(photographs, folder)
    elif _is_csv(tags):
        table = read_tag_table(tags)
    else:
        table = tags_from_annotations(tags) if tags.is_dir() else tags_from_coco(tags)
    if not table.rows and tags is None:
        raise SSENetError(
            f"{folder}: no photograph is in a subfolder, whose name would be its class; give the "
            "table of tags after the folder: ssenet init FOLDER TAGS"
        )
    if not table.rows and table.problems:
        raise SSENetError(
            listing(f"{table.path}: no row can be used, nothing is written", table.problems)
        )
    if not table.rows:
        raise SSENetError(
            f"{table.path}: expected a row a photograph, found none below the first line"
        )
    if not any(table.rows.values()) and not table.problems:
        raise SSENetError(
            f"{table.path}: no row has a tag; write what is in each photograph beside it (an empty "
            "cell says that none of the classes is there)"
        )
    return table


def _is_csv(tags: str | Path | None) -> bool:
    return tags is not None and not (Path(tags).is_dir() or Path(tags).suffix.lower() == ".json")


def _without_folder(
    table: TagTable, folder: Path, photographs: Mapping[str, Sequence[Path]]
) -> TagTable:
    """A table that names photographs with their folder, photos/a.jpg, as one without it."""
    prefix = f"{folder.name}_"
    if not any(
        image not in photographs and image.removeprefix(prefix) in photographs
        for image in table.rows
    ):
        return table
    rows = {image.removeprefix(prefix): names for image, names in table.rows.items()}
    return replace(table, rows=rows)


def _class_names(table: TagTable, file: str | Path | None) -> tuple[str, ...]:
    """The classes of a file, or those that the tags name, in alphabetical order."""
    named = sorted({name for names in table.rows.values() for name in names})
    if file is None and "background" in named:
        raise SSENetError(
            f"{table.path}: 'background' is no class of its own; an empty cell says that none of "
            "the classes is there"
        )
    section = {
        "name": "own",
        "source": "voc",
        "root": "/",
        "classes": str(Path(file).absolute()) if file else named,
        "tags": ["csv"],
    }
    return class_names(validated(DatasetSettings, section, "dataset"))


def _photographs(folder: Path) -> dict[str, list[Path]]:
    """The photographs in a folder by id; not one each where files share a name."""
    if not folder.is_dir():
        what = "it is a file" if folder.exists() else "there is no such folder"
        raise SSENetError(
            f"{folder}: expected the folder of the photographs, which comes first, but {what}"
        )
    found = photographs_in(folder)
    if not found:
        unread = [path.name for path in folder.rglob("*") if path.suffix.lower() in UNREAD_SUFFIXES]
        hint = f"; {some_of(sorted(unread))}: this format is not read, save them as JPEG"
        raise SSENetError(
            f"{folder}: expected {', '.join(PHOTOGRAPH_SUFFIXES)} files, found none"
            f"{hint if unread else ''}"
        )
    return found


def _missing(folder: Path, photographs: Mapping[str, Sequence[Path]], table: TagTable) -> list[str]:
    """Rows without a photograph, each with what may have been meant, and rows with several."""
    several = [
        f"image {image}: {' and '.join(map(str, files))}: keep one of them, or rename one"
        for image in table.rows
        if len(files := photographs.get(image, [])) > 1
    ]
    missing = [image for image in table.rows if image not in photographs]
    if missing and len(missing) == len(table.rows):
        names = [str(files[0].relative_to(folder)) for files in photographs.values()]
        raise SSENetError(
            f"{table.path}: none of its {len(missing)} images ({some_of(missing)}) is in {folder}, "
            f"which has {some_of(names)}; give the folder and the table that belong together"
        )
    unread = {
        path.stem: f"; {path.name} is there, whose format is not read: save it as JPEG"
        for path in (folder.rglob("*") if missing else ())
        if path.suffix.lower() in UNREAD_SUFFIXES
    }
    below = {
        files[0].stem: f"; {files[0].relative_to(folder)} is there: write its path in the table"
        for files in photographs.values()
        if files[0].parent != folder
    }
    meant = {_normalised(image): image for image in reversed([*photographs])}
    # A photograph with a row of its own was not meant by a row that is only like it.
    free = [like for like, image in meant.items() if image not in table.rows]
    return several + [
        f"{table.path}: image {image}: not in the folder"
        + (unread.get(image) or below.get(image) or _hint(image, meant, free))
        for image in missing
    ]


def _hint(image: str, meant: Mapping[str, str], free: Sequence[str]) -> str:
    """What may have been meant: `meant` has ids by their loose forms, `free` some of those."""
    wanted = _normalised(image)
    near = meant.get(wanted)
    if near is None:
        close = difflib.get_close_matches(wanted, free, n=1, cutoff=0.8)
        return f"; is it {meant[close[0]]}?" if close else ""
    if unicodedata.normalize("NFC", near) == unicodedata.normalize("NFC", image):
        return "; the folder has it in another Unicode form: copy the name from there"
    return f"; the folder has {near}: write it so in the table"


def _normalised(name: str) -> str:
    """A name in small letters, in Unicode's composed form."""
    return unicodedata.normalize("NFC", name).casefold()


def check_masks(found: Survey, folder: str | Path) -> tuple[set[str], list[str]]:
    """Read the masks and compare them with the tags.

    Returns:
        The ids of the photographs that have a mask, and of those whose mask has a class that the
        tags do not name.

    Raises:
        SSENetError: no such folder, no mask of any photograph, bad masks (each is named), or masks
            and tags that disagree on most photographs.
    """
    folder = Path(folder).absolute()
    if not folder.is_dir():
        raise SSENetError(f"{folder}: expected the folder of the masks, there is no such folder")
    masked = [record for record in found.records if (folder / f"{record.id}.png").is_file()]
    if not masked:
        raise SSENetError(
            f"{folder}: expected masks named after the photographs, such as {found.ids[0]}.png, "
            "found none; leave --masks out if there are none: they are for the scores only"
        )
    problems, strange, lacking = [], [], []
    for record in masked:
        path = folder / f"{record.id}.png"
        try:
            labels = read_label_png(path)
            drawn_as_stored(path, labels, found.originals[record.id])
            check_label_values(path, labels, len(found.classes))
        except SSENetError as error:
            problems.append(str(error))
            continue
        drawn, named = set(tags_from_mask(labels)), set(record.known_tags)
        if drawn - named:
            strange.append(record.id)
        if named and not drawn & named:
            lacking.append(record.id)
    if problems:
        raise SSENetError(listing(f"{folder}: {len(problems)} bad mask(s)", problems))
    values = ", ".join(f"{value} {name}" for value, name in enumerate(found.classes, start=1))
    meant = f"Label values are taken to mean {values}; --classes FILE gives their order"
    if 2 * len(strange) > len(masked):
        raise SSENetError(
            f"{folder}: {len(strange)} of {len(masked)} masks have classes that the photograph's "
            f"tags do not name, {strange[0]}.png for one. {meant}, one name a line"
        )
    if 2 * len(lacking) > len(masked):
        raise SSENetError(
            f"{folder}: {len(lacking)} of {len(masked)} masks have none of the classes that the "
            f"photograph's tags name, {lacking[0]}.png for one: 0 is background, 255 is void and "
            f"not judged. {meant}"
        )
    return {record.id for record in masked}, strange
