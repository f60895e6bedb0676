"""The results of a run as rows and tables: for the report, the paper's tables and the terminal.

Replicates that differ in their seed only (`ssenet`, `ssenet@1`) are one row, with mean and sample
standard deviation. Functions that read a file raise `SSENetError` that names one which is missing,
of another kind, or about other classes than the rest.
"""

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ssenet_core.errors import SSENetError
from ssenet_core.evaluation.stages import EQUIVARIANCE, FORMAT, MULTI_SCALE
from ssenet_core.io.files import read_json

STAGES = {
    "trivial": "Trivial answer",
    "cam": "CAM",
    "crf": "CAM + CRF",
    "random_walk": "Random walk",
    "deeplab": "DeepLab",
}
TRIVIAL_NAMES = {"tag": "every pixel is the tag", "ellipse": "centred ellipse of the tag"}
REPORTS = ("results.json", "report/results.json")  # paths in a folder of results
NO_EMPTY_IMAGES: dict[str, Any] = {"images": 0, "with_false_positives": 0, "of_class": {}}
NONE = "–"  # a cell where there is no number
BEST_NOTE = (
    "* The threshold of this column was chosen on the ground truth that it is scored on: it is the "
    "most that a choice of alpha could give, not a result."
)
EMPTY_HEADING = "Photographs with nothing in them"
EMPTY_NOTE = (
    "Photographs whose masks have no foreground, and those of them where a pixel at least got a "
    "class. Stages that are told the tags find nothing there by construction: they are left out."
)
RATIO_NOTE = (
    "mFN and mFP are the means of FN/TP and FP/TP over the foreground classes; ∞ means that a "
    "class that occurs was never found."
)
EQUIVARIANCE_NOTE = (
    "Mean absolute difference between the normalised class maps of a transformed image and the "
    "transformed class maps of the image, over tagged classes: 0 for an equivariant network, 1 at "
    "the most. Constant maps have 0 too: it does not say that maps are right."
)

Entry = Mapping[str, Any]  # what an evaluation's JSON holds


@dataclass(frozen=True)
class Spread:
    """Mean of a score over replicates; `std` is the sample standard deviation, None for one.

    Both are None where one of the values is None, which stands for an infinite ratio.
    """

    mean: float | None
    std: float | None
    n: int

    @classmethod
    def of(cls, values: Sequence[float | None]) -> "Spread":
        """The spread of some values."""
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return cls(None, None, len(values))
        std = statistics.stdev(known) if len(known) > 1 else None
        return cls(statistics.fmean(known), std, len(values))

    def text(self, digits: int) -> str:
        """As "61.2" or "61.2 ± 0.4"; "∞" where a ratio is not finite."""
        if self.mean is None:
            return "∞"
        return " ± ".join(f"{v:.{digits}f}" for v in (self.mean, self.std) if v is not None)


@dataclass(frozen=True)
class Row:
    """One stage and variant on one split.

    Attributes:
        best_miou: the best of the threshold curve; None without a curve.
        best_alphas: the thresholds of the best, of each replicate.
        iou: mean over replicates for each class; None where the class is absent.
        runs: names of the replicates.
        empty_images: images without foreground.
        false_positives: how many of these have a false positive of any class.
        false_positives_of_class: the same for each class, mean over replicates; without zeros.
    """

    stage: str
    variant: str
    split: str
    images: int
    tags_used: bool
    alpha: float | None
    miou: Spread
    mfn: Spread
    mfp: Spread
    best_miou: Spread | None
    best_alphas: list[float]
    iou: list[float | None]
    runs: list[str]
    empty_images: int
    false_positives: Spread
    false_positives_of_class: dict[str, float]

    @property
    def names(self) -> tuple[str, str]:
        """What tables call the stage and the variant."""
        trivial = self.stage == "trivial"
        variant = TRIVIAL_NAMES.get(self.variant, self.variant) if trivial else self.variant
        return STAGES.get(self.stage, self.stage), variant

    @property
    def cam(self) -> str:
        """The CAM variant that the row is made from, or is."""
        return self.variant.partition("/")[0]

    @property
    def best(self) -> str:
        """The best of the threshold curve and where, as text; empty where there is no curve."""
        if self.best_miou is None:
            return ""
        return f"{self.best_miou.text(1)} ({', '.join(f'{alpha:g}' for alpha in self.best_alphas)})"


class Table(NamedTuple):
    """Cells as text, row by row; columns after the first `text_columns` hold numbers."""

    header: list[str]
    body: list[list[str]]
    text_columns: int = 1

    def markdown(self) -> list[str]:
        """Lines of GitHub Markdown."""
        rule = ["---" if i < self.text_columns else "---:" for i in range(len(self.header))]
        escaped = [[cell.replace("|", "\\|") for cell in row] for row in [self.header, *self.body]]
        return [f"| {' | '.join(cells)} |" for cells in [escaped[0], rule, *escaped[1:]]]

    def plain(self) -> list[str]:
        """Lines for a terminal."""
        widths = [max(map(len, column)) for column in zip(self.header, *self.body, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if i < self.text_columns else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
            ).rstrip()
            for cells in [self.header, *self.body]
        ]
        return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def base_variant(name: str) -> str:
    """A name of variants without seeds: "ssenet@1/default" is a replicate of "ssenet/default"."""
    return re.sub(r"@\d+(?=/|$)", "", name)


def load_entries(paths: Iterable[str | Path]) -> list[dict[str, Any]]:
    """Read evaluations of stages; a file of trivial answers yields several."""
    entries: list[dict[str, Any]] = []
    for path in paths:
        content = _read(path)
        found = content.get("answers", [content])
        if not found or any(entry.get("format") != FORMAT for entry in found):
            raise _foreign(path, f"an evaluation of format {FORMAT}")
        if entries and found[0]["classes"] != entries[0]["classes"]:
            raise SSENetError(
                f"{path}: expected the classes {entries[0]['classes']} of the other evaluations, "
                f"found {found[0]['classes']}; a report is about one dataset"
            )
        entries += found
    return entries


def load_equivariance(paths: Iterable[str | Path]) -> list[dict[str, Any]]:
    """Read files of `evaluation.equivariance`."""
    found = {path: _read(path) for path in paths}
    for path, content in found.items():
        if (content.get("format"), content.get("stage")) != (FORMAT, EQUIVARIANCE):
            raise _foreign(path, f"measurements of equivariance of format {FORMAT}")
    return list(found.values())


def load_scales(paths: Iterable[str | Path]) -> list[dict[str, Any]]:
    """Read files of `evaluation.scales`."""
    found = {path: _read(path) for path in paths}
    for path, content in found.items():
        if not isinstance(content.get("scales"), dict) or not content["scales"]:
            raise _foreign(path, "scores by scale")
    return list(found.values())


def _read(path: str | Path) -> dict[str, Any]:
    content = read_json(path)
    return content if isinstance(content, dict) else {}


def _foreign(path: str | Path, expected: str) -> SSENetError:
    advice = "delete the file and run the workflow again"
    return SSENetError(f"{path}: expected {expected}, found something else; {advice}")


def make_rows(entries: Sequence[Entry]) -> list[Row]:
    """Gather replicates into rows, in the order of the stages, then of first appearance."""
    groups: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in entries:
        key = (entry["stage"], base_variant(entry["name"]), entry["split"])
        groups.setdefault(key, []).append(entry)
    stages = list(STAGES)
    position = {stage: i for i, stage in enumerate(stages)}
    ordered = sorted(groups, key=lambda key: position.get(key[0], len(stages)))
    return [_row(key, groups[key]) for key in ordered]


def _row(key: tuple[str, str, str], runs: Sequence[Entry]) -> Row:
    stage, variant, split = key
    curves = [run["curve"] for run in runs if "curve" in run]
    empty = [run.get("empty_images", NO_EMPTY_IMAGES) for run in runs]
    of_class = {
        name: statistics.fmean(found["of_class"].get(name, 0) for found in empty)
        for name in empty[0]["of_class"]
    }
    by_class = [
        [value for value in values if value is not None]
        for values in zip(*(run["iou"] for run in runs), strict=True)
    ]
    return Row(
        stage=stage,
        variant=variant,
        split=split,
        images=runs[0]["images"],
        tags_used=all(run["tags_used"] for run in runs),
        alpha=runs[0].get("alpha"),
        miou=Spread.of([run["miou"] for run in runs]),
        mfn=Spread.of([run["mfn"] for run in runs]),
        mfp=Spread.of([run["mfp"] for run in runs]),
        best_miou=Spread.of([curve["best_miou"] for curve in curves]) if curves else None,
        best_alphas=list(dict.fromkeys(curve["best_alpha"] for curve in curves)),
        iou=[statistics.fmean(values) if values else None for values in by_class],
        runs=[run["name"] for run in runs],
        empty_images=empty[0]["images"],
        false_positives=Spread.of([found["with_false_positives"] for found in empty]),
        false_positives_of_class={name: mean for name, mean in of_class.items() if mean},
    )


def results_table(rows: Sequence[Row]) -> Table:
    """The scores of every stage and variant."""
    header = ["Stage", "Variant", "Split", "Images", "Seeds", "mIoU %", "mFN", "mFP"]
    body = []
    for row in rows:
        scores = (row.miou.text(1), row.mfn.text(2), row.mfp.text(2), row.best)
        body.append([*row.names, row.split, str(row.images), str(len(row.runs)), *scores])
    return Table([*header, "Best mIoU %* (alpha)"], body, text_columns=3)


def class_table(rows: Sequence[Row], classes: Sequence[str]) -> Table:
    """IoU: classes down, rows of the results across."""
    header = ["Class", *(f"{': '.join(row.names)} ({row.split})" for row in rows)]
    body = [
        [name, *(score_text(row.iou[label]) for row in rows)] for label, name in enumerate(classes)
    ]
    return Table(header, body)


def empty_table(rows: Sequence[Row]) -> Table | None:
    """False positives in photographs with nothing in them; None without any such photograph."""
    header = ["Stage", "Variant", "Split", "With nothing", "With a false positive", "Of class"]
    body = []
    for row in rows:
        if row.empty_images and not row.tags_used:
            found = row.false_positives
            classes = [
                f"{name} {round(n, 1):g}" for name, n in row.false_positives_of_class.items()
            ]
            # The number of photographs in one run is whole.
            counts = [str(row.empty_images), found.text(1 if found.n > 1 else 0)]
            body.append([*row.names, row.split, *counts, ", ".join(classes) or NONE])
    return Table(header, body, text_columns=3) if body else None


def equivariance_table(entries: Sequence[Entry]) -> Table:
    """Transforms down, CAM networks across; several seeds are one column."""
    networks: dict[str, list[Entry]] = {}
    for entry in entries:
        label = f"{base_variant(entry['name'])} ({entry['split']}, {entry['images']} images)"
        networks.setdefault(label, []).append(entry["differences"] | {"mean": entry["mean"]})
    names = list(dict.fromkeys(name for entry in entries for name in entry["differences"]))
    body = []
    for name in [*names, "mean"]:
        runs = [[run.get(name) for run in found] for found in networks.values()]
        body.append([name, *(NONE if None in run else Spread.of(run).text(3) for run in runs)])
    return Table(["Transform", *networks], body)


def scale_table(found: Sequence[Entry]) -> Table:
    """mIoU by the scale of the test image: scales down, CAM networks across."""
    networks: dict[str, list[Entry]] = {}
    for content in found:
        networks.setdefault(base_variant(content["name"]), []).append(content["scales"])
    body = []
    for key in dict.fromkeys(key for content in found for key in content["scales"]):
        scores = [[run[key]["miou"] for run in runs if key in run] for runs in networks.values()]
        cells = [Spread.of(values).text(1) if values else NONE for values in scores]
        body.append(["together" if key == MULTI_SCALE else key, *cells])
    return Table(["Test scale", *networks], body)


def score_text(value: float | None) -> str:
    """A score in percent as text; a dash where there is none."""
    return NONE if value is None else f"{value:.1f}"


def split_notes(rows: Sequence[Row]) -> list[str]:
    """A sentence per split and use of tags: which stages are evaluated on it."""
    notes = []
    for split in dict.fromkeys(row.split for row in rows):
        for given, phrase in ((True, "tags given"), (False, "tags unknown to the network")):
            chosen = [row for row in rows if row.split == split and row.tags_used == given]
            if chosen:
                stages = ", ".join(dict.fromkeys(row.names[0] for row in chosen))
                images = max(row.images for row in chosen)
                notes.append(f"Judged on {split} ({images} images, {phrase}): {stages}.")
    return notes


def results_json(
    entries: Sequence[Entry],
    title: str,
    settings: Any,
    equivariance: Sequence[Entry] = (),
    scales: Sequence[Entry] = (),
) -> dict[str, Any]:
    """The content of `results.json`: everything about a run, for programs."""
    return {
        "format": FORMAT,
        "title": title,
        "classes": entries[0]["classes"] if entries else [],
        "rows": [asdict(row) for row in make_rows(entries)],
        "evaluations": list(entries),
        "equivariance": list(equivariance),
        "scales": list(scales),
        "settings": settings,
    }


def corrected_note(photographs: int) -> str:
    """A sentence on how many photographs' labels were corrected."""
    return (
        f"{photographs} corrected photograph{'s' * (photographs != 1)}: their corrected labels "
        "replaced pseudo labels in DeepLab's training; pseudo labels are scored without them."
    )


def markdown(
    entries: Sequence[Entry], title: str, equivariance: Sequence[Entry] = (), corrected: int = 0
) -> str:
    """The results table, IoU by class and the equivariance as GitHub Markdown."""
    rows = make_rows(entries)
    lines = [f"# {title}", "", *[f"{corrected_note(corrected)}\n"] * bool(corrected)]
    if not rows:
        lines.append("No split has masks: nothing could be judged.")
    else:
        lines += [*results_table(rows).markdown(), ""]
        lines += [*(f"{note}\n" for note in split_notes(rows)), f"{RATIO_NOTE}\n", BEST_NOTE]
        table = class_table(rows, entries[0]["classes"])
        lines += ["", "## IoU a class, %", "", *table.markdown()]
        if empty := empty_table(rows):
            lines += ["", f"## {EMPTY_HEADING}", "", *empty.markdown(), "", EMPTY_NOTE]
    if equivariance:
        table = equivariance_table(equivariance)
        lines += ["", "## Equivariance", "", *table.markdown(), "", EQUIVARIANCE_NOTE]
    return "\n".join(lines) + "\n"


def results_lines(path: str | Path) -> list[str]:
    """The results table of a `results.json`, or of a run's folder, as lines for a terminal.

    Raises:
        SSENetError: the file is missing or is not a results file.
    """
    folder = Path(path)
    if folder.is_dir():
        found = [file for place in REPORTS if (file := folder / place).is_file()]
        path = found[0] if found else folder / REPORTS[-1]
    if not Path(path).exists():
        raise SSENetError(
            f"{path}: no such file; give results/DATASET of a run whose report is made"
        )
    content = read_json(path)
    if not isinstance(content, dict) or "evaluations" not in content:
        raise SSENetError(
            f"{path}: expected the results.json of a report, found something else; "
            "give the path of results/DATASET/report/results.json"
        )
    rows = make_rows(content["evaluations"])
    if not rows:
        return [str(content["title"]), "", "No split has masks: nothing was scored."]
    empty = empty_table(rows)
    false_positives = [
        f"{EMPTY_HEADING} on {split}: {stage} {variant} finds something in {found} of {images} "
        f"({of_class})."
        for stage, variant, split, images, found, of_class in (empty.body if empty else [])
    ]
    notes = [*split_notes(rows), *false_positives, RATIO_NOTE, BEST_NOTE]
    return [str(content["title"]), "", *results_table(rows).plain(), "", *notes]
