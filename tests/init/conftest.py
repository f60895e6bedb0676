"""A folder of someone's photographs with a table of tags, for tests to spoil."""

from pathlib import Path

import pytest
from own_photos import TAGS, save

from ssenet_core.init import write


@pytest.fixture(autouse=True)
def _no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is trained for an estimate, which takes seconds; test_estimate.py measures."""
    monkeypatch.setattr(write, "estimated_minutes", lambda *_: 7.4)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten photographs with awkward names beside other things, and a table of their tags."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "Zoë's photos"
    folder.mkdir()
    rows = ["image,tags,by"]
    for number in range(10):
        name = f"Zoë {number}.jpg"
        save(folder / name, number)
        rows.append(f'"{name}",{TAGS[number % len(TAGS)]},me')
    (folder / "notes.txt").write_text("no photograph")
    (folder / ".hidden.jpg").write_text("no photograph either")
    (tmp_path / "tags.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder
