"""Build a run's report: results as JSON and Markdown, a self-contained HTML file, a picture.

In: evaluations, training metrics, benchmarks, manifests, and which images to show. Out: four files,
each whole or absent. Fails with `SSENetError` that names the file that is damaged or does not fit.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ssenet_core.data.manifest import Manifest, load_manifest
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import atomic_path, write_json, write_text
from ssenet_core.report.equivariance import load_equivariance
from ssenet_core.report.gallery import GalleryImage, gallery_image
from ssenet_core.report.page import Content, render
from ssenet_core.report.results import load_entries, make_rows, markdown, results
from ssenet_core.report.scales import load_scales
from ssenet_core.report.sheet import contact_sheet
from ssenet_core.report.tables import read_metrics, stage_costs

LOG = logging.getLogger("ssenet")

Paths = Mapping[str, str | Path]


def build_report(
    *,
    evaluations: Sequence[str | Path],
    trivial: Sequence[str | Path],
    equivariance: Sequence[str | Path],
    metrics: Paths,
    benchmarks: Paths,
    manifests: Paths,
    gallery: Sequence[Mapping[str, Any]],
    output_json: str | Path,
    output_markdown: str | Path,
    output_html: str | Path,
    output_gallery: str | Path,
    title: str,
    settings: Mapping[str, Any],
    scales: Sequence[str | Path] = (),
    published: bool = False,
) -> None:
    """Write the four files of the report.

    Args:
        evaluations: JSON files of `evaluation.stages`.
        trivial: JSON files of the trivial answers.
        equivariance: JSON files of `evaluation.equivariance`.
        metrics: training name ("cam/ssenet") to its metrics CSV.
        benchmarks: "stage/anything" to Snakemake's benchmark TSV.
        manifests: split to manifest; those of the gallery's splits are needed.
        gallery: images to show: "id", "split", "cam" (variant), and of "maps_dir", "refined_dir",
            "pseudo_dir", "prediction_dir" what there is; "alpha" where no evaluation of that CAM
            says at which background score its maps become labels.
        output_json: everything, for programs.
        output_markdown: the tables.
        output_html: the report.
        output_gallery: contact sheet of the gallery, PNG.
        title: heading of all of them.
        settings: the configuration to show; for `published`, its "cam" has each variant's `ser`.
        scales: JSON files of `evaluation.scales`, as far as there are any.
        published: stand the paper's numbers beside; they are about VOC 2012 alone.

    Raises:
        SSENetError: an input is missing, damaged, or does not fit the others.
    """
    entries = load_entries([*trivial, *evaluations])
    measured = load_equivariance(equivariance)
    plain_settings = json.loads(json.dumps(settings, default=str))
    splits = {split: load_manifest(path) for split, path in manifests.items()}
    classes = _classes(entries, splits)
    images = [_gallery_image(item, splits, classes, entries) for item in gallery]
    by_scale = load_scales(scales)

    facts = {"title": title, "settings": plain_settings, "equivariance": measured}
    content = Content(
        **facts,
        classes=classes,
        splits=splits,
        entries=entries,
        scales=by_scale,
        metrics={name: read_metrics(path) for name, path in metrics.items()},
        costs=stage_costs(benchmarks),
        gallery=images,
        cam=next((item["cam"] for item in gallery if item.get("cam")), None),
        published=published,
    )
    page = render(content)
    write_json(output_json, results(entries, **facts, scales=by_scale))
    write_text(output_markdown, markdown(entries, title, measured))
    with atomic_path(output_gallery) as temporary:
        contact_sheet(images, classes, title).save(temporary, format="PNG", optimize=True)
    write_text(output_html, page)
    rows = make_rows(entries)
    last = [f"{row.label} on {row.split}: mIoU {row.miou.text(1)} %" for row in rows[-1:]]
    LOG.info(
        "%s: %d rows of results, %d images, %.1f MB; %s",
        output_html,
        len(rows),
        len(images),
        len(page) / 1e6,
        *(last or ["nothing could be judged"]),
    )


def _gallery_image(
    item: Mapping[str, Any],
    splits: Mapping[str, Manifest],
    classes: Sequence[str],
    entries: Sequence[Mapping[str, Any]],
) -> GalleryImage:
    split = item["split"]
    if split not in splits:
        raise SSENetError(
            f"gallery image {item['id']}: expected a manifest of its split {split}, found those of "
            f"{', '.join(splits) or 'no split'}"
        )
    alphas = [e["alpha"] for e in entries if e["stage"] == "cam" and e["name"] == item.get("cam")]
    alpha = item.get("alpha", alphas[0] if alphas else None)
    return gallery_image(item, splits[split].record(item["id"]), classes, alpha)


def _classes(entries: Sequence[Mapping[str, Any]], splits: Mapping[str, Manifest]) -> list[str]:
    """Class names, background first; evaluations and manifests must agree on them."""
    found = {f"manifest of {split}": list(m.classes) for split, m in splits.items()}
    if entries:
        found["evaluations"] = entries[0]["classes"][1:]
    if any(names != next(iter(found.values())) for names in found.values()):
        listed = "\n  ".join(f"{where}: {', '.join(names)}" for where, names in found.items())
        raise SSENetError(f"expected the same classes everywhere, found\n  {listed}")
    return ["background", *next(iter(found.values()), [])]
