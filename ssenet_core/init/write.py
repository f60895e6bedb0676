"""Writing of a configuration for someone's own photographs, and what to tell their owner.

Nothing is written before everything is checked, and nothing that exists is overwritten unless that
was asked for. Raises `SSENetError` for whatever is wrong with the photographs, tags, masks, lists
or weights, and for files that exist.
"""

import csv
import difflib
import io
import os
import re
import shlex
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ssenet_core.data.prepare import read_originals
from ssenet_core.errors import SSENetError, listing, some_of
from ssenet_core.init.choose import (
    Machine,
    Weights,
    choose_sizes,
    first_weights,
    this_machine,
)
from ssenet_core.init.estimate import estimated_minutes
from ssenet_core.init.splits import Splits, split
from ssenet_core.init.survey import Survey, check_masks, survey
from ssenet_core.io.files import write_text
from ssenet_core.models.catalogue import IMAGENET_WEIGHTS
from ssenet_core.settings import DatasetSettings, validated
from ssenet_core.settings.sections import NAME

TEMPLATES = Path(__file__).parent / "templates"
MEASURED = (  # docs/results.md
    "How long: 414 photographs of 320 pixels took 26 minutes on 2 CPU cores with 70 epochs for the "
    "first network; the file says how many these have."
)
FEW = 10  # training photographs of a class, below which it is worth a word
WORKING_SIZE = 500  # pixels, as photographs of PASCAL VOC, on which the settings were chosen
RAREST = 3  # classes to name
ALIKE = 0.85  # of the letters of two class names, from which it is worth a word
UNEVEN = 3  # times the median edge, from which one factor for all sizes fits badly


@dataclass(frozen=True)
class Request:
    """What `ssenet init` was told.

    Attributes:
        folder: of the photographs.
        tags: their table, COCO file or folder of VOC annotations; None for their folders' names.
        name: of the folder in results/; None for the folder's own.
        out: the configuration file; None for one beside the folder.
        masks: folder of masks, if there are any.
        classes: file of class names, if their order matters.
        val: share of the photographs, or list of those, to validate with.
        weights: "imagenet", "none", or a file of a backbone's weights.
        backbone: whose they are; None for the one that a file's names tell, or the usual one.
        working_size: longest edge of the working copies, pixels.
        force: overwrite what is there.
    """

    folder: Path
    tags: Path | None = None
    name: str | None = None
    out: Path | None = None
    masks: Path | None = None
    classes: Path | None = None
    val: float | Path | None = None
    weights: str = IMAGENET_WEIGHTS
    backbone: str | None = None
    working_size: int = WORKING_SIZE
    force: bool = False

    @property
    def dataset(self) -> str:
        """The name of the folder in results/."""
        return _checked_name(self.name) if self.name else _plain_name(self.folder)

    @property
    def file(self) -> Path:
        """The configuration to write."""
        return (self.out or self.folder.absolute().parent / f"{self.dataset}.yaml").absolute()


def write_configuration(request: Request, machine: Machine | None = None) -> list[str]:
    """Check the photographs, write the configuration, and say what was found and what to do.

    Args:
        request: what is asked for.
        machine: what the sizes are to suit; None for this one.

    Returns:
        Lines for a person.

    Raises:
        SSENetError: photographs, tags, masks, lists or weights are bad; or a file is there already.
    """
    measured, machine = machine is None, machine or this_machine()
    name, out = request.dataset, request.file
    lists, results = out.with_name(f"{out.stem}.lists"), out.parent / "results" / name
    found = survey(request.folder, request.tags, request.classes, request.working_size)
    if not request.force:
        _refuse_other_results(results, found.folder)
    masked, mismatched = check_masks(found, request.masks) if request.masks else (None, [])
    splits = split(found, request.val, masked)
    weights = first_weights(request.weights, request.backbone)
    sizes = choose_sizes(found, len(splits.train), machine, weights)
    file = shlex.quote(str(_from_here(out)))
    table = found.table or lists / "tags.csv"
    text = _rendered(
        "configuration.yaml.j2",
        file=file,
        dataset=_dataset_settings(request, found, splits, lists, table),
        sizes=sizes,
        machine=machine,
        weights=weights,
    )
    files = _list_files(lists, splits) | {out: text}
    if found.table is None:
        files = {table: _table_text(found)} | files
    _write(files, request.force)
    shown = shlex.quote(str(_from_here(results)))
    steps = _rendered("next_steps.txt.j2", results=shown, file=file, masks=bool(masked))
    return [
        *_described(found, splits, masked, machine),
        *_notes(found, splits, mismatched),
        *_missing_weights(weights, file),
        "",
        "Written:",
        *(f"  {_from_here(path)}" for path in files),
        "",
        *steps.splitlines(),
        *([] if machine.gpu or weights else ["", MEASURED]),
        *(_how_long(out, found, splits, machine) if measured and weights else ()),
    ]


def _how_long(out: Path, found: Survey, splits: Splits, machine: Machine) -> list[str]:
    """How long the run will take; nothing for a GPU, whose share of the time is another."""
    if machine.gpu:
        return []
    minutes = estimated_minutes(out, len(splits.train), len(found.classes), machine.cores)
    return [
        "",
        f"How long: about {max(1, round(minutes))} min on this machine, measured on 3 steps.",
    ]


def _rendered(template: str, **values: Any) -> str:
    """A file of `templates/`, filled in; its filter `yaml` writes a value on one line of YAML."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["yaml"] = yaml_value
    return environment.get_template(template).render(values)


def yaml_value(value: Any) -> str:
    """A value on one line of YAML, quoted where it could be read as something else."""
    text = yaml.safe_dump(
        [value], default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf")
    )
    return text.strip()[1:-1]


def _table_text(found: Survey) -> str:
    """The tags as a table; semicolons end names, so that these may hold blanks."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "tags"])
    for image, names in found.tags.rows.items():
        writer.writerow([image, "".join(f"{name};" for name in names)])
    return text.getvalue()


def _dataset_settings(
    request: Request, found: Survey, splits: Splits, lists: Path, table: Path
) -> DatasetSettings:
    """The section `dataset`; folders are relative to that of the photographs.

    Args:
        request: with the folder of the masks, if there are any.
        found: the photographs.
        splits: their ids.
        lists: the folder for the lists of the splits.
        table: of the tags.
    """
    root = found.folder.resolve()

    def relative(path: Path) -> str:
        return os.path.relpath(path.resolve(), root)

    rows = relative(table)
    section = {
        "name": request.dataset,
        "source": "voc",
        "root": str(root),
        "image_dir": ".",
        "working_size": request.working_size,
        "classes": found.classes,
        "tags": ["csv"],
        "tags_csv": {"train": rows, "val": rows if splits.val else None},
        "mask_dir": relative(request.masks) if request.masks else None,
        "list_dir": relative(lists) if splits.lists.train else ".",
        "lists": splits.lists,
    }
    return validated(DatasetSettings, section, "dataset")


def _checked_name(name: str) -> str:
    if re.fullmatch(NAME, name) is None:
        raise SSENetError(
            f"--name {name!r}: expected letters, digits and . _ - alone, as it names a folder"
        )
    return name


def _refuse_other_results(results: Path, folder: Path) -> None:
    """Raise if results are of another folder's photographs: a run would make them anew."""
    for record in sorted(results.glob("prepared/*.shards/*.json")):
        try:
            originals = read_originals(record).values()
        except SSENetError:
            continue
        files = [Path(original.file).resolve() for original in originals]
        others = {file.parent for file in files if not file.is_relative_to(folder.resolve())}
        if others:
            raise SSENetError(
                f"{_from_here(results)}: there are results of {min(others)} already; "
                "--name NAME gives these another folder, --force takes this one"
            )


def _from_here(path: Path) -> Path:
    """A path below the working directory from there; whole anywhere else."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _plain_name(folder: Path) -> str:
    """The folder's name with what a dataset's name cannot hold replaced."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.absolute().name).lstrip("._-").rstrip("-")
    return plain or "my-photos"


def _list_files(folder: Path, splits: Splits) -> dict[Path, str]:
    """The texts of the list files, by their paths."""
    return {
        folder / f"{name}.txt": "".join(f"{image_id}\n" for image_id in ids)
        for name, ids in splits.files().items()
    }


def _write(files: Mapping[Path, str], force: bool) -> None:
    there = [f"{path}: it is there already" for path in files if path.exists()]
    if there and not force:
        hint = "nothing is written; --out FILE writes elsewhere, --force overwrites"
        raise SSENetError(listing(hint, there))
    for path, text in files.items():
        write_text(path, text)


def _described(
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


def _notes(found: Survey, splits: Splits, mismatched: list[str]) -> list[str]:
    """What the owner of the photographs should know.

    Args:
        mismatched: ids of the photographs whose masks have classes that the tags do not name.
    """
    notes = []
    if found.without_row:
        notes.append(
            f"{len(found.without_row)} photograph(s) in the folder have no row and are left out: "
            f"{some_of(found.without_row)}"
        )
    if found.rotated:
        notes.append(
            f"{found.rotated} photograph(s) are turned upright, as an EXIF entry says; masks may "
            "be drawn on either"
        )
    if found.twins:
        pairs = [" = ".join(group) for group in found.twins]
        notes.append(
            f"{len(pairs)} photograph(s) are there twice or more, and stay on one side of a split: "
            f"{some_of(pairs)}"
        )
    if mismatched:
        notes.append(
            f"{len(mismatched)} mask(s) have classes that the tags do not name: "
            f"{', '.join(mismatched)}"
        )
    notes += [
        f"{names}: look alike; is it one class, written in two ways?"
        for names in _alike(found.classes)
    ]
    notes += _class_notes(found, splits.train) + _size_notes(found)
    return [f"note         {note}" for note in notes]


def _class_notes(found: Survey, train: Sequence[str]) -> list[str]:
    """What to say of classes that all or few training photographs have."""
    notes = []
    counts = found.count_of(train)
    every = [name for name, count in counts.items() if count == len(train)]
    few = [f"{name} {count}" for name, count in counts.items() if count < FEW and name not in every]
    without = found.without_classes(train)
    if len(found.classes) == 1 and without < FEW:
        few.append(f"{without} with none")
    if every:
        notes.append(f"every training photograph has {', '.join(every)}: nothing shows what it is")
    if few:
        notes.append(f"few training photographs to learn from: {', '.join(few)}")
    return notes


def _size_notes(found: Survey) -> list[str]:
    """What to say of photographs of very different sizes."""
    longest = [max(record.width, record.height) for record in found.records]
    if max(longest) > UNEVEN * statistics.median(longest):
        return ["the photographs' sizes differ much; sizes are chosen for the median"]
    return []


def _missing_weights(weights: Weights | None, file: str) -> list[str]:
    """What to say of first weights that are not here yet."""
    if weights is None or weights.awaited is None or Path(weights.awaited).is_file():
        return []
    return [
        f"note         the ImageNet weights of {weights.backbone} are not in {weights.awaited}; "
        f"ssenet download {file} brings them, if they have an address"
    ]


def _alike(classes: Sequence[str]) -> list[str]:
    """Pairs of class names that one may have written for the other."""
    return [
        f"{first} and {second}"
        for first, second in combinations(classes, 2)
        if difflib.SequenceMatcher(a=first.casefold(), b=second.casefold()).ratio() >= ALIKE
    ]
