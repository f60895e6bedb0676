"""How well the agreement of stages orders pseudo labels by what their masks say they are worth.

Spearman's correlation, over the training images with masks and a class, of the agreement that a run
measured without masks with the mean IoU of the pseudo label and the mask over the image's classes.

    python benchmarks/doubtful_labels.py results/voc6     # in the folder that snakemake ran in
"""

import argparse
from pathlib import Path

from scipy.stats import spearmanr

from ssenet_core.data.manifest import load_manifest
from ssenet_core.doubts import read_agreement
from ssenet_core.evaluation.confusion import confusion_matrix, scores
from ssenet_core.io.images import read_label_png


def true_iou(mask: Path, labels: Path, classes: int, tags: tuple[int, ...]) -> float:
    """Mean IoU in percent of a pseudo label over the image's classes; one that neither has is 0."""
    found = scores(confusion_matrix(read_label_png(mask), read_label_png(labels), classes)).iou
    return sum(found[tag] or 0.0 for tag in tags) / len(tags)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", type=Path)
    results = parser.parse_args().results
    split = load_manifest(results / "manifest" / "pseudo_eval.json")
    for file in sorted(results.glob("deeplab/*/*/*/agreement.json")):
        cam, affinity, _ = file.parent.relative_to(results / "deeplab").parts
        folder = results / "affinity" / cam / affinity / "pseudo_labels" / "train"
        table = read_agreement(file).set_index("image")
        for column in ("agreement", "deeplab"):
            known = table[column].dropna()
            pairs = [
                (
                    known[record.id],
                    true_iou(
                        record.mask,
                        folder / f"{record.id}.png",
                        split.num_classes,
                        record.known_tags,
                    ),
                )
                for record in split.images
                if record.mask and record.id in known
            ]
            correlation = spearmanr(pairs).statistic if len(pairs) > 2 else float("nan")
            print(f"{cam}/{affinity} {column}: {len(pairs)} images, Spearman {correlation:.2f}")


if __name__ == "__main__":
    main()
