"""Manifests: files that are none are named."""

from pathlib import Path

import pytest

from ssenet_core.data.manifest import load_manifest
from ssenet_core.errors import SSENetError


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": "ssenet manifest", "format_version": 1}', '{"format": "other"}'],
)
def test_files_that_are_no_manifest_are_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "train.json"
    path.write_text(text)
    with pytest.raises(SSENetError, match=r"train\.json"):
        load_manifest(path)
