"""From a folder of photographs and a table of tags to a configuration file, and what to say of it.

In: what `ssenet init` was told. Out: the file, the lists of the splits beside it, and lines for a
person. Nothing is written before everything is checked, and nothing that is there is overwritten
unless that was asked for.
"""

import difflib
import re
import shlex
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from ssenet_core.data.layout import listing, some_of
from ssenet_core.data.manifest import load_manifest
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import write_text
from ssenet_core.models.catalogue import IMAGENET_WEIGHTS
from ssenet_core.own_data.machine import Machine, this_machine
from ssenet_core.own_data.overlay import dataset_settings, overlay_text
from ssenet_core.own_data.sizes import choose_sizes, stages
from ssenet_core.own_data.split import Splits, check_masks, split
from ssenet_core.own_data.survey import Survey, survey
from ssenet_core.own_data.weights import Weights, first_weights

MEASURED = (  # docs/results.md
    "How long: 414 photographs of 320 pixels took 26 minutes on 2 CPU cores with 70 epochs for the "
    "first network; the file says how many these have."
)
NAME = "[A-Za-z0-9][A-Za-z0-9._-]*"
FEW = 10  # training photographs of a class, below which it is worth a word
LARGE = 1000  # pixels; CRF and walk work at the photographs' full size
ALIKE = 0.85  # of the letters of two class names, from which it is worth a word
UNEVEN = 3  # times the median edge, from which one factor for all sizes fits badly


@dataclass(frozen=True)
class Request:
    """What `ssenet init` was told.

    Attributes:
        folder: of the photographs.
        table: of their tags.
        name: of the folder in results/; None for the folder's own.
        out: the configuration file; None for one beside the folder.
        masks: folder of masks, if there are any.
        classes: file of class names, if their order matters.
        val: share of the photographs, or list of those, to validate with.
        weights: "imagenet", "none", or a file of a backbone's weights.
        backbone: whose they are; None for the one that a file's names tell, or the usual one.
        force: overwrite what is there.
    """

    folder: Path
    table: Path
    name: str | None = None
    out: Path | None = None
    masks: Path | None = None
    classes: Path | None = None
    val: float | Path | None = None
    weights: str = IMAGENET_WEIGHTS
    backbone: str | None = None
    force: bool = False


def set_up(request: Request, machine: Machine | None = None) -> list[str]:
    """Check the photographs, write the configuration, and say what was found and what to do.

    Args:
        request: what is asked for.
        machine: what the sizes are to suit; None for this one.

    Returns:
        Lines for a person.

    Raises:
        SSENetError: photographs, tags, masks, lists or weights are bad; or a file is there already.
    """
    machine = machine or this_machine()
    name = _checked_name(request.name) if request.name else _plain_name(request.folder)
    out = (request.out or request.folder.absolute().parent / f"{name}.yaml").absolute()
    lists = out.with_name(f"{out.stem}.lists")
    found = survey(request.folder, request.table, request.classes)
    if not request.force:
        _refuse_other_results(name, found.folder)
    masked, strange = check_masks(found, request.masks) if request.masks else (None, [])
    splits = split(found, request.val, masked)
    weights = first_weights(request.weights, request.backbone)
    sizes = choose_sizes(found, len(splits.train), machine, weights)
    listed = bool(splits.val or splits.pseudo_eval)
    dataset = dataset_settings(
        name, found, splits, lists=lists if listed else None, masks=request.masks
    )
    files = _list_files(lists, splits) if listed else {}
    shown = shlex.quote(str(_from_here(out)))
    settings = stages(sizes, weights)
    files[out] = overlay_text(shown, dataset, settings, sizes, machine, weights)
    _write(files, request.force)
    return [
        *_described(found, splits, masked, machine),
        *_notes(found, splits, strange),
        *_missing_weights(weights, shown),
        "",
        "Written:",
        *(f"  {_from_here(path)}" for path in files),
        "",
        *_next_steps(name, shown, settings["deeplab"]["defaults"]["prediction"], bool(masked)),
        *([] if machine.gpu or weights else ["", MEASURED]),
    ]


def _checked_name(name: str) -> str:
    if re.fullmatch(NAME, name) is None:
        raise SSENetError(
            f"--name {name!r}: expected letters, digits and . _ - alone, as it names a folder"
        )
    return name


def _refuse_other_results(name: str, folder: Path) -> None:
    """Raise if the results of this name, in the working directory, are of another folder's images.

    A run would make them anew for this folder.
    """
    results = Path("results", name)
    for manifest in sorted(results.glob("manifest/*.json")):
        try:
            images = load_manifest(manifest).images
        except SSENetError:
            continue
        others = {record.image.parent.resolve() for record in images} - {folder.resolve()}
        if others:
            raise SSENetError(
                f"{results}: there are results of {min(others)} already; "
                "--name NAME gives these another folder, --force takes this one"
            )


def _from_here(path: Path) -> Path:
    """As short as it can be said in the folder of the workflow; whole anywhere else."""
    here = Path.cwd()
    inside = (here / "Snakefile").exists() and path.is_relative_to(here)
    return path.relative_to(here) if inside else path


def _plain_name(folder: Path) -> str:
    """The folder's name with what a dataset's name cannot hold replaced."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.absolute().name).lstrip("._-").rstrip("-")
    return plain or "my-photos"


def _list_files(folder: Path, splits: Splits) -> dict[Path, str]:
    scored = [] if splits.pseudo_eval == splits.train else splits.pseudo_eval
    named = {"train": splits.train, "pseudo_eval": scored, "val": splits.val}
    return {
        folder / f"{name}.txt": "".join(f"{image_id}\n" for image_id in ids)
        for name, ids in named.items()
        if ids
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
    widths, heights = zip(*((r.width, r.height) for r in found.records), strict=True)
    counts = found.count_of(found.ids)
    sizes = f"{min(widths)} to {max(widths)} pixels wide, {min(heights)} to {max(heights)} high"
    classes = ", ".join(f"{name} {count}" for name, count in counts.items())
    without = found.without_classes(found.ids)
    classes += f"; {without} photograph{'s' * (without > 1)} with none" if without else ""
    shares = f"{len(splits.train)} to train, {len(splits.val) or 'none'} to validate"
    lines = [
        f"photographs  {len(found.records)} in the table, {sizes}",
        f"classes      {len(counts)}: {classes}",
        f"splits       {shares}",
    ]
    if masked is not None:
        scored = f"{len(splits.pseudo_eval)} of the training photographs"
        validated = f", {len(splits.val)} of the validation ones" if splits.val else ""
        lines.append(f"masks        {scored}{validated}, for the scores only")
    return [*lines, f"machine      {machine.described()}"]


def _notes(found: Survey, splits: Splits, strange: list[str]) -> list[str]:
    notes = []
    if found.without_row:
        notes.append(
            f"{len(found.without_row)} photograph(s) in the folder have no row and are left out: "
            f"{some_of(found.without_row)}"
        )
    if found.turned:
        notes.append(
            f"{found.turned} photograph(s) say by an EXIF entry that they are to be turned; they "
            "are used as they are stored. If that is not upright, turn the pixels first"
        )
    if strange:
        notes.append(
            f"{len(strange)} mask(s) have classes that the tags do not name: {', '.join(strange)}"
        )
    for names in _alike(found.classes):
        notes.append(f"{names}: look alike; is it one class, written in two ways?")
    trained = found.count_of(splits.train)
    every = [tag for tag, count in trained.items() if count == len(splits.train)]
    few = [f"{tag} {count}" for tag, count in trained.items() if count < FEW and tag not in every]
    if every:
        notes.append(f"every training photograph has {', '.join(every)}: nothing shows what it is")
    without = found.without_classes(splits.train)
    if len(found.classes) == 1 and without < FEW:
        few.append(f"{without} with none")
    if few:
        notes.append(f"few training photographs to learn from: {', '.join(few)}")
    longest = [max(record.width, record.height) for record in found.records]
    if max(longest) > LARGE:
        notes.append(
            f"{sum(edge > LARGE for edge in longest)} photograph(s) have more than {LARGE} pixels "
            "a side: CRF and walk work at full size, and take long and much memory. Shrink them "
            "first, to 500 pixels say (docs/own-data.md)"
        )
    elif max(longest) > UNEVEN * statistics.median(longest):
        notes.append("the photographs' sizes differ much; sizes are chosen for the median")
    return [f"note         {note}" for note in notes]


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


def _next_steps(name: str, file: str, prediction: Mapping[str, Any], masks: bool) -> list[str]:
    """What to run, and where to look; sizes of views go with the network, so they are said."""
    report = f"results/{name}/report"
    network = f"results/{name}/deeplab/ssenet/default/default/model.pt"
    scales = ",".join(f"{scale:g}" for scale in prediction["scales"])
    lines = [
        "Next, in the folder of the workflow:",
        f"  snakemake --cores all --configfile {file} --dry-run   # what will be made",
        f"  snakemake --cores all --configfile {file}",
        *([f"  ssenet results {report}/results.json"] if masks else []),
        "And with photographs that have no tags, of about the same size:",
        f"  ssenet predict --model {network} --scales {scales} --overlay --out segmented PHOTOS",
        "",
    ]
    if masks:
        return [*lines, f"Scores, and photographs through every stage: {report}/index.html"]
    labels = f"results/{name}/affinity/ssenet/default/pseudo_labels/train"
    return [
        *lines,
        "There are no masks, so nothing is scored. What came out is there to be looked at:",
        f"  photographs through every stage, training curves: {report}/index.html",
        f"  pseudo labels of every training photograph: {labels}",
    ]
