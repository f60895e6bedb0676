"""The results table of a run: rows from the evaluation JSONs, as data, Markdown and plain text.

In: evaluation files of every stage, and the trivial answers; measurements of equivariance. Out: one
row a stage, variant and split; replicates that differ in their seed only (`ssenet`, `ssenet@1`) are
one row, with mean and sample standard deviation. Fails with `SSENetError` that names a file of
another kind, or files that disagree about the classes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from ssenet_core.errors import SSENetError
from ssenet_core.evaluation.entries import FORMAT
from ssenet_core.io.files import read_json
from ssenet_core.report.equivariance import EQUIVARIANCE_NOTE, equivariance_table
from ssenet_core.report.markdown import markdown_table
from ssenet_core.report.replicates import Spread, base_variant, present_mean, spread

STAGES = {
    "trivial": "Trivial answer",
    "cam": "CAM",
    "crf": "CAM + CRF",
    "random_walk": "Random walk",
    "deeplab": "DeepLab",
}
TRIVIAL_NAMES = {"tag": "every pixel is the tag", "ellipse": "centred ellipse of the tag"}
REPORTS = ("results.json", "report/results.json")  # where they lie in a folder that is given
COLUMNS = (
    "Stage",
    "Variant",
    "Split",
    "Images",
    "Seeds",
    "mIoU %",
    "mFN",
    "mFP",
    "Best mIoU %* (alpha)",
)
NO_EMPTY_IMAGES: dict[str, Any] = {"images": 0, "with_false_positives": 0, "of_class": {}}
TEXT_COLUMNS = 3  # from the left; the others are numbers
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


@dataclass(frozen=True)
class Row:
    """One stage and variant on one split.

    `iou` has a mean a class (None: the class is absent). Of the photographs with nothing in them,
    `empty_images`, so many have a false positive: of any class, and of each one (a mean over runs).
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
    def label(self) -> str:
        """The stage and the variant, in words."""
        return f"{STAGES.get(self.stage, self.stage)}: {variant_label(self.stage, self.variant)}"

    def cells(self) -> list[str]:
        """The row's cells, as text, in the order of `COLUMNS`."""
        return [
            STAGES.get(self.stage, self.stage),
            variant_label(self.stage, self.variant),
            self.split,
            str(self.images),
            str(len(self.runs)),
            self.miou.text(1),
            self.mfn.text(2),
            self.mfp.text(2),
            self.best(),
        ]

    def best(self) -> str:
        """The best of the threshold curve and where, as text; empty where there is no curve."""
        if self.best_miou is None:
            return ""
        alphas = ", ".join(f"{alpha:g}" for alpha in self.best_alphas)
        return f"{self.best_miou.text(1)} ({alphas})"


def variant_label(stage: str, variant: str) -> str:
    """How a variant is called in tables."""
    return TRIVIAL_NAMES.get(variant, variant) if stage == "trivial" else variant


def load_entries(paths: Iterable[str | Path]) -> list[dict[str, Any]]:
    """Read evaluation files; a file of trivial answers yields several entries."""
    entries: list[dict[str, Any]] = []
    for path in paths:
        content = read_json(path)
        found = content.get("answers", [content]) if isinstance(content, dict) else []
        if not found or any(entry.get("format") != FORMAT for entry in found):
            raise SSENetError(
                f"{path}: expected an evaluation of format {FORMAT}, found something else; "
                "delete the file and run the workflow again"
            )
        if entries and found[0]["classes"] != entries[0]["classes"]:
            raise SSENetError(
                f"{path}: expected the classes {entries[0]['classes']} of the other evaluations, "
                f"found {found[0]['classes']}; a report is about one dataset"
            )
        entries += found
    return entries


def make_rows(entries: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Gather replicates into rows, in the order of the stages, then of first appearance."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for entry in entries:
        key = (entry["stage"], base_variant(entry["name"]), entry["split"])
        groups.setdefault(key, []).append(entry)
    stages = list(STAGES)
    position = {stage: i for i, stage in enumerate(stages)}
    ordered = sorted(groups, key=lambda key: position.get(key[0], len(stages)))
    return [_row(key, groups[key]) for key in ordered]


def results(
    entries: Sequence[Mapping[str, Any]],
    *,
    title: str,
    settings: Any,
    equivariance: Sequence[Mapping[str, Any]] = (),
    scales: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Everything about a run that a program may want to read (`results.json`)."""
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


def markdown(
    entries: Sequence[Mapping[str, Any]],
    title: str,
    equivariance: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The results table, IoU a class and the equivariance as GitHub Markdown."""
    rows = make_rows(entries)
    lines = [f"# {title}", ""]
    if not rows:
        lines.append("No split has masks: nothing could be judged.")
    else:
        lines += markdown_table(COLUMNS, [row.cells() for row in rows], TEXT_COLUMNS)
        lines += ["", *(f"{note}\n" for note in judged_on(rows)), f"{RATIO_NOTE}\n", BEST_NOTE]
        header, body = class_table(rows, entries[0]["classes"])
        lines += ["", "## IoU a class, %", "", *markdown_table(header, body)]
        if found := empty_table(rows):
            table = markdown_table(*found, TEXT_COLUMNS)
            lines += ["", f"## {EMPTY_HEADING}", "", *table, "", EMPTY_NOTE]
    if equivariance:
        header, body = equivariance_table(equivariance)
        lines += ["", "## Equivariance", "", *markdown_table(header, body), "", EQUIVARIANCE_NOTE]
    return "\n".join(lines) + "\n"


def class_table(rows: Sequence[Row], classes: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the IoU table: classes down, rows of the results across."""
    header = ["Class", *(f"{row.label} ({row.split})" for row in rows)]
    body = []
    for label, name in enumerate(classes):
        values = [row.iou[label] for row in rows]
        body.append([name, *("–" if value is None else f"{value:.1f}" for value in values)])
    return header, body


def empty_table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]] | None:
    """Header and cells of the false positives in photographs with nothing; None without any."""
    header = ["Stage", "Variant", "Split", "With nothing", "With a false positive", "Of class"]
    body = [
        [
            *row.cells()[:TEXT_COLUMNS],
            str(row.empty_images),
            _count(row.false_positives),
            ", ".join(f"{name} {round(n, 1):g}" for name, n in row.false_positives_of_class.items())
            or "–",
        ]
        for row in rows
        if row.empty_images and not row.tags_used
    ]
    return (header, body) if body else None


def _count(found: Spread) -> str:
    """A number of photographs: whole where it is of one run."""
    return found.text(1 if found.n > 1 else 0)


def judged_on(rows: Sequence[Row]) -> list[str]:
    """One sentence a split: which stages are judged on it, and whether they were told the tags."""
    notes = []
    for split in dict.fromkeys(row.split for row in rows):
        for told, phrase in ((True, "tags given"), (False, "tags unknown to the network")):
            chosen = [row for row in rows if row.split == split and row.tags_used == told]
            stages = list(dict.fromkeys(STAGES.get(row.stage, row.stage) for row in chosen))
            if stages:
                images = max(row.images for row in chosen)
                notes.append(f"Judged on {split} ({images} images, {phrase}): {', '.join(stages)}.")
    return notes


def results_lines(path: str | Path) -> list[str]:
    """The results table of a `results.json`, or of a run's folder, as lines for a terminal.

    Raises:
        SSENetError: the file is missing or is not a results file.
    """
    folder = Path(path)
    if folder.is_dir():
        found = [file for place in REPORTS if (file := folder / place).is_file()]
        path = found[0] if found else folder / REPORTS[0]
    content = read_json(path)
    if not isinstance(content, dict) or "evaluations" not in content:
        raise SSENetError(
            f"{path}: expected the results.json of a report, found something else; "
            "give the path of results/DATASET/report/results.json"
        )
    rows = make_rows(content["evaluations"])
    if not rows:
        return [str(content["title"]), "", "No split has masks: nothing was scored."]
    table = [list(COLUMNS), *(row.cells() for row in rows)]
    widths = [max(len(cells[i]) for cells in table) for i in range(len(COLUMNS))]
    lines = []
    for cells in table:
        padded = [
            cell.ljust(width) if column < TEXT_COLUMNS else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    notes = [*judged_on(rows), *_empty_lines(rows), RATIO_NOTE, BEST_NOTE]
    return [str(content["title"]), "", *lines, "", *notes]


def _empty_lines(rows: Sequence[Row]) -> list[str]:
    """A line a row of `empty_table`."""
    _, body = empty_table(rows) or ([], [])
    return [
        f"{EMPTY_HEADING} on {split}: {stage} {variant} finds something in {found} of {images} "
        f"({of_class})."
        for stage, variant, split, images, found, of_class in body
    ]


def _row(key: tuple[str, str, str], runs: Sequence[Mapping[str, Any]]) -> Row:
    stage, variant, split = key
    curves = [run["curve"] for run in runs if "curve" in run]
    empty = [run.get("empty_images", NO_EMPTY_IMAGES) for run in runs]
    of_class = {
        name: fmean(found["of_class"].get(name, 0) for found in empty)
        for name in empty[0]["of_class"]
    }
    return Row(
        stage=stage,
        variant=variant,
        split=split,
        images=runs[0]["images"],
        tags_used=all(run["tags_used"] for run in runs),
        alpha=runs[0].get("alpha"),
        miou=spread([run["miou"] for run in runs]),
        mfn=spread([run["mfn"] for run in runs]),
        mfp=spread([run["mfp"] for run in runs]),
        best_miou=spread([curve["best_miou"] for curve in curves]) if curves else None,
        best_alphas=list(dict.fromkeys(curve["best_alpha"] for curve in curves)),
        iou=[present_mean(values) for values in zip(*(run["iou"] for run in runs), strict=True)],
        runs=[run["name"] for run in runs],
        empty_images=empty[0]["images"],
        false_positives=spread([found["with_false_positives"] for found in empty]),
        false_positives_of_class={name: mean for name, mean in of_class.items() if mean},
    )
