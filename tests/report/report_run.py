"""A small finished run, and its report: for tests of what people see."""

from pathlib import Path

import numpy as np
from evaluation_files import SER
from evaluation_files import equivariance as measured
from synthetic_run import CLASSES, make_split

from ssenet_core.data.tag_scores import TagScores
from ssenet_core.evaluation.agreement import measure_agreement
from ssenet_core.evaluation.stages import (
    evaluate_cam,
    evaluate_crf,
    evaluate_labels,
    evaluate_trivial,
)
from ssenet_core.io.files import read_json, write_json
from ssenet_core.report.doubtful import DoubtSources
from ssenet_core.report.gallery import GalleryItem
from ssenet_core.report.page import build_report
from ssenet_core.settings import AlphaGrid


def evaluate(split, folder, cam, noise):
    """All evaluations of one CAM variant's files."""
    alphas = AlphaGrid(start=0.02, stop=0.8, count=40)
    where = {"manifest": split.manifest}
    paths = [folder / f"{cam}_{stage}.json" for stage in ("cam", "crf", "walk")]
    evaluate_cam(maps_dir=split.maps, output=paths[0], name=cam, alpha=0.2, alphas=alphas, **where)
    evaluate_crf(refined_dir=split.refined, output=paths[1], name=cam, **where)
    evaluate_labels(
        labels_dir=split.labels, output=paths[2], stage="random_walk", name=f"{cam}/d", **where
    )
    return paths


def doubt_sources(split, root, probabilities, held_out=False):
    """Where the report finds the doubts of a split, with the classes' probabilities by image."""
    scores = TagScores([*CLASSES], held_out, probabilities)
    write_json(root / "tags.json", scores.to_json())
    measure_agreement(
        manifest=split.manifest,
        refined_dir=split.refined,
        pseudo_dir=split.labels,
        prediction_dir=root / "none",
        output=root / "agreement.json",
        name="ssenet/d/d",
    )
    files = split.manifest, root / "tags.json", root / "agreement.json"
    return DoubtSources(*files, split.refined, split.labels)


def make_run(root: Path):
    """Arguments of `build_report` for a run of two CAM variants, one of them with two seeds."""
    evaluations = []
    for cam, noise in (("baseline", 2.0), ("ssenet", 1.0), ("ssenet@1", 1.2)):
        train = make_split(root / cam, "pseudo_eval", ((48, 64), (60, 40), (50, 50)), noise)
        evaluations += evaluate(train, root, cam, noise)
    val = make_split(root, "val")
    evaluations.append(root / "val.json")
    evaluate_labels(
        manifest=val.manifest,
        labels_dir=val.labels,
        output=evaluations[-1],
        stage="deeplab",
        name="ssenet/d/d",
    )
    evaluate_trivial(manifest=train.manifest, output=root / "trivial.json", ellipse=0.7)
    equivariance = [
        root / f"{name}_equivariance.json" for name in ("baseline", "ssenet", "ssenet@1")
    ]
    for number, path in enumerate(equivariance):
        entry = measured(path.stem.split("_")[0], 0.1 * number, 0.2)
        entry["differences"] |= {"scale 0.5": 0.3, "scale 2": 0.1 * number}
        write_json(path, entry)
    scales = [root / f"{name}_scales.json" for name in ("baseline", "ssenet")]
    for path in scales:
        judged = read_json(root / path.name.replace("scales", "cam"))
        by_scale = {"0.5": judged, "1": judged | {"miou": 12.3}, "MS": judged}
        write_json(path, {"name": judged["name"], "multi_scale": [0.5, 1], "scales": by_scale})
    metrics, benchmarks = {}, {}
    random = np.random.default_rng(0)
    for name in ("cam/baseline", "cam/ssenet", "cam/ssenet@1", "affinity/ssenet/d"):
        metrics[name] = root / f"{name.replace('/', '_')}.csv"
        lines = [
            f"{s},0,0.1,{2 * 0.99**s * random.uniform(0.8, 1.2)},{0.3 * 0.995**s}"
            for s in range(1, 200)
        ]
        metrics[name].write_text("\n".join(["step,epoch,lr,loss,ser", *lines]))
    for i, stage in enumerate(("train_cam", "infer_cam", "refine_cam", "random_walk")):
        benchmarks[f"{stage}/ssenet"] = root / f"{stage}.tsv"
        benchmarks[f"{stage}/ssenet"].write_text(f"s\tmax_rss\n{50 * i + 3}\t{400 + 90 * i}\n")
    folders = {"maps_dir": train.maps, "refined_dir": train.refined, "pseudo_dir": train.labels}
    gallery = [GalleryItem(i, "pseudo_eval", "ssenet", 0.2, **folders) for i in train.ids]
    gallery += [GalleryItem(i, "val", prediction_dir=val.labels) for i in val.ids]
    doubts = doubt_sources(train, root, {name: [0.5] * len(CLASSES) for name in train.ids})
    return {
        "evaluations": evaluations,
        "trivial": [root / "trivial.json"],
        "equivariance": equivariance,
        "metrics": metrics,
        "benchmarks": benchmarks,
        "manifests": {"pseudo_eval": train.manifest, "val": val.manifest},
        "gallery": gallery,
        "doubts": doubts,
        "title": "Shapes & <friends>",
        "settings": {
            "cam": {
                "baseline": {"ser": SER | {"weight": 0.0}},
                "ssenet": {"ser": SER},
            },
            "note": "<b>plain</b>",
        },
        "scales": scales,
        "published": True,
    }


def build(run, folder, **changes):
    """Write the report of a run into a folder; its page."""
    outputs = {
        "output_json": folder / "results.json",
        "output_markdown": folder / "results.md",
        "output_html": folder / "index.html",
        "output_gallery": folder / "gallery.png",
    }
    build_report(**(run | changes), **outputs)
    return (folder / "index.html").read_text()
