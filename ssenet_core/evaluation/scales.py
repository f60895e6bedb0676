"""Scores of a network's class activation maps at each test scale (the paper's Figures 4 and 5)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ssenet_core.cam.inference import normalised_maps, single_scale_maps, sum_maps
from ssenet_core.data.manifest import load_manifest
from ssenet_core.evaluation.curve import ThresholdCurve, alpha_grid
from ssenet_core.evaluation.stages import (
    MULTI_SCALE,
    images_with_masks,
    log_scores,
    naming_file,
    score_entry,
)
from ssenet_core.io.files import write_json
from ssenet_core.models.checkpoints import load_checkpoint
from ssenet_core.models.device import autocast, pick_device
from ssenet_core.settings import AlphaGrid, CamInference, CamTraining


def evaluate_scales(
    *,
    manifest: str | Path,
    checkpoint: str | Path,
    output: str | Path,
    name: str,
    settings: CamInference,
    scales: Sequence[float],
    alpha: float,
    alphas: AlphaGrid,
) -> None:
    """Score the class activation maps of every single scale, and of all scales together.

    No map is stored: each image is read once, and each of its views passes the network once.

    Args:
        manifest: the split's manifest; its images need masks and tags.
        checkpoint: a CAM network's.
        output: JSON to write: an entry a scale under "scales", by name ("0.5", ..., "MS" for the
            sum over `settings.scales`), each with its curve.
        name: the CAM variant.
        settings: `inference` of the variant.
        scales: the single scales to score.
        alpha: background threshold at which mIoU, mFN and mFP are given.
        alphas: the curves' thresholds.

    Raises:
        SSENetError: a file is missing, damaged, or does not fit its mask, or tags are unknown.
    """
    device = pick_device()
    network, facts = load_checkpoint(checkpoint, CamTraining, device)
    alignment = facts.settings.alignment
    split = load_manifest(manifest)
    grid = alpha_grid(alphas)
    together = list(settings.scales)
    every = sorted({*scales, *together})
    names = {f"{scale:g}": [scale] for scale in scales} | {MULTI_SCALE: together}
    curves = {key: ThresholdCurve([*grid, alpha], split.num_classes) for key in names}
    for record, truth in images_with_masks(split, f"Scoring scales of {name}"):
        photograph, tags = record.photograph(), record.known_tags
        with torch.inference_mode(), autocast(device, settings.precision):
            maps = {
                scale: single_scale_maps(network, photograph, scale, settings.flip, alignment)
                for scale in every
            }
        for key, members in names.items():
            shown = normalised_maps(sum_maps(maps[scale] for scale in members), tags)
            with naming_file(checkpoint, record):
                curves[key].add(truth, shown, np.asarray(tags, np.int64))
    entries = {
        key: score_entry(split, "cam", name, curve.confusion(alpha), tags_used=True)
        | {"alpha": alpha, "curve": curve.points(grid)}
        for key, curve in curves.items()
    }
    write_json(output, {"name": name, "multi_scale": together, "scales": entries})
    log_scores(output, entries[MULTI_SCALE])
