"""Survey of a folder of photographs with a table of tags, of their masks, and of the splits.

Raises one `SSENetError` that names every bad photograph, row or mask, and every unknown id.
"""

import difflib
import hashlib
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ssenet_core.data.check import examine_images, learning_problem, tags_from_mask
from ssenet_core.data.dataset import class_names, read_list
from ssenet_core.data.manifest import ImageRecord
from ssenet_core.data.tags import TagTable, read_tag_table
from ssenet_core.errors import SSENetError, listing, some_of
from ssenet_core.io.images import (
    FORMATS,
    SUFFIXES,
    UNREAD_SUFFIXES,
    pictures_in,
    read_mask,
    subfolders_with_pictures,
)
from ssenet_core.settings import DatasetSettings, validated
from ssenet_core.settings.sections import SplitLists

ORIENTATION = 0x0112  # the EXIF entry; 1 is upright
NONE = (0,)  # the label value that stands for a photograph with none of the classes


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
        rotated: how many say by an EXIF entry that they are to be shown turned.
    """

    folder: Path
    table: Path
    suffix: str
    classes: tuple[str, ...]
    records: tuple[ImageRecord, ...]
    without_row: tuple[str, ...]
    rotated: int

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
    rows = _read_rows(table, suffix)
    dataset = _dataset_settings(folder, table, suffix, classes)
    known = class_names(dataset)
    there = [image_id for image_id in rows.rows if f"{image_id}{suffix}" in names]
    records, faults = examine_images(dataset, "train", there)
    problems = [*rows.problems, *_missing(folder, table, suffix, names, rows), *faults]
    if problem := learning_problem(rows.rows.values(), known):
        problems.append(f"{table}: {problem}")
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
        rotated=sum(_is_rotated(record.image) for record in records),
    )


def _read_rows(table: Path, suffix: str) -> TagTable:
    """The table of tags, of which at least one row can be used."""
    rows = read_tag_table(table)
    if not rows.rows and rows.problems:
        raise SSENetError(
            listing(f"{table}: no row can be used, nothing is written", rows.problems)
        )
    if not rows.rows:
        raise SSENetError(f"{table}: expected a row a photograph, found none below the first line")
    if not any(rows.rows.values()) and not rows.problems:
        raise SSENetError(
            f"{table}: no row has a tag; write what is in each photograph beside it (an empty cell "
            "says that none of the classes is there)"
        )
    return rows


def _dataset_settings(
    folder: Path, table: Path, suffix: str, classes: str | Path | None
) -> DatasetSettings:
    """The `dataset` section for a folder without masks, lists or splits; paths are absolute."""
    section = {
        "name": "own",
        "source": "voc",
        "root": str(folder),
        "classes": str(Path(classes).absolute()) if classes else None,
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
        inside = subfolders_with_pictures(folder)
        hint = f"; give {' or '.join(map(str, inside))}" if inside else ""
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
    meant = {_normalised(name): name for name in reversed(names)}
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
    for below in subfolders_with_pictures(folder):
        for path in pictures_in(below):
            where = f"; it is in {below.name}/: photographs must lie in the folder itself"
            found.setdefault(path.stem, where)
    return found


def _hint(image_id: str, suffix: str, meant: Mapping[str, str], free: Sequence[str]) -> str:
    """What may have been meant: `meant` has names by their loose forms, `free` some of those."""
    wanted = _normalised(image_id)
    near = meant.get(wanted)
    if near is None:
        close = difflib.get_close_matches(wanted, free, n=1, cutoff=0.8)
        return f"; is it {meant[close[0]]}?" if close else ""
    if Path(near).suffix != suffix:
        return f"; the folder has {near}, but most names end with {suffix}: save it as that"
    if unicodedata.normalize("NFC", near) == unicodedata.normalize("NFC", f"{image_id}{suffix}"):
        return "; the folder has it in another Unicode form: copy the name from there"
    return f"; the folder has {near}: write it so in the table"


def _normalised(name: str) -> str:
    """A name without suffix, in small letters, in Unicode's composed form."""
    bare = name[: name.rindex(".")] if Path(name).suffix.lower() in SUFFIXES else name
    return unicodedata.normalize("NFC", bare).casefold()


def _is_rotated(path: Path) -> bool:
    with Image.open(path, formats=FORMATS) as image:
        return image.getexif().get(ORIENTATION, 1) != 1


@dataclass(frozen=True)
class Splits:
    """Ids, each in the table's order.

    Attributes:
        train: photographs to learn from.
        pseudo_eval: those of them that have masks: maps and pseudo labels are scored there.
        val: photographs to judge DeepLab on; they are no training images.
    """

    train: list[str]
    pseudo_eval: list[str]
    val: list[str]

    @property
    def lists(self) -> SplitLists:
        """The names of their list files; none where the table alone says what there is."""
        scored = "train" if self.pseudo_eval == self.train else "pseudo_eval"
        return SplitLists(
            train="train" if self.val or self.pseudo_eval else None,
            pseudo_eval=scored if self.pseudo_eval else None,
            val="val" if self.val else None,
        )

    def files(self) -> dict[str, list[str]]:
        """The ids in each of the list files, by name."""
        names = dict.fromkeys(filter(None, self.lists.plain().values()))
        return {name: getattr(self, name) for name in names}


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
    problems, mismatched = [], []
    for record in masked:
        size = record.width, record.height
        try:
            labels = read_mask(folder / f"{record.id}.png", size=size, classes=len(found.classes))
        except SSENetError as error:
            problems.append(str(error))
            continue
        if not set(tags_from_mask(labels)) <= set(record.known_tags):
            mismatched.append(record.id)
    if problems:
        raise SSENetError(listing(f"{folder}: {len(problems)} bad mask(s)", problems))
    if 2 * len(mismatched) > len(masked):
        values = ", ".join(f"{value} {name}" for value, name in enumerate(found.classes, start=1))
        raise SSENetError(
            f"{folder}: {len(mismatched)} of {len(masked)} masks have classes that the "
            f"photograph's tags do not name, {mismatched[0]}.png for one. Label values are taken "
            f"to mean {values}; --classes FILE gives their order, one name a line"
        )
    return {record.id for record in masked}, mismatched


def split(found: Survey, val: float | str | Path | None, masked: set[str] | None) -> Splits:
    """Divide the photographs into training and validation images.

    Args:
        found: the photographs.
        val: a share of the photographs, or a file with one id or name a line; None for none.
        masked: ids with masks; None without a folder of masks. Validation is scored where there is
            one, so a share is then one of these.

    Raises:
        SSENetError: the list names what has no row or no mask, or leaves no training image, or
            none that a class can be learnt from.
    """
    ids = found.ids
    chosen: set[str] = set()
    if isinstance(val, float):
        tags = {record.id: record.known_tags for record in found.records}
        candidates = [name for name in ids if masked is None or name in masked]
        chosen = draw_validation(candidates, round(val * len(candidates)), tags)
        if not chosen:
            raise SSENetError(
                f"--val {val:g}: of {len(candidates)} photographs none can be spared to validate"
            )
    elif val is not None:
        chosen = _listed(found, Path(val), masked)
    train = [name for name in ids if name not in chosen]
    left = [record.known_tags for record in found.records if record.id not in chosen]
    if problem := learning_problem(left, found.classes):
        raise SSENetError(f"--val {val}: without those photographs, {problem}")
    return Splits(
        train=train,
        pseudo_eval=[name for name in train if masked is not None and name in masked],
        val=[name for name in ids if name in chosen],
    )


def draw_validation(
    candidates: Sequence[str], count: int, tags: Mapping[str, Sequence[int]]
) -> set[str]:
    """At most `count` of the candidates, scattered, the same at every call.

    Photographs with none of the classes are taken by their share of the candidates. One whose class
    would have no other one to learn from is not taken, nor is the last with none. The order is that
    of the ids' hashes, so that a new photograph changes little about who is taken.

    Args:
        candidates: ids to choose from.
        count: how many.
        tags: of every photograph, label values.
    """
    scattered = sorted(candidates, key=lambda name: hashlib.sha256(name.encode()).digest())
    without = [name for name in scattered if not tags[name]]
    tagged = [name for name in scattered if tags[name]]
    of_none = round(count * len(without) / max(len(candidates), 1))
    left = Counter(tag for own in tags.values() for tag in own or NONE)
    taken: set[str] = set()
    for names, quota in ((tagged, count - of_none), (without, of_none)):
        for name in names:
            own = tags[name] or NONE
            if quota and all(left[tag] > 1 for tag in own):
                taken.add(name)
                left.subtract(own)
                quota -= 1
    return taken


def _listed(found: Survey, path: Path, masked: set[str] | None) -> set[str]:
    """The ids in a list of validation images; a photograph may be named with its suffix."""
    listed = list(dict.fromkeys(name.removesuffix(found.suffix) for name in read_list(path)))
    known = set(found.ids)
    problems = [f"image {name}: no row in {found.table}" for name in listed if name not in known]
    if masked is not None:
        unmasked = [name for name in listed if name in known and name not in masked]
        problems += [f"image {name}: no mask, and validation is scored" for name in unmasked]
    if not listed:
        problems.append("expected an image a line, found none")
    if not problems and len(listed) == len(known):
        problems.append("it names every photograph, none is left to learn from")
    if problems:
        raise SSENetError(listing(f"{path}: cannot be the validation images", problems))
    return set(listed)
