"""How well the doubts of a run find tags that were made wrong: precision and recall.

A share of a dataset's tags is taken away or added by a seed, as many of each, and the networks are
trained with the changed table. All images and classes are ordered by the probability against the
tag, of networks that had not seen the image and, to compare, of the chain's own network, which had.

    python benchmarks/doubtful_tags.py recipes/voc6.yaml --out FOLDER [--folds 5] [--seed 0]

FOLDER gets the changed table, `tags.csv`, and results; a second call goes on from what is there.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from workflow_runs import absolute_paths, make

from ssenet_core.data.manifest import Manifest, load_manifest
from ssenet_core.data.tag_scores import TagScores
from ssenet_core.doubts import tag_doubts
from ssenet_core.settings import read_configuration


def flip(split: Manifest, share: float, seed: int) -> tuple[set[tuple[str, int]], pd.DataFrame]:
    """Take away and add tags, `share` of all tags together.

    Returns:
        The flipped pairs of image and label, and the changed table of tags.
    """
    rng = np.random.default_rng(seed)
    tags = {(record.id, tag) for record in split.images for tag in record.known_tags}
    labels = range(1, len(split.classes) + 1)
    absent = sorted({(r.id, label) for r in split.images for label in labels} - tags)
    half = round(share * len(tags) / 2)
    flipped = {
        pairs[place]
        for pairs in (sorted(tags), absent)
        for place in rng.choice(len(pairs), half, replace=False)
    }
    changed = tags ^ flipped
    rows = [
        (r.id, str([split.classes[label - 1] for label in labels if (r.id, label) in changed]))
        for r in split.images
    ]
    return flipped, pd.DataFrame(rows, columns=["image", "tags"])


def found(out: Path, name: str, flipped: set[tuple[str, int]], what: str) -> None:
    """Print how many of the first doubts, and of those that cleanlab names, were flipped."""
    results = out / "results" / name
    split = load_manifest(results / "manifest" / "train.json")
    doubts = tag_doubts(split, TagScores.load(results / "tags" / "probabilities.json", split))
    right = np.array(
        [pair in flipped for pair in zip(doubts["image"], doubts["label"], strict=True)]
    )
    firsts = (len(flipped) // 2, len(flipped), 2 * len(flipped))
    parts = {f"first {count}": right[:count] for count in firsts}
    parts[f"doubted, {doubts['doubted'].sum()}"] = right[doubts["doubted"]]
    for title, chosen in parts.items():
        precision = chosen.mean() if chosen.size else float("nan")
        recall = chosen.sum() / len(flipped)
        print(f"| {what} | {title} | {precision:.1%} | {recall:.1%} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recipes", nargs="*", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    settings = read_configuration(options.recipes)
    name, dataset, out = settings.dataset.name, settings.dataset, options.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    recipes, cores = [path.absolute() for path in options.recipes], options.cores
    change = absolute_paths(settings)
    # The tags as they are come from a manifest, whatever their source is.
    before = out / "before"
    before.mkdir(exist_ok=True)
    make(before, recipes, change, f"results/{name}/manifest/train.json", cores)
    split = load_manifest(before / "results" / name / "manifest" / "train.json")
    flipped, table = flip(split, options.share, options.seed)
    text = table.to_csv(index=False)
    file = out / "tags.csv"
    if not file.exists() or file.read_text() != text:
        file.write_text(text)
    sources = ["csv", *(source for source in dataset.tags if source != "csv")]
    change["dataset"] |= {"tags": sources, "tags_csv": {"train": str(file)}}
    print(
        f"{name}: {len(flipped)} of {len(split.images)} x {len(split.classes)} flipped, seed "
        f"{options.seed}\n\n| networks | doubts | precision | recall |\n|---|---|---:|---:|"
    )
    for folds, what in ((options.folds, f"{options.folds} folds"), (0, "in-sample")):
        change["tags"] = {"folds": folds}
        make(out, recipes, change, f"results/{name}/tags/probabilities.json", cores)
        found(out, name, flipped, what)


if __name__ == "__main__":
    main()
