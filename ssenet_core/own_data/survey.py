"""A folder of photographs and a table of their tags, looked at once, all that is wrong listed.

In: the folder and the table (`image,tags`). Out: what a configuration must say of them, and what
their owner should know. Fails with one `SSENetError` that names every bad photograph and row.
"""

import difflib
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ssenet_core.data.check import examine_images, unlearnable
from ssenet_core.data.dataset import class_names
from ssenet_core.data.manifest import ImageRecord
from ssenet_core.data.tags import TagTable, read_tag_table
from ssenet_core.errors import SSENetError, listing, some_of
from ssenet_core.io.images import FORMATS, SUFFIXES, UNREAD_SUFFIXES, pictures_in
from ssenet_core.settings import DatasetSettings, validated

ORIENTATION = 0x0112  # the EXIF entry; 1 is upright


@dataclass(frozen=True)
class Survey:
    """Photographs and their tags, all of them readable.

    Attributes:
        folder: of the photographs.
        table: the file of the tags.
        suffix: what every photograph's name ends with.
        classes: names of the foreground classes, in the order of their label values.
        records: the photographs that have a row, in the table's order.
        without_row: names of photographs in the folder that have none, and are left out.
        turned: how many say by an EXIF entry that they are to be shown turned.
    """

    folder: Path
    table: Path
    suffix: str
    classes: tuple[str, ...]
    records: tuple[ImageRecord, ...]
    without_row: tuple[str, ...]
    turned: int

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


def survey(folder: str | Path, table: str | Path, classes: str | Path | None = None) -> Survey:
    """Look at every photograph and row.

    Args:
        folder: of the photographs, without its subfolders.
        table: CSV with the columns image and tags.
        classes: file with one class name a line, in the order of the masks' label values; without
            it the table's names count, in alphabetical order.

    Raises:
        SSENetError: see the module.
    """
    folder, table = Path(folder).absolute(), Path(table).absolute()
    names = _photographs(folder)
    suffix = Counter(Path(name).suffix for name in names).most_common(1)[0][0]
    rows = read_tag_table(table, suffix)
    if not rows.rows and rows.problems:
        raise SSENetError(
            listing(f"{table}: no row can be used, nothing is written", [*rows.problems])
        )
    if not rows.rows:
        raise SSENetError(f"{table}: expected a row a photograph, found none below the first line")
    if not any(rows.rows.values()) and not rows.problems:
        raise SSENetError(
            f"{table}: no row has a tag; write what is in each photograph beside it (an empty cell "
            "says that none of the classes is there)"
        )
    dataset = dataset_section(folder, table, suffix, classes)
    known = class_names(dataset)
    problems = [*rows.problems, *_missing(folder, table, suffix, names, rows)]
    there = [image_id for image_id in rows.rows if f"{image_id}{suffix}" in names]
    records, faults = examine_images(dataset, "train", there)
    problems += faults
    alone = unlearnable(rows.rows.values(), known)
    problems += [f"{table}: {alone}"] if alone else []
    if problems:
        heading = f"{folder} and {table}: {len(problems)} problem(s), nothing is written"
        raise SSENetError(listing(heading, problems))
    return Survey(
        folder=folder,
        table=table,
        suffix=suffix,
        classes=known,
        records=tuple(records),
        without_row=tuple(n for n in names if n.removesuffix(suffix) not in rows.rows),
        turned=sum(_is_turned(record.image) for record in records),
    )


def dataset_section(
    folder: Path, table: Path, suffix: str, classes: str | Path | Sequence[str] | None
) -> DatasetSettings:
    """The `dataset` section for a folder without masks, lists or splits; paths are absolute."""
    section = {
        "name": "own",
        "source": "voc",
        "root": str(folder),
        "classes": str(Path(classes).absolute()) if isinstance(classes, str | Path) else classes,
        "tags": ["csv"],
        "tags_csv": {"train": str(table)},
        "image_dir": ".",
        "image_suffix": suffix,
        "mask_dir": None,
    }
    return validated(DatasetSettings, section, "dataset")


def _photographs(folder: Path) -> dict[str, None]:
    """Names of the photographs in a folder, sorted; as keys, to be looked up quickly."""
    if not folder.is_dir():
        what = "it is a file" if folder.exists() else "there is no such folder"
        raise SSENetError(f"{folder}: expected the folder of the photographs, but {what}")
    found = pictures_in(folder)
    if not found:
        below = [path.name for path in sorted(folder.iterdir()) if path.is_dir()]
        inside = [name for name in below if pictures_in(folder / name)]
        hint = f"; give {' or '.join(str(folder / name) for name in inside)}" if inside else ""
        unread = [path.name for path in pictures_in(folder, UNREAD_SUFFIXES)]
        if unread:
            hint = f"; {some_of(unread)}: this format is not read, save them as JPEG"
        raise SSENetError(f"{folder}: expected {', '.join(SUFFIXES)} files, found none{hint}")
    return dict.fromkeys(path.name for path in found)


def _missing(
    folder: Path, table: Path, suffix: str, names: dict[str, None], rows: TagTable
) -> list[str]:
    """Rows without a photograph, each with what may have been meant."""
    missing = [image_id for image_id in rows.rows if f"{image_id}{suffix}" not in names]
    if missing and len(missing) == len(rows.rows):
        raise SSENetError(
            f"{table}: none of its {len(missing)} images ({some_of(missing)}) is in {folder}, "
            f"which has {some_of(list(names))}; give the folder and the table that belong together"
        )
    meant = {_loosely(name): name for name in reversed(names)}
    # A photograph with a row of its own was not meant by a row that is only like it.
    free = [like for like, name in meant.items() if name.removesuffix(suffix) not in rows.rows]
    elsewhere = _elsewhere(folder) if missing else {}
    return [
        f"{table}: image {image_id}: no {image_id}{suffix} in the folder"
        + (elsewhere.get(image_id) or _hint(image_id, suffix, meant, free))
        for image_id in missing
    ]


def _elsewhere(folder: Path) -> dict[str, str]:
    """What to say of photographs in formats that are not read or in folders below, by their ids."""
    found = {
        path.stem: f"; {path.name} is there, whose format is not read: save it as JPEG"
        for path in pictures_in(folder, UNREAD_SUFFIXES)
    }
    for below in sorted(path for path in folder.iterdir() if path.is_dir()):
        for path in pictures_in(below):
            where = f"; it is in {below.name}/: photographs must lie in the folder itself"
            found.setdefault(path.stem, where)
    return found


def _hint(image_id: str, suffix: str, meant: Mapping[str, str], free: Sequence[str]) -> str:
    """What may have been meant: `meant` has names by their loose forms, `free` some of those."""
    wanted = _loosely(image_id)
    near = meant.get(wanted)
    if near is None:
        close = difflib.get_close_matches(wanted, free, n=1, cutoff=0.8)
        return f"; is it {meant[close[0]]}?" if close else ""
    if Path(near).suffix != suffix:
        return f"; the folder has {near}, but most names end with {suffix}: save it as that"
    if unicodedata.normalize("NFC", near) == unicodedata.normalize("NFC", f"{image_id}{suffix}"):
        return "; the folder has it in another Unicode form: copy the name from there"
    return f"; the folder has {near}: write it so in the table"


def _loosely(name: str) -> str:
    """A name without suffix, case and Unicode form."""
    bare = name[: name.rindex(".")] if Path(name).suffix.lower() in SUFFIXES else name
    return unicodedata.normalize("NFC", bare).casefold()


def _is_turned(path: Path) -> bool:
    with Image.open(path, formats=FORMATS) as image:
        return image.getexif().get(ORIENTATION, 1) != 1
