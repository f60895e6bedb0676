"""The archive for VOC's evaluation server."""

import tarfile
from pathlib import Path

import numpy as np
import pytest

from ssenet_core.errors import SSENetError
from ssenet_core.io.images import write_label_png
from ssenet_core.report.paper_tables import pack_predictions


def test_files_lie_where_the_server_looks(tmp_path: Path) -> None:
    labels = np.array([[0, 3], [255, 20]], np.uint8)
    for name in ("2008_000001", "2008_000002"):
        write_label_png(tmp_path / f"{name}.png", labels)
    pack_predictions(["2008_000001", "2008_000002"], tmp_path, tmp_path / "out.tgz")
    with tarfile.open(tmp_path / "out.tgz") as tar:
        names = tar.getnames()
        member = tar.extractfile(names[0])
        assert member is not None
        assert member.read() == (tmp_path / "2008_000001.png").read_bytes()
    folder = "results/VOC2012/Segmentation/comp6_test_cls"
    assert names == [f"{folder}/2008_000001.png", f"{folder}/2008_000002.png"]


def test_missing_predictions_leave_no_archive(tmp_path: Path) -> None:
    with pytest.raises(SSENetError, match=r"2 of 2 predictions are missing.*2008_000001\.png"):
        pack_predictions(["2008_000001", "2008_000002"], tmp_path, tmp_path / "out.tgz")
    assert list(tmp_path.iterdir()) == []
