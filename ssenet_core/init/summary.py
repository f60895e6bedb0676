"""What `ssenet init` says of the photographs that it found, in lines for their owner."""

import difflib
import statistics
from collections.abc import Mapping, Sequence
from itertools import combinations

from ssenet_core.errors import some_of
from ssenet_core.init.choose import Machine
from ssenet_core.init.splits import Splits
from ssenet_core.init.survey import Survey

FEW = 10  # training photographs of a class, below which it is worth a word
RAREST = 3  # classes to name
ALIKE = 0.85  # of the letters of two class names, from which it is worth a word
UNEVEN = 3  # times the median edge, from which one factor for all sizes fits badly


def summary_lines(
    found: Survey, splits: Splits, masked: set[str] | None, machine: Machine
) -> list[str]:
    """What was found: photographs, classes, splits, masks, the machine."""
    originals = found.originals.values()
    widths, heights = [o.width for o in originals], [o.height for o in originals]
    counts = found.count_of(found.ids)
    sizes = f"{min(widths)} to {max(widths)} pixels wide, {min(heights)} to {max(heights)} high"
    suffixes = ", ".join(f"{suffix} {count}" for suffix, count in found.suffixes.items())
    classes = ", ".join(f"{name} {count}" for name, count in counts.items())
    without = found.without_classes(found.ids)
    classes += f"; {without} photograph{'s' * (without > 1)} with none" if without else ""
    shares = f"{len(splits.train)} to train, {len(splits.val) or 'none'} to validate"
    lines = [
        f"photographs  {len(found.records)} ({suffixes}), {sizes}",
        f"tags         {found.tags.form}",
        f"classes      {len(counts)}: {classes}",
        *_rarest(counts),
        f"splits       {shares}",
    ]
    if masked is not None:
        scored = f"{len(splits.pseudo_eval)} of the training photographs"
        validated = f", {len(splits.val)} of the validation ones" if splits.val else ""
        lines.append(f"masks        {scored}{validated}, for the scores only")
    return [*lines, f"machine      {machine.described()}"]


def _rarest(counts: Mapping[str, int]) -> list[str]:
    """The classes with the fewest photographs, where there are many more."""
    if len(counts) <= RAREST:
        return []
    rarest = sorted(counts, key=lambda name: counts[name])[:RAREST]
    return [f"rarest       {', '.join(rarest)}"]


def note_lines(found: Survey, splits: Splits, mismatched: list[str]) -> list[str]:
    """What the owner of the photographs should know.

    Args:
        mismatched: ids of the photographs whose masks have classes that the tags do not name.
    """
    lines = []
    if found.without_row:
        lines.append(
            f"{len(found.without_row)} photograph(s) in the folder have no row and are left out: "
            f"{some_of(found.without_row)}"
        )
    if found.rotated:
        lines.append(
            f"{found.rotated} photograph(s) are turned upright, as an EXIF entry says; masks may "
            "be drawn on either"
        )
    if found.twins:
        pairs = [" = ".join(group) for group in found.twins]
        lines.append(
            f"{len(pairs)} photograph(s) are there twice or more, and stay on one side of a split: "
            f"{some_of(pairs)}"
        )
    if mismatched:
        lines.append(
            f"{len(mismatched)} mask(s) have classes that the tags do not name: "
            f"{', '.join(mismatched)}"
        )
    lines += [
        f"{names}: look alike; is it one class, written in two ways?"
        for names in _alike(found.classes)
    ]
    lines += _class_notes(found, splits.train) + _size_notes(found)
    return [f"note         {note}" for note in lines]


def _class_notes(found: Survey, train: Sequence[str]) -> list[str]:
    """What to say of classes that all or few training photographs have."""
    lines = []
    counts = found.count_of(train)
    every = [name for name, count in counts.items() if count == len(train)]
    few = [f"{name} {count}" for name, count in counts.items() if count < FEW and name not in every]
    without = found.without_classes(train)
    if len(found.classes) == 1 and without < FEW:
        few.append(f"{without} with none")
    if every:
        lines.append(f"every training photograph has {', '.join(every)}: nothing shows what it is")
    if few:
        lines.append(f"few training photographs to learn from: {', '.join(few)}")
    return lines


def _size_notes(found: Survey) -> list[str]:
    """What to say of photographs of very different sizes."""
    longest = [max(record.width, record.height) for record in found.records]
    if max(longest) > UNEVEN * statistics.median(longest):
        return ["the photographs' sizes differ much; sizes are chosen for the median"]
    return []


def _alike(classes: Sequence[str]) -> list[str]:
    """Pairs of class names that one may have written for the other."""
    return [
        f"{first} and {second}"
        for first, second in combinations(classes, 2)
        if difflib.SequenceMatcher(a=first.casefold(), b=second.casefold()).ratio() >= ALIKE
    ]
