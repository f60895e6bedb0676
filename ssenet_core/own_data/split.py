"""Which photographs train and which validate, and which of them have masks.

In: a survey, a list or a share for validation, a folder of masks. Out: ids by split. Fails with
`SSENetError` that names every id that is unknown and every mask that is bad.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssenet_core.data.check import tags_from_mask, unlearnable
from ssenet_core.data.dataset import read_list
from ssenet_core.data.manifest import ImageRecord
from ssenet_core.errors import SSENetError, listing
from ssenet_core.io.images import read_mask
from ssenet_core.own_data.survey import Survey

NONE = (0,)  # the label value that stands for a photograph with none of the classes


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


def check_masks(found: Survey, folder: str | Path) -> tuple[set[str], list[str]]:
    """The ids of the photographs that have a mask, and of those whose mask has classes untagged.

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
    problems, strange = [], []
    for record in masked:
        try:
            if not _tags_hold(record, folder / f"{record.id}.png", len(found.classes)):
                strange.append(record.id)
        except SSENetError as error:
            problems.append(str(error))
    if problems:
        raise SSENetError(listing(f"{folder}: {len(problems)} bad mask(s)", problems))
    if 2 * len(strange) > len(masked):
        raise SSENetError(
            f"{folder}: {len(strange)} of {len(masked)} masks have classes that the photograph's "
            f"tags do not name, {strange[0]}.png for one. Label values are taken to mean "
            f"{_numbered(found.classes)}; --classes FILE gives their order, one name a line"
        )
    return {record.id for record in masked}, strange


def _tags_hold(record: ImageRecord, mask: Path, classes: int) -> bool:
    labels = read_mask(mask, size=(record.width, record.height), classes=classes)
    return set(tags_from_mask(labels)) <= set(record.known_tags)


def _numbered(classes: Sequence[str]) -> str:
    return ", ".join(f"{value} {name}" for value, name in enumerate(classes, start=1))


def split(found: Survey, val: float | str | Path | None, masked: set[str] | None) -> Splits:
    """Share the photographs out.

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
        chosen = draw(candidates, round(val * len(candidates)), tags)
        if not chosen:
            raise SSENetError(
                f"--val {val:g}: of {len(candidates)} photographs none can be spared to validate"
            )
    elif val is not None:
        chosen = _listed(found, Path(val), masked)
    train = [name for name in ids if name not in chosen]
    left = [record.known_tags for record in found.records if record.id not in chosen]
    if problem := unlearnable(left, found.classes):
        raise SSENetError(f"--val {val}: without those photographs, {problem}")
    return Splits(
        train=train,
        pseudo_eval=[name for name in train if masked is not None and name in masked],
        val=[name for name in ids if name in chosen],
    )


def draw(candidates: Sequence[str], count: int, tags: Mapping[str, Sequence[int]]) -> set[str]:
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
    listed = [name.removesuffix(found.suffix) for name in dict.fromkeys(read_list(path))]
    known = set(found.ids)
    problems = [f"image {name}: no row in {found.table}" for name in listed if name not in known]
    if masked is not None:
        bare = [name for name in listed if name in known and name not in masked]
        problems += [f"image {name}: no mask, and validation is scored" for name in bare]
    if not listed:
        problems.append("expected an image a line, found none")
    if not problems and len(listed) == len(known):
        problems.append("it names every photograph, none is left to learn from")
    if problems:
        raise SSENetError(listing(f"{path}: cannot be the validation images", problems))
    return set(listed)
