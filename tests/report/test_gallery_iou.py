"""Pictures of the gallery: what their IoU means."""

from pathlib import Path

import numpy as np
import pytest

from ssenet_core.data.manifest import ImageRecord
from ssenet_core.io.images import VOID, write_label_png
from ssenet_core.report.gallery import Subject

CLASSES = ("background", "cat")


def iou(path: Path, truth: np.ndarray, answer: np.ndarray) -> float | None:
    write_label_png(path, truth)
    height, width = truth.shape
    record = ImageRecord(
        id="a", image=path, mask=path, width=width, height=height, tags=(1,), sha256=""
    )
    return Subject(record, CLASSES).labels("DeepLab", "DeepLab", path, answer).iou


def test_void_around_a_thing_does_not_mark_it_down(tmp_path):
    truth = np.full((8, 8), VOID, np.uint8)
    truth[2:6, 2:6] = 1
    answer = np.where(truth == 1, 1, 0).astype(np.uint8)
    answer[2, 2] = 0
    assert iou(tmp_path / "a.png", truth, answer) == pytest.approx(100 * 15 / 16)
    nothing = np.zeros((8, 8), np.uint8)
    assert iou(tmp_path / "b.png", nothing, nothing) == 100
