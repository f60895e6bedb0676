"""Pictures of the gallery: what their IoU means."""

import numpy as np
import pytest

from ssenet_core.io.images import VOID
from ssenet_core.report.gallery import _label_panel


def test_void_around_a_thing_does_not_mark_it_down(tmp_path):
    truth = np.full((8, 8), VOID, np.uint8)
    truth[2:6, 2:6] = 1
    answer = np.where(truth == 1, 1, 0).astype(np.uint8)
    answer[2, 2] = 0
    panel = _label_panel("DeepLab", tmp_path / "a.png", answer, truth, ["background", "cat"])
    assert panel.iou == pytest.approx(100 * 15 / 16)
    nothing = np.zeros((8, 8), np.uint8)
    assert _label_panel("DeepLab", tmp_path, nothing, nothing, ["background", "cat"]).iou == 100
