"""Training and validation images out of the photographs that a survey found.

`split` raises an `SSENetError` that names every unknown or unusable id of a list.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssenet_core.data.check import learning_problem
from ssenet_core.data.dataset import read_list
from ssenet_core.data.tags import table_id
from ssenet_core.errors import SSENetError, listing
from ssenet_core.init.survey import Survey
from ssenet_core.settings.sections import SplitLists

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
        chosen = draw_validation(candidates, round(val * len(candidates)), tags, found.twins)
        if not chosen:
            raise SSENetError(
                f"--val {val:g}: of {len(candidates)} photographs none can be spared to validate; "
                "take a larger share, or train on all of them without --val"
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
    candidates: Sequence[str],
    count: int,
    tags: Mapping[str, Sequence[int]],
    twins: Sequence[Sequence[str]] = (),
) -> set[str]:
    """At most `count` of the candidates, scattered, the same at every call.

    Photographs with none of the classes are taken by their share of the candidates. One whose class
    would have no other one to learn from is not taken, nor is the last with none. Photographs that
    are the same are taken together. The order is that of the ids' hashes, so that a new photograph
    changes little about who is taken.

    Args:
        candidates: ids to choose from.
        count: how many.
        tags: of every photograph, label values.
        twins: groups of ids whose photographs are the same.
    """
    scattered = sorted(candidates, key=lambda name: hashlib.sha256(name.encode()).digest())
    without = [name for name in scattered if not tags[name]]
    tagged = [name for name in scattered if tags[name]]
    of_none = round(count * len(without) / max(len(candidates), 1))
    drawable = set(candidates)
    group_of = {name: group for group in twins for name in group}
    left = Counter(tag for own in tags.values() for tag in own or NONE)
    taken: set[str] = set()
    for names, quota in ((tagged, count - of_none), (without, of_none)):
        for name in names:
            group = group_of.get(name, (name,))
            if name in taken or len(group) > quota or not drawable.issuperset(group):
                continue
            own = Counter(tag for twin in group for tag in tags[twin] or NONE)
            if all(left[tag] > number for tag, number in own.items()):
                taken.update(group)
                left.subtract(own)
                quota -= len(group)
    return taken


def _listed(found: Survey, path: Path, masked: set[str] | None) -> set[str]:
    """The ids in a list of validation images; a photograph may be named with its suffix."""
    listed = list(dict.fromkeys(table_id(name) for name in read_list(path)))
    known = set(found.ids)
    problems = [
        f"image {name}: no row in {found.tags.path}" for name in listed if name not in known
    ]
    problems += [
        f"image {group[0]}: the same photograph as {', '.join(group[1:])}; list all or none of them"
        for group in found.twins
        if 0 < len(set(group) & set(listed)) < len(group)
    ]
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
