"""Settings of a variant for the benchmarks: the synthetic dataset's, or the paper's recipe."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssenet_core.settings import merged, read_configuration

PAPER = Path(__file__).parents[1] / "recipes" / "voc2012.yaml"


def toy(section: str, name: str) -> Any:
    """A variant of `config.yaml`, from random weights."""
    return _untrained([], section, name)


def paper(section: str, name: str) -> Any:
    """A variant of `recipes/voc2012.yaml` laid over `config.yaml`, from random weights."""
    return _untrained([PAPER], section, name)


def changed(settings: Any, over: Mapping[str, Any]) -> Any:
    """A section of settings with other values laid over its own."""
    return type(settings).model_validate(merged(settings.plain(), over))


def _untrained(overlays: list[Path], section: str, name: str) -> Any:
    settings = read_configuration(overlays).resolve(section, name)
    return changed(settings, {"backbone": {"weights": None}})
