"""What the report shows of doubts: the likeliest wrong and missing tags, and doubtful labels.

Raises `SSENetError` for files that are missing, damaged or of other images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ssenet_core.data.manifest import Manifest, load_manifest
from ssenet_core.data.tag_scores import TagScores
from ssenet_core.doubts import read_agreement, tag_doubts
from ssenet_core.evaluation.agreement import weakest_background
from ssenet_core.io.images import read_label_png
from ssenet_core.io.maps import read_refined
from ssenet_core.pictures import label_overlay, thumbnail

MOST = 12  # images of a kind


@dataclass(frozen=True)
class DoubtSources:
    """Where the doubts of a run lie.

    Attributes:
        manifest: of the training images.
        tag_scores: JSON of `score_tags`.
        agreement: JSON of `measure_agreement`; None without a chain, and then the folders are too.
        refined_dir: refined scores, `{id}.h5`.
        pseudo_dir: pseudo labels, `{id}.png`.
    """

    manifest: str | Path
    tag_scores: str | Path
    agreement: str | Path | None = None
    refined_dir: str | Path | None = None
    pseudo_dir: str | Path | None = None


@dataclass(frozen=True)
class Doubt:
    """A picture and what is doubtful about it."""

    image: str
    caption: str
    picture: Image.Image


@dataclass(frozen=True)
class Doubts:
    """What the report shows.

    Attributes:
        held_out: see `TagScores`.
        doubted: tags that are doubted, in all images.
        wrong: images with a tag that is likely wrong, the likeliest first.
        missing: images without a tag that is likely missing.
        labels: images whose stages agree least.
        agreement: of the stages' labels, 0 to 1, by image id.
    """

    held_out: bool
    doubted: int
    wrong: list[Doubt]
    missing: list[Doubt]
    labels: list[Doubt]
    agreement: dict[str, float]


def find_doubts(sources: DoubtSources) -> Doubts:
    """Gather what the report shows; errors as the module."""
    split = load_manifest(sources.manifest)
    scores = TagScores.load(sources.tag_scores, split)
    doubts = tag_doubts(split, scores)
    doubted = doubts[doubts["doubted"]]
    wrong, missing = (
        [
            _tag_doubt(split, *row)
            for row in zip(own["image"], own["label"], own["probability"], strict=True)
        ]
        for own in (doubted[doubted["tagged"] == tagged].head(MOST) for tagged in (True, False))
    )
    agreement, labels = dict[str, float](), list[Doubt]()
    if sources.agreement and sources.refined_dir and sources.pseudo_dir:
        table = read_agreement(sources.agreement)
        agreement = dict(zip(table["image"], table["agreement"], strict=True))
        folders = Path(sources.refined_dir), Path(sources.pseudo_dir)
        labels = [
            _label_doubt(split, image, agreement[image], *folders)
            for image in table["image"].head(MOST)
        ]
    return Doubts(scores.held_out, len(doubted), wrong, missing, labels, agreement)


def _tag_doubt(split: Manifest, image: str, label: int, probability: float) -> Doubt:
    record = split.record(image)
    caption = f"{split.classes[label - 1]}: probability {probability:.1%}; {_tagged(split, image)}"
    return Doubt(image, caption, thumbnail(record.photograph()))


def _label_doubt(
    split: Manifest, image: str, agreement: float, refined_dir: Path, pseudo_dir: Path
) -> Doubt:
    """The labels of CAM + CRF, and beside them the pseudo label, over the photograph."""
    photograph = split.record(image).photograph()
    labels = (
        weakest_background(read_refined(refined_dir / f"{image}.h5")),
        read_label_png(pseudo_dir / f"{image}.png"),
    )
    pictures = [np.asarray(thumbnail(label_overlay(photograph, one))) for one in labels]
    caption = f"agreement {agreement:.0%}; {_tagged(split, image)}"
    return Doubt(image, caption, Image.fromarray(np.concatenate(pictures, axis=1)))


def _tagged(split: Manifest, image: str) -> str:
    names: Sequence[str] = [split.classes[tag - 1] for tag in split.record(image).known_tags]
    return f"tagged {', '.join(names) or 'none of the classes'}"
