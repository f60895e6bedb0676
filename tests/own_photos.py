"""Photographs, masks and calls for tests of `ssenet init`."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from ssenet_core.cli import main
from ssenet_core.io.images import write_label_png
from ssenet_core.settings import Settings, load, merged

ROOT = Path(__file__).parents[1]
TAGS = ("cat", "dog", "cat; dog", "potted plant;", "dog; potted plant")


def save(path: Path, seed: int = 0, size: tuple[int, int] = (64, 48), **options: object) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)


def make_masks(folder: Path, ids: list[str], label: int = 1) -> Path:
    folder.mkdir()
    for image_id in ids:
        write_label_png(folder / f"{image_id}.png", np.full((48, 64), label, np.uint8))
    return folder


def config_of(path: Path) -> Settings:
    """The written overlay laid over config.yaml, as Snakemake lays it; it is valid."""
    overlay = yaml.safe_load(path.read_text(encoding="utf-8"))
    config = merged(yaml.safe_load((ROOT / "config.yaml").read_text()), overlay)
    return load(config)


def init(*arguments: str) -> int:
    return main(["init", *arguments])


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The message of an `ssenet init` that fails, and leaves no new file."""
    before = sorted(Path().rglob("*"))
    capsys.readouterr()
    assert init(*arguments) == 1
    assert sorted(Path().rglob("*")) == before
    return capsys.readouterr().err
