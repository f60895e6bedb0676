"""Writing of a configuration for someone's own photographs.

Nothing is written before everything is checked, and nothing that exists is overwritten unless that
was asked for. Raises `SSENetError` for whatever is wrong with the photographs, tags, masks, lists
or weights, and for files that exist.
"""

import csv
import io
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ssenet_core.data.prepare import read_originals
from ssenet_core.errors import SSENetError, listing
from ssenet_core.init.choose import (
    Machine,
    Weights,
    choose_sizes,
    initial_weights,
    this_machine,
)
from ssenet_core.init.estimate import estimated_minutes
from ssenet_core.init.splits import Splits, split
from ssenet_core.init.summary import note_lines, summary_lines
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
WORKING_SIZE = 500  # pixels, as photographs of PASCAL VOC, on which the settings were chosen


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
        quick: less accuracy in a fraction of the time.
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
    quick: bool = False
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
    weights = initial_weights(request.weights, request.backbone)
    sizes = choose_sizes(found, len(splits.train), machine, weights, quick=request.quick)
    file = shlex.quote(str(_from_here(out)))
    table = found.table or lists / "tags.csv"
    text = _rendered(
        "configuration.yaml.j2",
        file=file,
        dataset=_dataset_settings(request, found, splits, lists, table),
        sizes=sizes,
        machine=machine,
        weights=weights,
        quick=request.quick,
    )
    files = _list_files(lists, splits) | {out: text}
    if found.table is None:
        files = {table: _table_text(found)} | files
    _write(files, request.force)
    shown = shlex.quote(str(_from_here(results)))
    steps = _rendered(
        "next_steps.txt.j2",
        results=shown,
        file=file,
        masks=bool(masked),
        dataset=name,
        offer_quick=bool(weights) and not request.quick,
    )
    return [
        *summary_lines(found, splits, masked, machine),
        *note_lines(found, splits, mismatched),
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


def _missing_weights(weights: Weights | None, file: str) -> list[str]:
    """What to say of initial weights that are not here yet."""
    if weights is None or weights.awaited is None or Path(weights.awaited).is_file():
        return []
    return [
        f"note         the ImageNet weights of {weights.backbone} are not in {weights.awaited}; "
        f"ssenet download {file} brings them, if they have an address"
    ]
