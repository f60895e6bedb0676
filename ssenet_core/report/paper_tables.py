"""Tables 1 to 3 of the paper from a run's evaluations, and the archive for VOC's server.

On VOC 2012 the paper's own numbers stand beside. `SSENetError` names a file that is missing or of
another kind.
"""

import logging
import tarfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ssenet_core.errors import SSENetError
from ssenet_core.io.files import atomic_path, write_json, write_text
from ssenet_core.report.results import (
    NONE,
    Row,
    Table,
    base_variant,
    load_entries,
    make_rows,
    score_text,
)

LOG = logging.getLogger("ssenet")
FOLDER = "results/VOC2012/Segmentation/comp6_test_cls"  # where the evaluation server looks

# What the paper prints, mIoU in percent.
PUBLISHED = yaml.safe_load((Path(__file__).parent / "published.yaml").read_text())
BRANCH_RATES: dict[str, tuple[float, float]] = PUBLISHED["branch_rates"]
SCALE_RANGES: list[tuple[str, list[int], float]] = PUBLISHED["scale_ranges"]
METHODS: list[tuple[str, str, str, float, float | None]] = PUBLISHED["methods"]
OURS_ON_VAL = METHODS[-1][3]  # its last row is the paper's own network
# Of the small branch, in the network that Table 3 shows.
CHOSEN_RATE = "0.3"
# The splits that the paper scores the stages on.
SPLITS = {"cam": "pseudo_eval", "random_walk": "pseudo_eval", "deeplab": "val"}

Models = Mapping[str, Mapping[str, Any]]  # settings of CAM variants by name


def write_table(
    *,
    number: int,
    evaluations: Sequence[str | Path],
    models: Models,
    published: bool,
    title: str,
    markdown: str | Path,
    json: str | Path,
) -> None:
    """Make one of the paper's tables.

    Args:
        number: 1, 2 or 3.
        evaluations: JSON of every stage that the table shows.
        models: settings of the CAM variants by name, in the order of the rows; `ser` and `resize`
            are read.
        published: stand the paper's numbers beside; they are about VOC 2012 alone.
        title: the table's heading.
        markdown, json: files to write.
    """
    makers = {1: branch_rates, 2: scale_ranges, 3: methods}
    table = makers[number](make_rows(load_entries(evaluations)), models, published)
    write_text(markdown, "\n".join([f"# {title}", "", *table.markdown(), ""]))
    write_json(json, {"title": title, "header": table.header, "rows": table.body})
    last = "; ".join(table.body[-1] if table.body else [])
    LOG.info("%s: %d rows, the last: %s", markdown, len(table.body), last)


def branch_rates(rows: Sequence[Row], models: Models, published: bool) -> Table:
    """Table 1: CAM and CAM + random walk, by the rate of the small branch."""
    header = ["Model", "CAM (mIoU %)", "CAM + random walk (mIoU %)"]
    header += ["paper: CAM", "paper: CAM + random walk"] if published else []
    body = []
    for (name, settings), label in zip(models.items(), model_labels(models), strict=True):
        cells = [label, _score(rows, "cam", name), _score(rows, "random_walk", name)]
        if published:
            paper = BRANCH_RATES.get(published_branch(settings) or "", (None, None))
            cells += [score_text(value) for value in paper]
        body.append(cells)
    return Table(header, body)


def scale_ranges(rows: Sequence[Row], models: Models, published: bool) -> Table:
    """Table 2: CAM by the range of sizes that the large branch is trained on."""
    header = ["Model", "Longest edge in training", "CAM (mIoU %)"]
    header += ["paper: CAM"] if published else []
    body = []
    for (name, settings), label in zip(models.items(), model_labels(models, "resize"), strict=True):
        shortest, longest = settings["resize"]
        cells = [label, f"[{shortest}, {longest}]", _score(rows, "cam", name)]
        if published:
            here = (published_branch(settings), [shortest, longest])
            paper = (score for *there, score in SCALE_RANGES if tuple(there) == here)
            cells.append(score_text(next(paper, None)))
        body.append(cells)
    return Table(header, body)


def methods(rows: Sequence[Row], models: Models, published: bool) -> Table:
    """Table 3: the segmentation network, on VOC among the published methods' own scores.

    The test split has no masks here; its score comes from VOC's evaluation server.
    """
    header = ["Method", "Supervision", "Saliency", "val (mIoU %)", "test (mIoU %)"]
    body = [
        [name, supervision, saliency, score_text(val), score_text(test)]
        for name, supervision, saliency, val, test in (METHODS if published else ())
    ]
    body += [
        [f"this run: {row.variant}", "Image-level", "", row.miou.text(1), NONE]
        for row in rows
        if row.stage == "deeplab"
    ]
    return Table(header, body)


def paper_score(row: Row, cams: Models) -> float | None:
    """mIoU in percent that the paper reports where the run has this row; None where it has none.

    Args:
        row: of the results table.
        cams: settings of the CAM variants by name, seeds included; `ser` is read.
    """
    if SPLITS.get(row.stage) != row.split:
        return None
    seeds = (cams[name] for name in cams if base_variant(name) == row.cam)
    rate = next(map(published_branch, seeds), None)
    if row.stage == "deeplab":
        return OURS_ON_VAL if rate == CHOSEN_RATE else None
    of_cams, of_walks = BRANCH_RATES.get(rate or "", (None, None))
    return of_cams if row.stage == "cam" else of_walks


def published_branch(settings: Mapping[str, Any]) -> str | None:
    """A CAM variant's key in `BRANCH_RATES`; None where it is not of the published kind.

    Args:
        settings: of the variant; `ser` is read.
    """
    ser = settings["ser"]
    if not ser["weight"]:
        return "baseline"
    kind = list(ser["transforms"]), ser["form"], ser["compared_at"]
    return f"{ser['rate']:g}" if kind == (["scale"], "normalised", "pixels") else None


def model_labels(models: Models, *shown: str) -> list[str]:
    """CAM variants as the paper calls them, Baseline or SSENet with its rate.

    A variant that the paper has no word for, or that looks like another one, has its name beside.

    Args:
        models: settings by name.
        shown: keys of settings that the table shows beside the labels.
    """
    branches = [published_branch(settings) for settings in models.values()]
    labels = [
        branch and ("Baseline" if branch == "baseline" else f"SSENet ({branch})")
        for branch in branches
    ]
    rows = [
        (label, *(str(settings[key]) for key in shown))
        for label, settings in zip(labels, models.values(), strict=True)
    ]
    alike = Counter(rows)
    return [
        label if label and alike[row] == 1 else f"{label or 'SSENet'}, {name}"
        for name, label, row in zip(models, labels, rows, strict=True)
    ]


def _score(rows: Sequence[Row], stage: str, cam: str) -> str:
    """mIoU of a stage that was made from a CAM variant, as text; a dash where there is none."""
    found = (row.miou.text(1) for row in rows if (row.stage, row.cam) == (stage, cam))
    return next(found, NONE)


def pack_predictions(
    images: Sequence[str], predictions_dir: str | Path, archive: str | Path
) -> None:
    """Pack indexed PNGs as `results/VOC2012/Segmentation/comp6_test_cls/{image id}.png`.

    Args:
        images: ids of the test split.
        predictions_dir: predicted labels, `{image id}.png` each.
        archive: gzipped tar file to write.

    Raises:
        SSENetError: predictions are missing; it says how many and names the first.
    """
    paths = [Path(predictions_dir) / f"{image}.png" for image in images]
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise SSENetError(
            f"{len(missing)} of {len(paths)} predictions are missing, the first: {missing[0]}; "
            "run the workflow again"
        )
    with atomic_path(archive) as temporary, tarfile.open(temporary, "w:gz") as tar:
        for path in paths:
            tar.add(path, f"{FOLDER}/{path.name}", recursive=False)
    LOG.info("%s: predictions of %d images", archive, len(paths))
