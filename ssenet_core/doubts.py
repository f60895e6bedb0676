"""Doubtful image-level labels (tags) and doubtful labels of a run, as CSV files (`ssenet doubts`).

Raises `SSENetError` for files that are missing or hold something else.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ssenet_core.data.manifest import Manifest, load_manifest
from ssenet_core.data.tag_scores import TagScores
from ssenet_core.data.tags import MARKS
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import read_json, write_text

TAG_SCORES = "tags/probabilities.json"  # below the results of a dataset
AGREEMENT = "agreement.json"  # below a chain's folder


def tag_doubts(split: Manifest, scores: TagScores) -> pd.DataFrame:
    """Every image and class, the most doubtful first.

    Returns:
        Columns `image`, `label` (value), `tagged` (the image has the tag, which would be wrong;
        else it would be missing), `probability` of the class, and `doubted`.
    """
    tagged = np.zeros((len(split.images), len(split.classes)), bool)
    for row, record in zip(tagged, split.images, strict=True):
        row[[tag - 1 for tag in record.known_tags]] = True
    ids = [record.id for record in split.images]
    probabilities = np.array([scores.probabilities[name] for name in ids]).reshape(tagged.shape)
    rows, columns = np.indices(tagged.shape).reshape(2, -1)
    found = pd.DataFrame(
        {
            "image": [ids[row] for row in rows],
            "label": columns + 1,
            "tagged": tagged.ravel(),
            "probability": probabilities.ravel(),
            "doubted": mislabelled(tagged, probabilities).ravel(),
        }
    )
    trust = found["probability"].where(found["tagged"], 1 - found["probability"])
    return found.iloc[np.argsort(trust, kind="stable")].reset_index(drop=True)


def mislabelled(tagged: NDArray[np.bool_], probabilities: NDArray[Any]) -> NDArray[np.bool_]:
    """Which tags are likely wrong or missing, by confident learning (cleanlab), class by class.

    Args:
        tagged: whether an image has a tag, (images, classes).
        probabilities: of the classes, of the same shape.

    Returns:
        The same shape. Of a class that all or none of the images have, nothing can be said.
    """
    # Not at the top: it takes seconds to import.
    from cleanlab.multilabel_classification.filter import find_multilabel_issues_per_class

    doubted = np.zeros(tagged.shape, bool)
    mixed = np.flatnonzero(tagged.any(axis=0) & ~tagged.all(axis=0))
    for column in mixed:
        # One class at a time: cleanlab takes no class that all images have, and none is alone.
        labels = [[0] if one else [] for one in tagged[:, column]]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="May not flag all")  # of rare classes
            found = find_multilabel_issues_per_class(labels, probabilities[:, [column]], n_jobs=1)
        doubted[:, [column]] = found
    return doubted


def write_doubts(results: Path, out: Path) -> list[Path]:
    """Write the doubtful tags and labels of a run as `tags.csv` and `labels.csv`.

    Args:
        results: the folder of a dataset's results.
        out: folder to write into.

    Returns:
        The files, of which there is no `labels.csv` if the run has no chain through to DeepLab.

    Raises:
        SSENetError: the run has not come so far, or its files are damaged.
    """
    manifest, scored = results / "manifest" / "train.json", results / TAG_SCORES
    missing = [str(path) for path in (manifest, scored) if not path.is_file()]
    if missing:
        raise SSENetError(
            f"{results}: expected the results of a finished run, found no {', '.join(missing)}; "
            "give results/DATASET, after snakemake has run"
        )
    split = load_manifest(manifest)
    tables = {"tags.csv": tags_table(split, TagScores.load(scored, split))}
    chains = [read_agreement(path) for path in sorted(results.glob(f"deeplab/*/*/*/{AGREEMENT}"))]
    if chains:
        tables["labels.csv"] = pd.concat(chains)
    for name, table in tables.items():
        write_text(out / name, table.to_csv(index=False))
    return [out / name for name in tables]


def tags_table(split: Manifest, scores: TagScores) -> pd.DataFrame:
    """The tags of all images with their doubts, the most doubtful image first.

    Returns:
        A row an image. `image` and `tags` are a table of tags as `dataset.tags_csv` takes it; the
        other columns, which it ignores, name the classes that are likely wrong or missing and their
        probabilities. That column's name says whether these are in-sample.
    """
    doubts = tag_doubts(split, scores)
    doubted = doubts[doubts["doubted"]]
    order = [*doubted["image"], *doubts["image"]]
    names = [split.classes[label - 1] for label in doubted["label"]]
    plain = not any(mark in name for name in split.classes for mark in (" ", *MARKS))
    rows = []
    for image in dict.fromkeys(order):
        tags = [split.classes[tag - 1] for tag in split.record(image).known_tags]
        rows.append({"image": image, "tags": " ".join(tags) if plain else str(tags or "")})
    table = pd.DataFrame(rows).set_index("image")
    of_image = doubted.assign(name=names).groupby("image", sort=False)
    probabilities = f"{scores.origin} probabilities"
    table[["wrong", "missing", probabilities]] = ""
    for image, own in of_image:
        table.loc[image, "wrong"] = ", ".join(own["name"][own["tagged"]])
        table.loc[image, "missing"] = ", ".join(own["name"][~own["tagged"]])
        pairs = zip(own["name"], own["probability"], strict=True)
        table.loc[image, probabilities] = ", ".join(f"{name} {p:.3f}" for name, p in pairs)
    return table.reset_index()


def read_agreement(path: str | Path) -> pd.DataFrame:
    """The agreement of a chain's stages image by image, least first.

    Returns:
        Columns `chain`, `image`, `agreement` (of CAM + CRF and the pseudo label, 0 to 1), and
        `deeplab` (of DeepLab's answer and the pseudo label; NaN where it was not asked).

    Raises:
        SSENetError: missing, or something else.
    """
    content = read_json(path)
    if not isinstance(content, dict) or "images" not in content:
        raise SSENetError(
            f"{path}: expected the agreement of stages, found something else; delete the file and "
            "run the workflow again"
        )
    rows = [
        (content["name"], image, found["crf"], found.get("deeplab"))
        for image, found in content["images"].items()
    ]
    table = pd.DataFrame(rows, columns=["chain", "image", "agreement", "deeplab"])
    return table.sort_values("agreement", kind="stable", ignore_index=True)
